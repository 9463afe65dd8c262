"""Conversations, their messages and the search in them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from handshaker_core.credentials import FrameId
from handshaker_core.model import ContactId, Direction, Message, MessageKind, MessageNumber, MessageState, Notice
from handshaker_core.store.connection import Connection

SHORTEST_INDEXED = 3
"""Shorter search texts are looked for row by row."""

MOST_OVERTAKEN = 200
"""A search looks at so many matches more than are wanted, in case some of them came later than they were written."""

LONGEST_OVERTAKING_MS = 3_600_000
LONGEST_CLOCK_STEP_MS = 60_000
"""A clock that was set back by more than this is believed, even if order suffers."""

# Outgoing states in the order in which they may follow each other. A late proof of arrival overrides `failed`.
_ADVANCE = (
    "UPDATE messages SET state = ?, failure = ? WHERE id = ? AND direction = 'outgoing' AND CASE state"
    " WHEN 'sending' THEN 0 WHEN 'failed' THEN 1 WHEN 'stored' THEN 2 WHEN 'delivered' THEN 3 ELSE 4 END < ?"
)
_RANKS = {
    MessageState.SENDING: 0,
    MessageState.FAILED: 1,
    MessageState.STORED: 2,
    MessageState.DELIVERED: 3,
    MessageState.READ: 4,
}


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to keep."""

    contact: ContactId
    direction: Direction
    message_id: bytes
    kind: MessageKind
    text: str
    sent_at_ms: int
    created_at_ms: int
    state: MessageState
    frame_id: FrameId | None = None
    notice: Notice | None = None
    expires_after_seconds: int | None = None


def add(c: Connection, new: NewMessage) -> MessageNumber | None:
    """Keep a message. Returns: its number; None when a message of that id is there already."""
    c.execute(
        "INSERT INTO conversations (contact_id, created_at) VALUES (?, ?) ON CONFLICT DO NOTHING",
        (new.contact, new.created_at_ms / 1000),
    )
    created = c.execute(
        "INSERT INTO messages (conversation_id, direction, message_id, kind, text, sent_at_ms, created_at_ms, position,"
        " state, frame_id, notice, expires_after_seconds) SELECT id, ?, ?, ?, ?, ?, ?,"
        " coalesce(?, (SELECT coalesce(max(position), 0) + 1 FROM messages WHERE conversation_id = conversations.id)),"
        " ?, ?, ?, ? FROM conversations WHERE contact_id = ?"
        " ON CONFLICT (conversation_id, direction, message_id) DO NOTHING",
        (
            new.direction,
            new.message_id,
            new.kind,
            new.text,
            new.sent_at_ms,
            new.created_at_ms,
            _overtaken_at(c, new),
            new.state,
            new.frame_id,
            new.notice,
            new.expires_after_seconds,
            new.contact,
        ),
    )
    return MessageNumber(created.lastrowid) if created.rowcount == 1 else None


def _overtaken_at(c: Connection, new: NewMessage) -> int | None:
    """The position of the first message that its sender wrote later and that came before it; None in the usual case.

    Only what came within the last hour can have overtaken it, so that nobody can write into the past.
    """
    if new.direction is Direction.OUTGOING or new.kind is not MessageKind.TEXT:
        return None
    row = c.execute(
        "SELECT min(m.position) FROM messages m JOIN conversations v ON v.id = m.conversation_id WHERE v.contact_id = ?"
        " AND m.direction = 'incoming' AND m.kind = 'text' AND m.sent_at_ms > ? AND m.created_at_ms > ?",
        (new.contact, new.sent_at_ms, new.created_at_ms - LONGEST_OVERTAKING_MS),
    ).fetchone()
    return None if row is None else row[0]


def next_sent_at(c: Connection, contact: ContactId, now_ms: int) -> int:
    """The time for the next outgoing message: now, but later than that of the one before, so that order can be told."""
    row = c.execute(
        "SELECT max(m.sent_at_ms) FROM messages m JOIN conversations v ON v.id = m.conversation_id"
        " WHERE v.contact_id = ? AND m.direction = 'outgoing'",
        (contact,),
    ).fetchone()
    last = -1 if row is None or row[0] is None else row[0]
    return last + 1 if now_ms <= last < now_ms + LONGEST_CLOCK_STEP_MS else now_ms


def advance(
    c: Connection, message: MessageNumber, state: MessageState, failure: str | None = None
) -> MessageNumber | None:
    """Move an outgoing message's state forward. Returns: the message if it moved; None where it was that far."""
    moved = c.execute(_ADVANCE, (state, failure, message, _RANKS[state]))
    return message if moved.rowcount == 1 else None


def by_frame(c: Connection, frame_id: FrameId) -> MessageNumber | None:
    """The outgoing message that the frame carries."""
    row = c.execute(
        "SELECT id FROM messages WHERE frame_id = ?1 UNION SELECT message_id FROM message_frames WHERE frame_id = ?1",
        (frame_id,),
    ).fetchone()
    return None if row is None else MessageNumber(row[0])


def add_frames(c: Connection, message: MessageNumber, frame_ids: Iterable[FrameId]) -> None:
    """Further frames that carry the message, to further devices of the contact."""
    c.executemany("INSERT INTO message_frames VALUES (?, ?)", [(frame_id, message) for frame_id in frame_ids])


def by_message_id(c: Connection, contact: ContactId, direction: Direction, message_id: bytes) -> MessageNumber | None:
    """The message of that id in the conversation with the contact."""
    row = c.execute(
        "SELECT m.id FROM messages m JOIN conversations v ON v.id = m.conversation_id"
        " WHERE v.contact_id = ? AND m.direction = ? AND m.message_id = ?",
        (contact, direction, message_id),
    ).fetchone()
    return None if row is None else MessageNumber(row[0])


def mark_read(c: Connection, contact: ContactId, up_to: MessageNumber | None) -> tuple[int, list[bytes]]:
    """Mark incoming messages as read, up to one of them or all. Returns: how many were not; the ids of the texts."""
    rows = c.execute(
        "UPDATE messages SET state = 'read' WHERE state = 'received' AND id <= ?"
        " AND conversation_id = (SELECT id FROM conversations WHERE contact_id = ?) RETURNING message_id, kind",
        (up_to if up_to is not None else 2**62, contact),
    ).fetchall()
    return len(rows), [message_id for message_id, kind in rows if kind == MessageKind.TEXT]


def mark_ids_read(c: Connection, contact: ContactId, message_ids: Iterable[bytes]) -> None:
    """Mark these incoming messages as read; unknown ones mean nothing."""
    c.executemany(
        "UPDATE messages SET state = 'read' WHERE state = 'received' AND direction = 'incoming' AND message_id = ?"
        " AND conversation_id = (SELECT id FROM conversations WHERE contact_id = ?)",
        [(message_id, contact) for message_id in message_ids],
    )


def ends_unreadable(c: Connection, contact: ContactId) -> bool:
    """Whether the last line of the conversation is one that could not be decrypted."""
    row = c.execute(
        "SELECT m.kind FROM messages m JOIN conversations v ON v.id = m.conversation_id WHERE v.contact_id = ?"
        " ORDER BY m.position DESC, m.sent_at_ms DESC, m.id DESC LIMIT 1",
        (contact,),
    ).fetchone()
    return row is not None and row[0] == MessageKind.UNREADABLE


_SELECT = """
    SELECT m.id, v.contact_id, m.direction, m.kind, m.text, m.state, m.failure, m.sent_at_ms, m.created_at_ms,
        m.notice,
        m.expires_after_seconds, m.expires_at_ms
    FROM messages m JOIN conversations v ON v.id = m.conversation_id
"""


# The index yields matches newest first one by one, so a word that is in every message costs no more than a rare one.
_NEWEST_FOUND = """
    SELECT f.rowid FROM messages_fts f CROSS JOIN messages m ON m.id = f.rowid
    JOIN conversations v ON v.id = m.conversation_id {where} AND f.messages_fts MATCH ? ORDER BY f.rowid DESC LIMIT ?
"""


def get(c: Connection, message: MessageNumber) -> Message | None:
    """One message."""
    row = c.execute(_SELECT + " WHERE m.id = ?", (message,)).fetchone()
    return None if row is None else _message(row)


def history(
    c: Connection, contact: ContactId, search: str | None, limit: int, before: MessageNumber | None
) -> list[Message]:
    """The last `limit` messages of a conversation, oldest first.

    `search` leaves only those that contain this text; case and accents do not matter from three characters on. `before`
    leaves only those that came before this one.
    """
    where = " WHERE v.contact_id = ?"
    parameters: list[int | str] = [contact]
    if before is not None:
        where += " AND (m.position, m.sent_at_ms, m.id) < (SELECT position, sent_at_ms, id FROM messages WHERE id = ?)"
        parameters.append(before)
    if search:
        if len(search) >= SHORTEST_INDEXED:
            phrase = '"' + search.replace('"', '""').replace("\x00", " ") + '"'
            where += f" AND m.id IN ({_NEWEST_FOUND.format(where=where)})"
            parameters += [*parameters, phrase, limit + MOST_OVERTAKEN]
        else:
            where += " AND m.text LIKE ? ESCAPE '\\'"
            escaped = search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
            parameters.append(f"%{escaped}%")
    rows = c.execute(
        f"{_SELECT}{where} ORDER BY m.position DESC, m.sent_at_ms DESC, m.id DESC LIMIT ?", (*parameters, limit)
    ).fetchall()
    return [_message(row) for row in reversed(rows)]


def unread(c: Connection, contact: ContactId | None, limit: int) -> list[Message]:
    """Incoming messages that were not read, oldest first."""
    where, parameters = " WHERE m.state = 'received'", []
    if contact is not None:
        where += " AND v.contact_id = ?"
        parameters.append(contact)
    return [
        _message(row)
        for row in c.execute(
            f"{_SELECT}{where} ORDER BY m.position, m.sent_at_ms, m.id LIMIT ?", (*parameters, limit)
        ).fetchall()
    ]


def _message(row: tuple[Any, ...]) -> Message:
    number, contact, direction, kind, text, state, failure, sent_at_ms, created_at_ms, notice, after, at_ms = row
    return Message(
        id=MessageNumber(number),
        contact_id=ContactId(contact),
        direction=Direction(direction),
        kind=MessageKind(kind),
        text=text,
        state=MessageState(state),
        failure=failure,
        sent_at_ms=sent_at_ms,
        created_at_ms=created_at_ms,
        notice=None if notice is None else Notice(notice),
        expires_after_seconds=after,
        expires_at_ms=at_ms,
    )
