"""What operations yield. Each result is a flat object with a `type`; with `--json` it is printed as it stands here.

Keys stay as they are: scripts and applications depend on them. New ones may join.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Final

from handshaker_cli.codec import JsonValue, Malformed, decode, encode


@dataclass(frozen=True, slots=True)
class Result:
    """Root of the results.

    Attributes:
        type: the kind of object, stable.
        aside: said beside the results, on standard error.
    """

    type: ClassVar[str]
    aside: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Account(Result):
    """Who this is. `link` is what others connect with when there is no username."""

    type: ClassVar[str] = "account"
    name: str
    username: str | None
    server: str
    link: str
    account_id: str | None
    device_id: str | None
    logged_in: bool


@dataclass(frozen=True, slots=True)
class Found(Result):
    """Somebody has the username; `contact` is the number of the contact if it is one already."""

    type: ClassVar[str] = "found"
    username: str
    safety_number: str
    contact: int | None


@dataclass(frozen=True, slots=True)
class Contact(Result):
    """Somebody with whom there is a request or a conversation.

    `name` is what they call themselves, or else a username. `username` was looked up in the server's directory and led
    to this very person; `claimed_username` is only what they say.
    state: connected, requested (you asked), asking (they ask), closed (rejected or cancelled).
    attention: why nothing is sent before you have looked: device_added, identity_changed; null where nothing is.
    """

    type: ClassVar[str] = "contact"
    contact: int
    name: str
    username: str | None
    claimed_username: str | None
    state: str
    verified: bool
    unread: int
    attention: str | None = None


@dataclass(frozen=True, slots=True)
class Request(Result):
    """A connection request; direction: incoming, outgoing; state: pending, accepted, rejected, cancelled."""

    type: ClassVar[str] = "request"
    request: int
    direction: str
    state: str
    contact: int
    name: str
    username: str | None
    claimed_username: str | None
    greeting: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Message(Result):
    """A message; direction: incoming, outgoing.

    state, outgoing: sending (kept here until the server has taken it), stored (on the server until they fetch it),
    delivered, read, failed (`failure` says why); incoming: received, read.
    `text` is null when a message came that cannot be decrypted. `notice` is a word where the line was not written by
    anybody: this device tells something about the conversation, such as `session_ended`, and `text` explains it.
    `disappears_at`: when the message is deleted here, once that is known.
    """

    type: ClassVar[str] = "message"
    message: int
    direction: str
    state: str
    contact: int
    name: str
    text: str | None
    at: datetime
    failure: str | None = None
    notice: str | None = None
    disappears_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SafetyNumber(Result):
    """The 60 digits that both sides see when nobody is in between; `code` is for the other side to scan."""

    type: ClassVar[str] = "safety_number"
    contact: int
    name: str
    number: str
    code: str
    verified: bool


@dataclass(frozen=True, slots=True)
class Certificate(Result):
    """An OpenPGP certificate that is proven to belong to an identity: yours, or that of `contact`.

    `verified`: whether the safety number with the contact was compared.
    """

    type: ClassVar[str] = "certificate"
    fingerprint: str
    user_id: str
    contact: int | None
    name: str | None
    verified: bool | None
    armored: str


@dataclass(frozen=True, slots=True)
class Written(Result):
    """A file that was written; kind: certificate, secret_key, encrypted, signature, history, backup."""

    type: ClassVar[str] = "written"
    file: str
    kind: str
    bytes: int
    messages: int | None = None


@dataclass(frozen=True, slots=True)
class Checked(Result):
    """A file that was decrypted or verified; signature: good, unknown (by somebody not known), none.

    `file` is where the content is now, null where nothing had to be written.
    """

    type: ClassVar[str] = "checked"
    file: str | None
    bytes: int
    encrypted: bool
    signature: str
    fingerprint: str | None
    own: bool
    contact: int | None
    name: str | None
    verified: bool | None
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Phrase(Result):
    """The recovery phrase, 24 words with spaces between."""

    type: ClassVar[str] = "phrase"
    words: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Done(Result):
    """Something was done that has no other result; `done` is a stable word."""

    type: ClassVar[str] = "done"
    done: str
    message: str


@dataclass(frozen=True, slots=True)
class Timer(Result):
    """After how many seconds new messages with a contact disappear; null for never."""

    type: ClassVar[str] = "timer"
    contact: int
    name: str
    seconds: int | None


@dataclass(frozen=True, slots=True)
class Restored(Result):
    """How many messages a backup held, and how many contacts there are now."""

    type: ClassVar[str] = "restored"
    messages: int
    contacts: int


@dataclass(frozen=True, slots=True)
class Panicked(Result):
    """Everything is destroyed here; whether the server has deleted the account too."""

    type: ClassVar[str] = "panicked"
    server_told: bool


@dataclass(frozen=True, slots=True)
class Session(Result):
    """The keys shared with a contact.

    `sessions` is 0 once they were deleted, until the next message; `epoch` counts renewals with ML-KEM.
    live: idle, offered (you asked), accepting (they ask), live, ended (`ended` says why: ended_here, ended_by_contact,
    no_answer, not_there, too_long, session_ended); `since` is when that began.
    """

    type: ClassVar[str] = "session"
    contact: int
    name: str
    sessions: int
    epoch: int | None
    live: str
    since: datetime | None
    ended: str | None


@dataclass(frozen=True, slots=True)
class LinkCode(Result):
    """The code that a new device shows."""

    type: ClassVar[str] = "link_code"
    code: str


@dataclass(frozen=True, slots=True)
class Numbers(Result):
    """The six digits to compare on both devices; `name` is the new device's. Standard input takes `yes` or `no`."""

    type: ClassVar[str] = "numbers"
    number: str
    name: str


@dataclass(frozen=True, slots=True)
class Device(Result):
    """An own device; `device` is the start of its id, enough to name it."""

    type: ClassVar[str] = "device"
    device: str
    name: str
    this: bool
    primary: bool
    added_at: datetime


@dataclass(frozen=True, slots=True)
class Ready(Result):
    """The process keeps the account open from now on."""

    type: ClassVar[str] = "ready"
    process: int
    home: str


@dataclass(frozen=True, slots=True)
class Notice(Result):
    """Something worth knowing that is no result."""

    type: ClassVar[str] = "notice"
    aside: ClassVar[bool] = True
    notice: str
    message: str


@dataclass(frozen=True, slots=True)
class Progress(Result):
    """How far something slow is; `share` may be null when nobody knows."""

    type: ClassVar[str] = "progress"
    aside: ClassVar[bool] = True
    message: str
    share: float | None = None


_RESULTS: Final[dict[str, type[Result]]] = {
    kind.type: kind
    for kind in (
        Account,
        Found,
        Contact,
        Request,
        Message,
        SafetyNumber,
        Certificate,
        Written,
        Checked,
        Phrase,
        Done,
        Timer,
        Restored,
        Panicked,
        Session,
        LinkCode,
        Numbers,
        Device,
        Ready,
        Notice,
        Progress,
    )
}


def to_object(result: Result) -> dict[str, JsonValue]:
    """The result as a JSON object, `type` first."""
    return {"type": result.type, **encode(result)}


def from_object(content: Mapping[str, object]) -> Result:
    """The result that `to_object` made. Raises: Malformed."""
    fields = dict(content)
    kind = _RESULTS.get(str(fields.pop("type", "")))
    if kind is None:
        raise Malformed("This is no result.")
    return decode(kind, fields)
