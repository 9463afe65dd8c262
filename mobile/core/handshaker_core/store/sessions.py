"""Ratchet states. A device may have several: two people who ask each other at the same moment make one each."""

from handshaker_core.model import ContactId
from handshaker_core.protocol.device import DeviceId
from handshaker_core.protocol.session import SessionState
from handshaker_core.store.connection import Connection


def add(c: Connection, contact: ContactId, session: SessionState, now: float) -> None:
    """Keep a new session."""
    c.execute(
        "INSERT INTO sessions (handshake_id, contact_id, device_id, state, awaiting_answer, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (session.handshake_id, contact, session.peer.device_id, session.to_bytes(), session.awaiting_answer, now),
    )


def save(c: Connection, session: SessionState) -> None:
    """Replace a session's state by the next."""
    c.execute(
        "UPDATE sessions SET state = ?, awaiting_answer = ? WHERE handshake_id = ?",
        (session.to_bytes(), session.awaiting_answer, session.handshake_id),
    )


def get(c: Connection, handshake_id: bytes) -> tuple[ContactId, SessionState] | None:
    """The session of that name, and whose it is."""
    row = c.execute("SELECT contact_id, state FROM sessions WHERE handshake_id = ?", (handshake_id,)).fetchone()
    return None if row is None else (ContactId(row[0]), SessionState.from_bytes(row[1]))


# The first is sent with. One that the peer has proven to hold comes before one that still awaits an answer; then the one
# that the peer has last written with; and last the smaller name, which both sides see alike.
_OF_CONTACT = (
    "SELECT state, handshake_id FROM sessions WHERE contact_id = ?1 AND (?2 IS NULL OR device_id = ?2)"
    " ORDER BY superseded_at IS NOT NULL, awaiting_answer, promoted DESC, handshake_id"
)


def of_contact(c: Connection, contact: ContactId) -> list[SessionState]:
    """All sessions with all devices of a contact, the one to send with first."""
    rows = c.execute(_OF_CONTACT, (contact, None)).fetchall()
    return [SessionState.from_bytes(row[0]) for row in rows]


def of_device(c: Connection, contact: ContactId, device_id: DeviceId) -> list[SessionState]:
    """All sessions with one device of a contact, the one to send with first."""
    rows = c.execute(_OF_CONTACT, (contact, device_id)).fetchall()
    return [SessionState.from_bytes(row[0]) for row in rows]


def current(c: Connection, contact: ContactId, device_id: DeviceId | None = None) -> list[SessionState]:
    """Sessions that are sent with: with one device of a contact, or with all of them."""
    rows = c.execute(
        "SELECT state FROM sessions WHERE contact_id = ?1 AND (?2 IS NULL OR device_id = ?2) AND superseded_at IS NULL"
        " ORDER BY device_id, awaiting_answer, promoted DESC, handshake_id",
        (contact, device_id),
    ).fetchall()
    return [SessionState.from_bytes(row[0]) for row in rows]


def promote(c: Connection, contact: ContactId, session: SessionState) -> None:
    """The peer's device writes with this session: so will we. Both sides come to the same one that way."""
    first = c.execute(_OF_CONTACT, (contact, session.peer.device_id)).fetchone()
    if first is None or first[1] == session.handshake_id:
        return
    c.execute(
        "UPDATE sessions SET promoted = (SELECT max(promoted) + 1 FROM sessions WHERE contact_id = ?)"
        " WHERE handshake_id = ? AND superseded_at IS NULL",
        (contact, session.handshake_id),
    )


def supersede(c: Connection, contact: ContactId, by: SessionState, now: float) -> None:
    """The peer's device has begun anew: older sessions with it are only received with."""
    c.execute(
        "UPDATE sessions SET superseded_at = ? WHERE contact_id = ? AND device_id = ? AND handshake_id != ?"
        " AND superseded_at IS NULL",
        (now, contact, by.peer.device_id, by.handshake_id),
    )


def delete(c: Connection, contact: ContactId, session: SessionState) -> None:
    """Forget a session, and those that were replaced with the same device."""
    c.execute(
        "DELETE FROM sessions WHERE contact_id = ? AND device_id = ?"
        " AND (handshake_id = ? OR superseded_at IS NOT NULL)",
        (contact, session.peer.device_id, session.handshake_id),
    )


def delete_of_contact(c: Connection, contact: ContactId) -> None:
    """Forget all sessions with a contact."""
    c.execute("DELETE FROM sessions WHERE contact_id = ?", (contact,))


def forget_superseded(c: Connection, before: float) -> None:
    """Delete sessions that were replaced before then."""
    c.execute("DELETE FROM sessions WHERE superseded_at < ?", (before,))
