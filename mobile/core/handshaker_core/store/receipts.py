"""Receipts that are owed to contacts."""

from enum import StrEnum

from handshaker_core.model import ContactId
from handshaker_core.store.connection import Connection


class Kind(StrEnum):
    """What is confirmed."""

    DELIVERED = "delivered"
    READ = "read"


def owe(c: Connection, contact: ContactId, message_id: bytes, kind: Kind, due_at: float) -> None:
    """Note a receipt; one that is owed already keeps its time. Having been read says that it was delivered."""
    if kind is Kind.READ:
        c.execute(
            "DELETE FROM receipts_waiting WHERE contact_id = ? AND message_id = ? AND kind = 'delivered'",
            (contact, message_id),
        )
    c.execute(
        "INSERT INTO receipts_waiting VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", (contact, message_id, kind, due_at)
    )


def next_due(c: Connection) -> tuple[ContactId, float] | None:
    """To whom a receipt is due first, and when; only contacts that can be written to count."""
    row = c.execute(
        "SELECT w.contact_id, w.due_at FROM receipts_waiting w JOIN contacts k ON k.id = w.contact_id"
        " JOIN peer_mailboxes p ON p.contact_id = k.id WHERE k.connected ORDER BY w.due_at LIMIT 1"
    ).fetchone()
    return None if row is None else (ContactId(row[0]), row[1])


def take(c: Connection, contact: ContactId, limit: int) -> tuple[list[bytes], list[bytes]]:
    """Take up to `limit` receipts owed to a contact. Returns: message ids delivered, and read."""
    rows = c.execute(
        "DELETE FROM receipts_waiting WHERE (contact_id, message_id, kind) IN (SELECT contact_id, message_id, kind"
        " FROM receipts_waiting WHERE contact_id = ? ORDER BY due_at LIMIT ?) RETURNING message_id, kind",
        (contact, limit),
    ).fetchall()
    return [row[0] for row in rows if row[1] == Kind.DELIVERED], [row[0] for row in rows if row[1] == Kind.READ]


def forget(c: Connection, contact: ContactId) -> None:
    """Nothing is owed to this contact any more."""
    c.execute("DELETE FROM receipts_waiting WHERE contact_id = ?", (contact,))
