"""Everybody with whom there is a request or a conversation."""

from dataclasses import dataclass
from typing import Any

from handshaker_core.model import Attention, Contact, ContactId, ContactState
from handshaker_core.protocol.keys import IdentityPublicKey
from handshaker_core.store.connection import Connection


@dataclass(frozen=True, slots=True)
class Profile:
    """What a person says about themselves, cleaned."""

    display_name: str = ""
    username: str | None = None


def by_identity(c: Connection, identity: IdentityPublicKey) -> ContactId | None:
    """The contact with that identity."""
    row = c.execute("SELECT id FROM contacts WHERE identity = ?", (identity.raw,)).fetchone()
    return None if row is None else ContactId(row[0])


def by_username(c: Connection, username: str) -> ContactId | None:
    """The contact to whom the directory led from that name."""
    row = c.execute("SELECT id FROM contacts WHERE username = ?", (username,)).fetchone()
    return None if row is None else ContactId(row[0])


def ensure(c: Connection, identity: IdentityPublicKey, now: float) -> ContactId:
    """The contact with that identity, made if need be."""
    known = by_identity(c, identity)
    if known is not None:
        return known
    created = c.execute("INSERT INTO contacts (identity, created_at) VALUES (?, ?)", (identity.raw, now))
    return ContactId(created.lastrowid)


def identity(c: Connection, contact: ContactId) -> IdentityPublicKey:
    """The contact's identity key."""
    row = c.execute("SELECT identity FROM contacts WHERE id = ?", (contact,)).fetchone()
    if row is None:
        raise LookupError("there is no such contact")
    return IdentityPublicKey(row[0])


def is_connected(c: Connection, contact: ContactId) -> bool:
    """Whether messages may be exchanged."""
    row = c.execute("SELECT connected FROM contacts WHERE id = ?", (contact,)).fetchone()
    return row is not None and bool(row[0])


def set_connected(c: Connection, contact: ContactId, connected: bool) -> None:
    """Both have agreed, or no longer."""
    c.execute("UPDATE contacts SET connected = ?, outdated = 0 WHERE id = ?", (connected, contact))


def is_outdated(c: Connection, contact: ContactId) -> bool:
    """Whether the two were connected by sessions of an earlier protocol, and not since."""
    row = c.execute("SELECT outdated FROM contacts WHERE id = ?", (contact,)).fetchone()
    return row is not None and bool(row[0])


def profile(c: Connection, contact: ContactId) -> Profile:
    """What the person said."""
    row = c.execute("SELECT display_name, claimed_username FROM contacts WHERE id = ?", (contact,)).fetchone()
    return Profile() if row is None else Profile(row[0], row[1])


def set_profile(c: Connection, contact: ContactId, profile: Profile) -> None:
    """What the person says."""
    c.execute(
        "UPDATE contacts SET display_name = ?, claimed_username = ? WHERE id = ?",
        (profile.display_name, profile.username, contact),
    )


def set_username(c: Connection, contact: ContactId, username: str) -> None:
    """The directory leads from this name to this person; whoever had it before has it no longer."""
    c.execute("UPDATE contacts SET username = NULL WHERE username = ? AND id != ?", (username, contact))
    c.execute("UPDATE contacts SET username = ? WHERE id = ?", (username, contact))


def forget_username(c: Connection, contact: ContactId) -> None:
    """The directory does not lead to this person any more."""
    c.execute("UPDATE contacts SET username = NULL WHERE id = ?", (contact,))


def set_verified(c: Connection, contact: ContactId, verified_at: float | None) -> None:
    """The safety number was compared."""
    c.execute("UPDATE contacts SET verified_at = ? WHERE id = ?", (verified_at, contact))


def ensure_self(c: Connection, identity: IdentityPublicKey, now: float) -> ContactId:
    """The owner, whose other devices are talked to like those of a contact."""
    own = ensure(c, identity, now)
    c.execute("UPDATE contacts SET is_self = 1, connected = 1 WHERE id = ?", (own,))
    return own


def own_self(c: Connection) -> ContactId | None:
    """The owner; None as long as there was never another own device."""
    row = c.execute("SELECT id FROM contacts WHERE is_self").fetchone()
    return None if row is None else ContactId(row[0])


def connected(c: Connection) -> list[ContactId]:
    """All contacts with whom messages may be exchanged; the owner is none."""
    rows = c.execute("SELECT id FROM contacts WHERE connected AND NOT is_self ORDER BY id").fetchall()
    return [ContactId(row[0]) for row in rows]


def set_attention(c: Connection, contact: ContactId, attention: Attention | None) -> None:
    """Why nothing is to be sent before the owner has looked; None when they have."""
    c.execute("UPDATE contacts SET attention = ? WHERE id = ?", (attention, contact))


_SELECT = """
    SELECT k.id, k.display_name, k.username, k.claimed_username, k.verified_at, k.attention,
        CASE WHEN k.connected THEN 'connected'
             WHEN EXISTS (SELECT 1 FROM requests r WHERE r.contact_id = k.id AND r.state = 'pending'
                          AND r.direction = 'incoming') THEN 'asking'
             WHEN EXISTS (SELECT 1 FROM requests r WHERE r.contact_id = k.id AND r.state = 'pending'
                          AND r.direction = 'outgoing') THEN 'requested'
             ELSE 'closed' END AS standing,
        (SELECT count(*) FROM messages m JOIN conversations v ON v.id = m.conversation_id
         WHERE v.contact_id = k.id AND m.state = 'received') AS unread
    FROM contacts k
"""


def get(c: Connection, contact: ContactId) -> Contact | None:
    """One contact."""
    row = c.execute(_SELECT + " WHERE k.id = ?", (contact,)).fetchone()
    return None if row is None else _contact(row)


def everybody(c: Connection) -> list[Contact]:
    """All contacts, the one with the latest message first."""
    order = """ ORDER BY (SELECT max(m.id) FROM messages m JOIN conversations v ON v.id = m.conversation_id
                          WHERE v.contact_id = k.id) DESC NULLS LAST, k.id DESC"""
    return [_contact(row) for row in c.execute(_SELECT + " WHERE NOT k.is_self" + order).fetchall()]


def display(contact_id: int, display_name: str, username: str | None, claimed: str | None) -> str:
    """What to show of somebody: a name that the directory confirms before one that is only claimed."""
    unconfirmed = f"{claimed} (unconfirmed)" if claimed else ""
    return username or display_name or unconfirmed or f"contact {contact_id}"


def _contact(row: tuple[Any, ...]) -> Contact:
    contact_id, display_name, username, claimed, verified_at, attention, standing, unread = row
    return Contact(
        id=ContactId(contact_id),
        name=display(contact_id, display_name, username, claimed),
        username=username,
        claimed_username=claimed,
        state=ContactState(standing),
        verified=verified_at is not None,
        attention=None if attention is None else Attention(attention),
        unread=unread,
    )
