"""Requests to connect, in both directions, with what became of them."""

from dataclasses import dataclass
from typing import Any

from handshaker_core.clock import milliseconds
from handshaker_core.model import ContactId, Direction, Request, RequestId, RequestState
from handshaker_core.store.connection import Connection
from handshaker_core.store.contacts import display


@dataclass(frozen=True, slots=True)
class NewRequest:
    """What is kept of a request: its first message, and the session that it came with."""

    contact: ContactId
    direction: Direction
    message_id: bytes
    handshake_id: bytes
    greeting: str


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """What the program needs beside what people see."""

    message_id: bytes
    handshake_id: bytes


def add(c: Connection, new: NewRequest, state: RequestState, now: float) -> RequestId:
    """Keep a request."""
    created = c.execute(
        "INSERT INTO requests (contact_id, direction, state, message_id, handshake_id, greeting, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (new.contact, new.direction, state, new.message_id, new.handshake_id, new.greeting, now),
    )
    return RequestId(created.lastrowid)


def renew(c: Connection, request: RequestId, new: NewRequest) -> None:
    """The other side asks again before it was answered: the newer request counts."""
    c.execute(
        "UPDATE requests SET message_id = ?, handshake_id = ?, greeting = ? WHERE id = ?",
        (new.message_id, new.handshake_id, new.greeting, request),
    )


def set_state(c: Connection, request: RequestId, state: RequestState, now: float) -> None:
    """What became of it."""
    c.execute("UPDATE requests SET state = ?, answered_at = ? WHERE id = ?", (state, now, request))


def pending(c: Connection, contact: ContactId, direction: Direction) -> RequestId | None:
    """The open request between two people in one direction."""
    row = c.execute(
        "SELECT id FROM requests WHERE contact_id = ? AND direction = ? AND state = 'pending'", (contact, direction)
    ).fetchone()
    return None if row is None else RequestId(row[0])


def latest(c: Connection, contact: ContactId, direction: Direction) -> RequestId | None:
    """The last request between two people in one direction, whatever became of it."""
    row = c.execute(
        "SELECT max(id) FROM requests WHERE contact_id = ? AND direction = ?", (contact, direction)
    ).fetchone()
    return None if row is None or row[0] is None else RequestId(row[0])


def facts(c: Connection, request: RequestId) -> RequestFacts:
    """What the request came with."""
    row = c.execute("SELECT message_id, handshake_id FROM requests WHERE id = ?", (request,)).fetchone()
    if row is None:
        raise LookupError("there is no such request")
    return RequestFacts(*row)


_SELECT = """
    SELECT r.id, r.contact_id, r.direction, r.state, r.greeting, r.created_at,
        k.display_name, k.username, k.claimed_username
    FROM requests r JOIN contacts k ON k.id = r.contact_id
"""


def get(c: Connection, request: RequestId) -> Request | None:
    """One request."""
    row = c.execute(_SELECT + " WHERE r.id = ?", (request,)).fetchone()
    return None if row is None else _request(row)


def listed(c: Connection, *, only_pending: bool) -> list[Request]:
    """Requests, newest first."""
    where = " WHERE r.state = 'pending'" if only_pending else ""
    return [_request(row) for row in c.execute(f"{_SELECT}{where} ORDER BY r.id DESC").fetchall()]


def _request(row: tuple[Any, ...]) -> Request:
    request_id, contact_id, direction, state, greeting, created_at, display_name, username, claimed = row
    return Request(
        id=RequestId(request_id),
        contact_id=ContactId(contact_id),
        direction=Direction(direction),
        state=RequestState(state),
        name=display(contact_id, display_name, username, claimed),
        username=username,
        claimed_username=claimed,
        greeting=greeting,
        created_at_ms=milliseconds(created_at),
    )
