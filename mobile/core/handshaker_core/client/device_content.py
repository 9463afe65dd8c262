"""What devices tell each other: about a person's devices, and, between own devices, what one of them did."""

from dataclasses import dataclass
from typing import TypeAlias

from google.protobuf.message import DecodeError
from handshaker_proto.content.v1 import content_pb2

from handshaker_core.errors import ProtocolError
from handshaker_core.model import Attention
from handshaker_core.protocol.address import ID_SIZE, SEND_SECRET_SIZE, SendId, SendSecret
from handshaker_core.protocol.device import DeviceCertificate, DeviceId, DeviceList
from handshaker_core.protocol.keys import IdentityPublicKey
from handshaker_core.store.contacts import Profile
from handshaker_core.store.mailboxes import PeerMailbox

MESSAGE_ID_SIZE = 16


class MalformedDeviceContent(ProtocolError):
    """Decrypted bytes about devices that break a rule."""

    reason = "malformed_device_content"
    sentence = "The message tells something about devices that cannot be read; a newer client may be needed."


@dataclass(frozen=True, slots=True)
class DeviceUpdate:
    """The sender's devices, and where the sending one receives (None: as before)."""

    devices: DeviceList
    reply_to: PeerMailbox | None


@dataclass(frozen=True, slots=True)
class SentCopy:
    """A text that another own device has sent."""

    identity: IdentityPublicKey
    message_id: bytes
    sent_at_ms: int
    text: str


@dataclass(frozen=True, slots=True)
class ReadMarks:
    """Messages that were read on another own device."""

    identity: IdentityPublicKey
    message_ids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Person:
    """A contact as another own device knows them."""

    identity: IdentityPublicKey
    profile: Profile
    username: str | None
    verified: bool
    attention: Attention | None
    devices: DeviceList | None
    mailboxes: tuple[tuple[DeviceId, PeerMailbox], ...]


SyncItem: TypeAlias = SentCopy | ReadMarks | Person


@dataclass(frozen=True, slots=True)
class Sync:
    """From another own device."""

    item: SyncItem


@dataclass(frozen=True, slots=True)
class LinkedAccount:
    """What a primary hands to a device that it has linked."""

    server_device_id: bytes
    certificate: DeviceCertificate
    devices: DeviceList
    profile: Profile
    mailboxes: tuple[tuple[DeviceId, PeerMailbox], ...]

    def encode(self) -> bytes:
        """The bytes of the package."""
        message = content_pb2.LinkedAccount(
            device_id=self.server_device_id,
            certificate=self.certificate.encode(),
            device_list=self.devices.encode(),
            profile=_profile(self.profile),
        )
        for device_id, mailbox in self.mailboxes:
            message.devices.add(device_id=device_id, mailbox=write_mailbox(mailbox))
        return message.SerializeToString()

    @classmethod
    def decode(cls, data: bytes) -> "LinkedAccount":
        """Raises: ProtocolError."""
        message = content_pb2.LinkedAccount()
        try:
            message.ParseFromString(data)
        except DecodeError:
            raise MalformedDeviceContent from None
        return cls(
            server_device_id=_sized(message.device_id, ID_SIZE),
            certificate=DeviceCertificate.decode(message.certificate),
            devices=DeviceList.decode(message.device_list),
            profile=Profile(message.profile.display_name, message.profile.username or None),
            mailboxes=tuple(
                (DeviceId(_sized(each.device_id, ID_SIZE)), read_mailbox(each.mailbox)) for each in message.devices
            ),
        )


def write_device_content(message: content_pb2.Content, body: DeviceUpdate | Sync) -> None:
    """Fill the message."""
    if isinstance(body, Sync):
        _write_sync(message.sync, body)
    else:
        _write_update(message.device_update, body)


def read_device_content(message: content_pb2.Content) -> DeviceUpdate | Sync:
    """Raises: ProtocolError."""
    return _read_sync(message.sync) if message.HasField("sync") else _read_update(message.device_update)


def _write_update(message: content_pb2.DeviceUpdate, update: DeviceUpdate) -> None:
    message.device_list = update.devices.encode()
    if update.reply_to is not None:
        message.reply_to.CopyFrom(write_mailbox(update.reply_to))


def _read_update(message: content_pb2.DeviceUpdate) -> DeviceUpdate:
    reply_to = read_mailbox(message.reply_to) if message.HasField("reply_to") else None
    return DeviceUpdate(DeviceList.decode(message.device_list), reply_to)


def read_list(encoded: bytes) -> DeviceList | None:
    """A list that may be absent. Raises: ProtocolError."""
    return DeviceList.decode(encoded) if encoded else None


def _write_sync(message: content_pb2.Sync, sync: Sync) -> None:
    match sync.item:
        case SentCopy(identity, message_id, sent_at_ms, text):
            message.sent.identity, message.sent.message_id = identity.raw, message_id
            message.sent.sent_at_ms, message.sent.text = sent_at_ms, text
        case ReadMarks(identity, message_ids):
            message.read.identity = identity.raw
            message.read.message_ids.extend(message_ids)
        case Person() as person:
            _write_person(message.person, person)


def _read_sync(message: content_pb2.Sync) -> Sync:
    match message.WhichOneof("item"):
        case "sent":
            sent = message.sent
            message_id = _sized(sent.message_id, MESSAGE_ID_SIZE)
            return Sync(SentCopy(IdentityPublicKey(sent.identity), message_id, sent.sent_at_ms, sent.text))
        case "read":
            ids = tuple(_sized(each, MESSAGE_ID_SIZE) for each in message.read.message_ids)
            return Sync(ReadMarks(IdentityPublicKey(message.read.identity), ids))
        case "person":
            return Sync(_read_person(message.person))
    raise MalformedDeviceContent


def write_mailbox(mailbox: PeerMailbox) -> content_pb2.MailboxAddress:
    """The message for a mailbox."""
    return content_pb2.MailboxAddress(send_id=mailbox.send_id, send_secret=mailbox.send_secret.raw)


def read_mailbox(message: content_pb2.MailboxAddress) -> PeerMailbox:
    """Raises: MalformedDeviceContent."""
    return PeerMailbox(
        SendId(_sized(message.send_id, ID_SIZE)), SendSecret(_sized(message.send_secret, SEND_SECRET_SIZE))
    )


def write_address(mailbox: PeerMailbox) -> bytes:
    """A mailbox as bytes."""
    return write_mailbox(mailbox).SerializeToString()


def read_address(data: bytes) -> PeerMailbox:
    """Raises: MalformedDeviceContent."""
    message = content_pb2.MailboxAddress()
    try:
        message.ParseFromString(data)
    except DecodeError:
        raise MalformedDeviceContent from None
    return read_mailbox(message)


def _profile(profile: Profile) -> content_pb2.Profile:
    return content_pb2.Profile(display_name=profile.display_name, username=profile.username or "")


def _write_person(message: content_pb2.Person, person: Person) -> None:
    message.identity = person.identity.raw
    message.profile.CopyFrom(_profile(person.profile))
    message.username = person.username or ""
    message.verified = person.verified
    message.attention = person.attention or ""
    message.device_list = b"" if person.devices is None else person.devices.encode()
    for device_id, mailbox in person.mailboxes:
        message.devices.add(device_id=device_id, mailbox=write_mailbox(mailbox))


def _read_person(message: content_pb2.Person) -> Person:
    try:
        attention = Attention(message.attention) if message.attention else None
    except ValueError:
        raise MalformedDeviceContent from None
    return Person(
        identity=IdentityPublicKey(message.identity),
        profile=Profile(message.profile.display_name, message.profile.username or None),
        username=message.username or None,
        verified=message.verified,
        attention=attention,
        devices=read_list(message.device_list),
        mailboxes=tuple(
            (DeviceId(_sized(each.device_id, ID_SIZE)), read_mailbox(each.mailbox)) for each in message.devices
        ),
    )


def _sized(data: bytes, size: int) -> bytes:
    if len(data) != size:
        raise MalformedDeviceContent
    return data
