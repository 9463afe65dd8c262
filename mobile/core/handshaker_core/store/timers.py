"""Disappearing messages: the timer of each conversation, and which messages are due."""

from handshaker_core.model import ContactId, MessageNumber
from handshaker_core.store.connection import Connection


def get(c: Connection, contact: ContactId) -> int | None:
    """The conversation's timer in seconds; None where messages stay."""
    row = c.execute("SELECT seconds FROM timers WHERE contact_id = ?", (contact,)).fetchone()
    return None if row is None or row[0] == 0 else row[0]


def changed_at_ms(c: Connection, contact: ContactId) -> int:
    """When the timer was last set, by the clock of whoever did; 0 where nobody has."""
    row = c.execute("SELECT changed_at_ms FROM timers WHERE contact_id = ?", (contact,)).fetchone()
    return 0 if row is None else row[0]


def put(c: Connection, contact: ContactId, seconds: int | None, changed_at_ms: int) -> bool:
    """Set the timer. Of two settings the later one holds, and of two at the same moment the longer one, so that both
    sides come to the same, whatever order they learn them in.

    Returns:
        Whether the timer is another one now.
    """
    before = get(c, contact)
    c.execute(
        "INSERT INTO timers VALUES (?, ?, ?) ON CONFLICT (contact_id) DO UPDATE SET seconds = excluded.seconds,"
        " changed_at_ms = excluded.changed_at_ms"
        " WHERE (excluded.changed_at_ms, excluded.seconds) > (timers.changed_at_ms, timers.seconds)",
        (contact, seconds or 0, changed_at_ms),
    )
    return get(c, contact) != before


def start_outgoing(c: Connection, now_ms: int) -> None:
    """Begin the time of own messages that have left this device."""
    c.execute(
        "UPDATE messages SET expires_at_ms = ? + expires_after_seconds * 1000 WHERE expires_after_seconds IS NOT NULL"
        " AND expires_at_ms IS NULL AND direction = 'outgoing' AND state NOT IN ('sending')",
        (now_ms,),
    )


def start_read(c: Connection, now_ms: int) -> None:
    """Begin the time of messages that were read here."""
    c.execute(
        "UPDATE messages SET expires_at_ms = ? + expires_after_seconds * 1000 WHERE expires_after_seconds IS NOT NULL"
        " AND expires_at_ms IS NULL AND direction = 'incoming' AND state = 'read'",
        (now_ms,),
    )


def believe_clock(c: Connection, now_ms: int) -> None:
    """Shorten what could only be due so late if the clock was set back: nothing lives longer than from now on."""
    c.execute(
        "UPDATE messages SET expires_at_ms = ? + expires_after_seconds * 1000"
        " WHERE expires_at_ms > ? + expires_after_seconds * 1000",
        (now_ms, now_ms),
    )


def take_due(c: Connection, now_ms: int) -> list[tuple[ContactId, MessageNumber]]:
    """Delete what is due, text and search index alike. Returns: whose messages they were, and their numbers."""
    rows = c.execute(
        "SELECT v.contact_id, m.id FROM messages m JOIN conversations v ON v.id = m.conversation_id"
        " WHERE m.expires_at_ms <= ? ORDER BY m.id",
        (now_ms,),
    ).fetchall()
    c.executemany("DELETE FROM messages WHERE id = ?", [(number,) for _, number in rows])
    return [(ContactId(contact), MessageNumber(number)) for contact, number in rows]


def next_due_ms(c: Connection) -> int | None:
    """When the next message is due; None when none is."""
    row = c.execute("SELECT min(expires_at_ms) FROM messages WHERE expires_at_ms IS NOT NULL").fetchone()
    return None if row is None else row[0]
