"""From a store to a backup, and from a backup into a store."""

from typing import Any

from handshaker_core.protocol.keys import IdentityPublicKey
from handshaker_core.store import accounts, settings
from handshaker_core.store.backup import (
    VERSION,
    Backup,
    BackupContact,
    BackupDevice,
    BackupHead,
    BackupMessage,
    BackupSetting,
    Record,
)
from handshaker_core.store.connection import Connection

_CONTACTS = """
    SELECT k.identity, k.display_name, k.username, k.claimed_username, k.connected, k.verified_at, k.created_at,
        k.device_list, t.seconds, coalesce(t.changed_at_ms, 0)
    FROM contacts k LEFT JOIN timers t ON t.contact_id = k.id WHERE NOT k.is_self ORDER BY k.id
"""
_DEVICES = """
    SELECT k.identity, i.device_id, d.certificate, d.seal_key, p.send_id, p.send_secret
    FROM (SELECT contact_id, device_id FROM contact_devices UNION SELECT contact_id, device_id FROM peer_mailboxes) i
    JOIN contacts k ON k.id = i.contact_id
    LEFT JOIN contact_devices d ON d.contact_id = i.contact_id AND d.device_id = i.device_id
    LEFT JOIN peer_mailboxes p ON p.contact_id = i.contact_id AND p.device_id = i.device_id
    WHERE NOT k.is_self ORDER BY k.id, i.device_id
"""
_MESSAGES = """
    SELECT k.identity, m.direction, m.message_id, m.kind, m.text, m.sent_at_ms, m.created_at_ms, m.position, m.state,
        m.failure, m.notice
    FROM messages m JOIN conversations v ON v.id = m.conversation_id JOIN contacts k ON k.id = v.contact_id
    WHERE m.expires_after_seconds IS NULL ORDER BY m.id
"""


def collect(c: Connection, identity: IdentityPublicKey, now: float) -> Backup:
    """Everything of a store that a backup holds.

    Raises:
        LookupError: there is no account.
    """
    account = accounts.get(c)
    if account is None:
        raise LookupError("there is no account yet")
    records: list[Record] = [BackupSetting(*row) for row in c.execute("SELECT name, value FROM settings").fetchall()]
    records += [_contact(row) for row in c.execute(_CONTACTS).fetchall()]
    records += [BackupDevice(*row) for row in c.execute(_DEVICES).fetchall()]
    records += [BackupMessage(*row) for row in c.execute(_MESSAGES).fetchall()]
    head = BackupHead(
        version=VERSION,
        created_at=now,
        server=account.server,
        identity=identity.raw,
        username=account.username,
        display_name=account.display_name,
        records=len(records),
    )
    return Backup(head, tuple(records))


def restore(c: Connection, backup: Backup) -> None:
    """Put a backup into a store, beside what is there: contacts and messages that are known already stay as they are.

    A message that was on its way when the backup was made is shown as failed: nothing of this device sends it any more.
    """
    for setting in backup.of(BackupSetting):
        settings.put(c, setting.name, setting.value)
    for contact in backup.of(BackupContact):
        _restore_contact(c, contact)
    ids = {bytes(row[1]): row[0] for row in c.execute("SELECT id, identity FROM contacts").fetchall()}
    for device in backup.of(BackupDevice):
        _restore_device(c, ids[device.identity], device)
    _restore_messages(c, ids, backup.of(BackupMessage))


def _contact(row: tuple[Any, ...]) -> BackupContact:
    identity, display_name, username, claimed, connected, *rest = row
    return BackupContact(identity, display_name, username, claimed, bool(connected), *rest)


def _restore_contact(c: Connection, contact: BackupContact) -> None:
    c.execute(
        "INSERT INTO contacts (identity, display_name, username, claimed_username, connected, verified_at, created_at,"
        " device_list) VALUES (?, ?, (SELECT ? WHERE NOT EXISTS (SELECT 1 FROM contacts WHERE username = ?)), ?, ?, ?, ?,"
        " ?) ON CONFLICT DO NOTHING",
        (
            contact.identity,
            contact.display_name,
            contact.username,
            contact.username,
            contact.claimed_username,
            contact.connected,
            contact.verified_at,
            contact.created_at,
            contact.device_list,
        ),
    )
    if contact.timer is not None:
        c.execute(
            "INSERT INTO timers SELECT id, ?, ? FROM contacts WHERE identity = ? ON CONFLICT DO NOTHING",
            (contact.timer, contact.timer_changed_at_ms, contact.identity),
        )


def _restore_device(c: Connection, contact: int, device: BackupDevice) -> None:
    if device.certificate is not None and device.seal_key is not None:
        c.execute(
            "INSERT INTO contact_devices (contact_id, device_id, certificate, seal_key, added_at)"
            " SELECT id, ?, ?, ?, created_at FROM contacts WHERE id = ? ON CONFLICT DO NOTHING",
            (device.device_id, device.certificate, device.seal_key, contact),
        )
    if device.send_id is not None and device.send_secret is not None:
        c.execute(
            "INSERT INTO peer_mailboxes (contact_id, device_id, send_id, send_secret) VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            (contact, device.device_id, device.send_id, device.send_secret),
        )


def _restore_messages(c: Connection, ids: dict[bytes, int], restored: list[BackupMessage]) -> None:
    first = {message.identity: message.created_at_ms / 1000 for message in reversed(restored)}
    c.executemany(
        "INSERT INTO conversations (contact_id, created_at) VALUES (?, ?) ON CONFLICT DO NOTHING",
        [(ids[identity], created_at) for identity, created_at in first.items()],
    )
    conversations: dict[int, int] = {
        row[0]: row[1] for row in c.execute("SELECT contact_id, id FROM conversations").fetchall()
    }
    c.executemany(
        "INSERT INTO messages (conversation_id, direction, message_id, kind, text, sent_at_ms, created_at_ms, position,"
        " state, failure, notice) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [
            (
                conversations[ids[m.identity]],
                m.direction,
                m.message_id,
                m.kind,
                m.text,
                m.sent_at_ms,
                m.created_at_ms,
                m.position,
                "failed" if m.state == "sending" else m.state,
                "expired" if m.state == "sending" else m.failure,
                m.notice,
            )
            for m in restored
        ],
    )
