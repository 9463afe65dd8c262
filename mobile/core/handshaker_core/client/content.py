"""What the ends say to each other, as typed values; bytes only at the edge (`content/v1/content.proto`)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from google.protobuf.message import DecodeError
from handshaker_proto.content.v1 import content_pb2

from handshaker_core.client.device_content import (
    DeviceUpdate,
    Sync,
    read_device_content,
    read_list,
    write_device_content,
)
from handshaker_core.client.texts import MAX_GREETING_BYTES, clean_profile
from handshaker_core.errors import ProtocolError
from handshaker_core.protocol.address import ID_SIZE, SEND_SECRET_SIZE, SendId, SendSecret
from handshaker_core.protocol.device import DeviceList
from handshaker_core.protocol.live import LIVE_ID_SIZE, LiveId
from handshaker_core.store.contacts import Profile
from handshaker_core.store.mailboxes import PeerMailbox

MESSAGE_ID_SIZE = 16
LATEST_TIME_MS = 2**62
LONGEST_TIMER_SECONDS = 366 * 86_400


class MalformedContent(ProtocolError):
    """Decrypted bytes that are no content of this version."""

    reason = "malformed_content"
    sentence = "The message was decrypted, but its content cannot be read; a newer client may be needed."


@dataclass(frozen=True, slots=True)
class Text:
    """A message."""

    text: str


@dataclass(frozen=True, slots=True)
class Receipts:
    """Message ids that were delivered and read."""

    delivered: tuple[bytes, ...]
    read: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ConnectionRequest:
    """Somebody asks to connect, and says where to answer."""

    profile: Profile
    reply_to: PeerMailbox
    greeting: str
    devices: DeviceList | None = None


@dataclass(frozen=True, slots=True)
class ConnectionAccepted:
    """Yes, and where to write from now on."""

    profile: Profile
    reply_to: PeerMailbox
    devices: DeviceList | None = None


@dataclass(frozen=True, slots=True)
class ConnectionRejected:
    """No."""


@dataclass(frozen=True, slots=True)
class TimerChanged:
    """New messages disappear after `Content.expires_after_seconds` from now on, or no longer."""


@dataclass(frozen=True, slots=True)
class EndSession:
    """The sender has deleted the keys of the session that carries this."""


@dataclass(frozen=True, slots=True)
class LiveOffer:
    """The sender offers a live session."""

    live_id: LiveId


@dataclass(frozen=True, slots=True)
class LiveAccept:
    """Yes to an offer."""

    live_id: LiveId


@dataclass(frozen=True, slots=True)
class LiveEnd:
    """A live session, or an offer of one, is over."""

    live_id: LiveId


Body: TypeAlias = (
    Text
    | Receipts
    | ConnectionRequest
    | ConnectionAccepted
    | ConnectionRejected
    | DeviceUpdate
    | Sync
    | TimerChanged
    | EndSession
    | LiveOffer
    | LiveAccept
    | LiveEnd
)


@dataclass(frozen=True, slots=True)
class Content:
    """One message of the ends.

    Attributes:
        message_id: random, 16 bytes.
        sent_at_ms: the sender's clock.
        expires_after_seconds: how long it lives once it was read; None for ever.
    """

    message_id: bytes
    sent_at_ms: int
    body: Body
    expires_after_seconds: int | None = None

    def encode(self) -> bytes:
        """The bytes that are encrypted."""
        message = content_pb2.Content(
            message_id=self.message_id,
            sent_at_ms=self.sent_at_ms,
            expires_after_seconds=self.expires_after_seconds or 0,
        )
        match self.body:
            case Text(text):
                message.text.text = text
            case Receipts(delivered, read):
                message.receipts.delivered.extend(delivered)
                message.receipts.read.extend(read)
            case ConnectionRequest(profile, reply_to, greeting, devices):
                message.connection_request.greeting = greeting
                message.connection_request.device_list = _encoded(devices)
                _write_profile(message.connection_request.profile, profile)
                _write_mailbox(message.connection_request.reply_to, reply_to)
            case ConnectionAccepted(profile, reply_to, devices):
                message.connection_accepted.device_list = _encoded(devices)
                _write_profile(message.connection_accepted.profile, profile)
                _write_mailbox(message.connection_accepted.reply_to, reply_to)
            case ConnectionRejected():
                message.connection_rejected.SetInParent()
            case DeviceUpdate() | Sync():
                write_device_content(message, self.body)
            case TimerChanged():
                message.timer_changed.SetInParent()
            case EndSession():
                message.end_session.SetInParent()
            case LiveOffer() | LiveAccept() | LiveEnd():
                _write_live(message, self.body)
        return message.SerializeToString()

    @classmethod
    def decode(cls, data: bytes) -> "Content":
        """Read decrypted bytes, which are authentic but may be anything.

        Raises:
            MalformedContent: no content, of an unknown kind, or a field out of its limits.
        """
        message = content_pb2.Content()
        try:
            message.ParseFromString(data)
        except DecodeError:
            raise MalformedContent from None
        if len(message.message_id) != MESSAGE_ID_SIZE:
            raise MalformedContent
        return cls(
            message.message_id,
            min(message.sent_at_ms, LATEST_TIME_MS),
            _read_body(message),
            min(message.expires_after_seconds, LONGEST_TIMER_SECONDS) or None,
        )


def _read_body(message: content_pb2.Content) -> Body:
    match message.WhichOneof("body"):
        case "text":
            return Text(message.text.text)
        case "receipts":
            return Receipts(_message_ids(message.receipts.delivered), _message_ids(message.receipts.read))
        case "connection_request":
            request = message.connection_request
            greeting = request.greeting.encode()[:MAX_GREETING_BYTES].decode(errors="ignore")
            return ConnectionRequest(
                _read_profile(request.profile),
                _read_mailbox(request.reply_to),
                greeting,
                read_list(request.device_list),
            )
        case "connection_accepted":
            accepted = message.connection_accepted
            return ConnectionAccepted(
                _read_profile(accepted.profile), _read_mailbox(accepted.reply_to), read_list(accepted.device_list)
            )
        case "connection_rejected":
            return ConnectionRejected()
        case "device_update" | "sync":
            return read_device_content(message)
        case "timer_changed":
            return TimerChanged()
    return _read_control(message)


def _read_control(message: content_pb2.Content) -> EndSession | LiveOffer | LiveAccept | LiveEnd:
    match message.WhichOneof("body"):
        case "end_session":
            return EndSession()
        case "live_offer":
            return LiveOffer(_live_id(message.live_offer.live_id))
        case "live_accept":
            return LiveAccept(_live_id(message.live_accept.live_id))
        case "live_end":
            return LiveEnd(_live_id(message.live_end.live_id))
    raise MalformedContent


def _write_live(message: content_pb2.Content, body: LiveOffer | LiveAccept | LiveEnd) -> None:
    match body:
        case LiveOffer(live_id):
            message.live_offer.live_id = live_id
        case LiveAccept(live_id):
            message.live_accept.live_id = live_id
        case LiveEnd(live_id):
            message.live_end.live_id = live_id


def _live_id(value: bytes) -> LiveId:
    if len(value) != LIVE_ID_SIZE:
        raise MalformedContent
    return LiveId(value)


def _encoded(devices: DeviceList | None) -> bytes:
    return b"" if devices is None else devices.encode()


def _message_ids(ids: Iterable[bytes]) -> tuple[bytes, ...]:
    return tuple(item for item in ids if len(item) == MESSAGE_ID_SIZE)


def _write_profile(message: content_pb2.Profile, profile: Profile) -> None:
    message.display_name = profile.display_name
    message.username = profile.username or ""


def _read_profile(message: content_pb2.Profile) -> Profile:
    return clean_profile(message.display_name, message.username)


def _write_mailbox(message: content_pb2.MailboxAddress, mailbox: PeerMailbox) -> None:
    message.send_id = mailbox.send_id
    message.send_secret = mailbox.send_secret.raw


def _read_mailbox(message: content_pb2.MailboxAddress) -> PeerMailbox:
    if len(message.send_id) != ID_SIZE or len(message.send_secret) != SEND_SECRET_SIZE:
        raise MalformedContent
    return PeerMailbox(SendId(message.send_id), SendSecret(message.send_secret))
