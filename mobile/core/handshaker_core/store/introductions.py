"""Contacts whose devices are still to be told about this person's devices."""

from handshaker_core.model import ContactId
from handshaker_core.store.connection import Connection


def add(c: Connection, contact: ContactId, *, renew: bool = False) -> None:
    """Tell this contact; `renew` gives them another mailbox to write to."""
    c.execute(
        "INSERT INTO introductions (contact_id, renew) VALUES (?, ?)"
        " ON CONFLICT (contact_id) DO UPDATE SET renew = max(renew, excluded.renew)",
        (contact, renew),
    )


def listed(c: Connection) -> list[tuple[ContactId, bool]]:
    """All that is to be done, and whether the mailbox is to be renewed."""
    rows = c.execute("SELECT contact_id, renew FROM introductions ORDER BY contact_id").fetchall()
    return [(ContactId(row[0]), bool(row[1])) for row in rows]


def done(c: Connection, contact: ContactId) -> None:
    """The contact is told."""
    c.execute("DELETE FROM introductions WHERE contact_id = ?", (contact,))
