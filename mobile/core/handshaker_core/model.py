"""What programs on top of the client see: plain, frozen values that turn into JSON as they are.

Ids are integers of this store alone; they say nothing to anybody else. Times are milliseconds since 1970-01-01.
"""

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, NewType

from handshaker_core.protocol.live import EndReason, Phase

ContactId = NewType("ContactId", int)
RequestId = NewType("RequestId", int)
MessageNumber = NewType("MessageNumber", int)
"""Names a message in this store, in the order of arrival."""


class Direction(StrEnum):
    """Seen from this device."""

    INCOMING = "incoming"
    OUTGOING = "outgoing"


class MessageKind(StrEnum):
    """What a line of a conversation is."""

    TEXT = "text"
    UNREADABLE = "unreadable"
    """Something arrived that could not be decrypted; its text is empty."""
    NOTICE = "notice"
    """Something about the conversation that this device tells; `Message.notice` says what."""


class Notice(StrEnum):
    """What a line of the kind `notice` tells. The words are stable; the message's text says the same for a person."""

    SESSION_ENDED = "session_ended"
    """This side ended the session: its keys are gone on both sides."""
    SESSION_ENDED_BY_CONTACT = "session_ended_by_contact"
    """The contact did."""
    IDENTITY_CHANGED = "identity_changed"
    """The contact has another identity than before."""
    DEVICE_ADDED = "device_added"
    """The contact uses a further device."""
    DEVICE_REMOVED = "device_removed"
    """The contact removed a device."""
    TIMER_CHANGED = "timer_changed"
    """This side set after what time messages disappear; the text says it."""
    TIMER_CHANGED_BY_CONTACT = "timer_changed_by_contact"
    """The contact did."""


class MessageState(StrEnum):
    """How far a message is.

    Outgoing ones go from `sending` to `stored` (the server keeps it), `delivered` (it is on the contact's device) and
    `read`, never backwards, or to `failed`. Incoming ones are `received` until they are `read` here.
    """

    SENDING = "sending"
    FAILED = "failed"
    STORED = "stored"
    DELIVERED = "delivered"
    READ = "read"
    RECEIVED = "received"


class RequestState(StrEnum):
    """What became of a request to connect."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


class ContactState(StrEnum):
    """Where two people stand with each other."""

    CONNECTED = "connected"
    REQUESTED = "requested"
    """This side has asked."""
    ASKING = "asking"
    """The other side has asked."""
    CLOSED = "closed"
    """Nothing is open: rejected or cancelled."""


class Attention(StrEnum):
    """Why sending to a contact is paused until the owner has looked."""

    DEVICE_ADDED = "device_added"
    """Somebody who holds the contact's identity has added a device, which reads all that is sent from now on."""
    IDENTITY_CHANGED = "identity_changed"
    """The contact's username leads to another identity."""


@dataclass(frozen=True, slots=True)
class Contact:
    """Somebody.

    Attributes:
        id: names the contact in this store.
        name: what to show; never empty.
        username: the directory led from this name to this very person; None where it is not known.
        claimed_username: what the person says about themselves, unchecked.
        state: where the two of you stand.
        verified: the safety number was compared.
        unread: messages that were not read yet.
        attention: why nothing is sent before this is verified or acknowledged; None where there is nothing.
    """

    id: ContactId
    name: str
    username: str | None
    claimed_username: str | None
    state: ContactState
    verified: bool
    unread: int = 0
    attention: Attention | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """A line of a conversation.

    Attributes:
        id: names it in this store.
        failure: a stable reason where the state is `failed`: `refused`, `expired`, `malformed`.
        sent_at_ms: the sender's clock.
        created_at_ms: this device's clock when it was written or arrived.
        notice: what a line of the kind `notice` tells.
        expires_after_seconds: how long it lives once it was sent or read; None for ever.
        expires_at_ms: when it disappears; None while its time has not begun.
    """

    id: MessageNumber
    contact_id: ContactId
    direction: Direction
    kind: MessageKind
    text: str
    state: MessageState
    failure: str | None
    sent_at_ms: int
    created_at_ms: int
    notice: Notice | None = None
    expires_after_seconds: int | None = None
    expires_at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class LiveSession:
    """How it stands with the live session between this device and one of a contact; never with its key.

    Attributes:
        phase: `idle`, `offered`, `accepting` (the contact offers one), `live`, `ended`.
        since_ms: when that began; None where there is none.
        ended: why it is over; None where it is not.
    """

    contact_id: ContactId
    phase: Phase
    since_ms: int | None
    ended: EndReason | None


@dataclass(frozen=True, slots=True)
class SessionStatus:
    """The sessions between this device and those of a contact.

    Attributes:
        sessions: how many there are; 0 once they were ended, until the next message.
        epoch: how often the post-quantum ratchet has turned in the furthest of them; None where there is none.
        live: the live session.
    """

    contact_id: ContactId
    sessions: int
    epoch: int | None
    live: LiveSession


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody asks somebody to connect.

    Attributes:
        name: what to show of the other person.
        claimed_username: what they say; None for an outgoing request.
    """

    id: RequestId
    contact_id: ContactId
    direction: Direction
    state: RequestState
    name: str
    username: str | None
    claimed_username: str | None
    greeting: str
    created_at_ms: int


@dataclass(frozen=True, slots=True)
class Account:
    """Who this device is.

    Attributes:
        account_id: the server's random name for the account; no contact ever sees it.
        link: the contact link to give to others; whoever has it can write to the contact mailbox.
    """

    account_id: str
    device_id: str
    username: str | None
    display_name: str
    server: str
    link: str = field(repr=False)
    logged_in: bool


@dataclass(frozen=True, slots=True)
class Found:
    """A username that leads to somebody.

    Attributes:
        safety_number: 60 digits, the same as the contact will have.
        contact: the person as a contact, where there is something between you already.
    """

    username: str
    safety_number: str
    contact: Contact | None


def as_json(value: Any) -> dict[str, Any]:
    """One of these values, or an event, as a dictionary of plain JSON types."""
    return asdict(value)
