"""Frames on their way out: encrypted once, kept until the server has said what became of them."""

from dataclasses import dataclass
from enum import StrEnum

from handshaker_core.credentials import FrameId
from handshaker_core.model import ContactId
from handshaker_core.protocol.address import SendId, SendSecret
from handshaker_core.store.connection import Connection
from handshaker_core.store.mailboxes import PeerMailbox


class Kind(StrEnum):
    """What a frame carries, which decides what a refusal means."""

    REQUEST = "request"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    TEXT = "text"
    RECEIPTS = "receipts"
    CONTROL = "control"
    """What the programs at the ends tell each other; it has no line in the conversation."""
    LIVE = "live"
    """The same, and of no use to somebody who is away."""


@dataclass(frozen=True, slots=True, repr=False)
class Waiting:
    """A frame that waits."""

    frame_id: FrameId
    contact: ContactId | None
    kind: Kind
    to: PeerMailbox
    frame: bytes
    created_at: float
    attempts: int = 0


def add(c: Connection, new: Waiting) -> None:
    """Keep a frame to be sent as soon as possible, but not before earlier ones to the same mailbox that are held."""
    c.execute(
        "INSERT INTO outbox (frame_id, contact_id, kind, send_id, send_secret, frame, created_at, next_try_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, coalesce((SELECT max(next_try_at) FROM outbox"
        " WHERE send_id = ? AND kind != 'receipts'), 0))",
        (
            new.frame_id,
            new.contact,
            new.kind,
            new.to.send_id,
            new.to.send_secret.raw,
            new.frame,
            new.created_at,
            new.to.send_id,
        ),
    )


_SELECT = "SELECT frame_id, contact_id, kind, send_id, send_secret, frame, attempts, created_at FROM outbox"


def due(c: Connection, now: float, limit: int) -> list[Waiting]:
    """Frames that may be sent now, in the order in which they were made."""
    rows = c.execute(_SELECT + " WHERE next_try_at <= ? ORDER BY sequence LIMIT ?", (now, limit)).fetchall()
    return [_waiting(row) for row in rows]


def get(c: Connection, frame_id: FrameId) -> Waiting | None:
    """One frame."""
    row = c.execute(_SELECT + " WHERE frame_id = ?", (frame_id,)).fetchone()
    return None if row is None else _waiting(row)


def of_contact(c: Connection, contact: ContactId) -> list[Waiting]:
    """Everything that waits for a contact."""
    rows = c.execute(_SELECT + " WHERE contact_id = ? ORDER BY sequence", (contact,)).fetchall()
    return [_waiting(row) for row in rows]


def next_try(c: Connection, now: float) -> float | None:
    """When the next frame that is held may be sent (seconds since 1970); None when none is held."""
    row = c.execute("SELECT min(next_try_at) FROM outbox WHERE next_try_at > ?", (now,)).fetchone()
    return None if row is None else row[0]


def remove(c: Connection, frame_id: FrameId) -> None:
    """The frame has arrived, or never will."""
    c.execute("DELETE FROM outbox WHERE frame_id = ?", (frame_id,))


def hold(c: Connection, frame_id: FrameId, until: float) -> None:
    """Try one frame again later."""
    c.execute("UPDATE outbox SET attempts = attempts + 1, next_try_at = ? WHERE frame_id = ?", (until, frame_id))


def hold_mailbox(c: Connection, send_id: SendId, until: float) -> None:
    """Try nothing to this mailbox before then, so that messages keep their order."""
    c.execute("UPDATE outbox SET next_try_at = max(next_try_at, ?) WHERE send_id = ?", (until, send_id))


def release_receipts(c: Connection, contact: ContactId) -> None:
    """The contact seems to be there: receipts that found nobody may be tried again at once."""
    c.execute("UPDATE outbox SET next_try_at = 0 WHERE contact_id = ? AND kind = 'receipts'", (contact,))


def older_than(c: Connection, before: float) -> list[Waiting]:
    """Frames that were made before then."""
    rows = c.execute(_SELECT + " WHERE created_at < ?", (before,)).fetchall()
    return [_waiting(row) for row in rows]


def remove_of_contact(c: Connection, contact: ContactId, kind: Kind) -> None:
    """Take back what waits for a contact."""
    c.execute("DELETE FROM outbox WHERE contact_id = ? AND kind = ?", (contact, kind))


def remove_kind(c: Connection, kind: Kind) -> None:
    """Take back everything of a kind."""
    c.execute("DELETE FROM outbox WHERE kind = ?", (kind,))


def _waiting(row: tuple[bytes, int | None, str, bytes, bytes, bytes, int, float]) -> Waiting:
    frame_id, contact, kind, send_id, send_secret, frame, attempts, created_at = row
    return Waiting(
        frame_id=FrameId(frame_id),
        contact=None if contact is None else ContactId(contact),
        kind=Kind(kind),
        to=PeerMailbox(SendId(send_id), SendSecret(send_secret)),
        frame=frame,
        attempts=attempts,
        created_at=created_at,
    )
