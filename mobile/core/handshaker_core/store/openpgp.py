"""Contacts' OpenPGP certificates, and messages in the order in which they are exported."""

from dataclasses import dataclass
from enum import StrEnum

from handshaker_core.model import ContactId, Direction, Message, MessageKind, MessageNumber, MessageState, Notice
from handshaker_core.store.connection import Connection


class Source(StrEnum):
    """Where a certificate was had from."""

    FILE = "file"
    SERVER = "server"


@dataclass(frozen=True, slots=True)
class StoredCertificate:
    """A contact's certificate as it was kept, not armored."""

    contact_id: ContactId
    encoded: bytes
    source: Source


def keep(c: Connection, stored: StoredCertificate, now: float) -> None:
    """Keep a contact's certificate in place of the one before."""
    c.execute(
        "INSERT INTO openpgp_certificates VALUES (?, ?, ?, ?) ON CONFLICT (contact_id) DO UPDATE"
        " SET certificate = excluded.certificate, source = excluded.source, added_at = excluded.added_at",
        (stored.contact_id, stored.encoded, stored.source, now),
    )


def of_contact(c: Connection, contact: ContactId) -> StoredCertificate | None:
    """A contact's certificate, if there is one."""
    row = c.execute("SELECT certificate, source FROM openpgp_certificates WHERE contact_id = ?", (contact,)).fetchone()
    return None if row is None else StoredCertificate(contact, row[0], Source(row[1]))


def forget(c: Connection, contact: ContactId) -> None:
    """Keep a contact's certificate no longer."""
    c.execute("DELETE FROM openpgp_certificates WHERE contact_id = ?", (contact,))


def everybody(c: Connection) -> list[StoredCertificate]:
    """All certificates of contacts."""
    rows = c.execute("SELECT contact_id, certificate, source FROM openpgp_certificates ORDER BY contact_id").fetchall()
    return [StoredCertificate(ContactId(contact), encoded, Source(source)) for contact, encoded, source in rows]


def last_message(c: Connection) -> tuple[MessageNumber, int]:
    """The number of the newest message, and how many there are that may be exported: none that will disappear."""
    row = c.execute(
        "SELECT coalesce(max(id), 0), count(*) FROM messages WHERE expires_after_seconds IS NULL"
    ).fetchone()
    if row is None:
        raise AssertionError("an aggregate has one row")
    return MessageNumber(row[0]), row[1]


def messages_between(c: Connection, after: MessageNumber, last: MessageNumber, limit: int) -> list[Message]:
    """Messages of all conversations in the order of arrival, from behind `after` to `last`, at most so many.

    Those that will disappear are left out: a file would keep them.
    """
    rows = c.execute(
        "SELECT m.id, v.contact_id, m.direction, m.kind, m.text, m.state, m.failure, m.sent_at_ms, m.created_at_ms,"
        " m.notice FROM messages m JOIN conversations v ON v.id = m.conversation_id"
        " WHERE m.id > ? AND m.id <= ? AND m.expires_after_seconds IS NULL ORDER BY m.id LIMIT ?",
        (after, last, limit),
    ).fetchall()
    return [
        Message(
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
        )
        for number, contact, direction, kind, text, state, failure, sent_at_ms, created_at_ms, notice in rows
    ]
