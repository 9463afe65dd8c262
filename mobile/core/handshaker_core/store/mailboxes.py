"""Mailboxes: own ones, which this device receives from, and those of contacts."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from handshaker_core.credentials import Mailbox, RecvId, SigningSeed
from handshaker_core.model import ContactId
from handshaker_core.protocol.address import SendId, SendSecret
from handshaker_core.protocol.device import DeviceId
from handshaker_core.store.connection import Connection


class Purpose(StrEnum):
    """Who writes to an own mailbox."""

    ADDRESS = "address"
    """Strangers who hold the contact address."""
    CONTACT = "contact"
    """One contact."""


class State(StrEnum):
    """How an own mailbox stands with the server."""

    MISSING = "missing"
    ACTIVE = "active"
    DELETING = "deleting"


@dataclass(frozen=True, slots=True)
class OwnMailbox:
    """One of ours."""

    mailbox: Mailbox
    purpose: Purpose
    state: State
    contact: ContactId | None


@dataclass(frozen=True, slots=True, repr=False)
class PeerMailbox:
    """Where a contact receives, and the right to write there."""

    send_id: SendId
    send_secret: SendSecret

    @classmethod
    def of(cls, mailbox: Mailbox) -> Self:
        """What others are told about an own mailbox."""
        return cls(mailbox.send_id, mailbox.send_secret)


_SELECT = "SELECT recv_seed, send_secret, purpose, state, contact_id FROM own_mailboxes"


def add(c: Connection, own: OwnMailbox, now: float) -> None:
    """Keep an own mailbox."""
    box = own.mailbox
    c.execute(
        "INSERT INTO own_mailboxes (recv_id, recv_seed, send_secret, purpose, state, contact_id, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (box.recv_id, box.recv_seed.raw, box.send_secret.raw, own.purpose, own.state, own.contact, now),
    )


def get(c: Connection, recv_id: RecvId) -> OwnMailbox | None:
    """The own mailbox of that name."""
    row = c.execute(_SELECT + " WHERE recv_id = ?", (recv_id,)).fetchone()
    return None if row is None else _own(row)


def listed(c: Connection, state: State) -> list[OwnMailbox]:
    """All own mailboxes in that state."""
    rows = c.execute(_SELECT + " WHERE state = ? ORDER BY created_at", (state,)).fetchall()
    return [_own(row) for row in rows]


def address(c: Connection) -> OwnMailbox | None:
    """The mailbox of the contact address."""
    row = c.execute(_SELECT + " WHERE purpose = 'address' AND state != 'deleting'").fetchone()
    return None if row is None else _own(row)


def for_contact(c: Connection, contact: ContactId) -> OwnMailbox | None:
    """The mailbox that this contact writes to."""
    where = " WHERE contact_id = ? AND state != 'deleting' AND retired_at IS NULL"
    row = c.execute(_SELECT + where, (contact,)).fetchone()
    return None if row is None else _own(row)


def set_state(c: Connection, recv_id: RecvId, state: State) -> None:
    """How it stands with the server now; one that is being deleted stays so."""
    c.execute("UPDATE own_mailboxes SET state = ? WHERE recv_id = ? AND state != 'deleting'", (state, recv_id))


def close_for_contact(c: Connection, contact: ContactId) -> None:
    """Delete the contact's mailbox on the server as soon as that can be done."""
    c.execute("UPDATE own_mailboxes SET state = 'deleting' WHERE contact_id = ?", (contact,))


def retire_for_contact(c: Connection, contact: ContactId, now: float) -> None:
    """Replace the contact's mailbox by another, but receive for some time what was sent to it before that was known."""
    c.execute(
        "UPDATE own_mailboxes SET retired_at = ? WHERE contact_id = ? AND state != 'deleting' AND retired_at IS NULL",
        (now, contact),
    )


def close_retired(c: Connection, before: float) -> bool:
    """Delete mailboxes that were retired before then. Returns: whether there are any."""
    closed = c.execute(
        "UPDATE own_mailboxes SET state = 'deleting' WHERE retired_at < ? AND state != 'deleting'", (before,)
    )
    return bool(closed.rowcount)


def is_retired(c: Connection, recv_id: RecvId) -> bool:
    """Whether another own mailbox has taken its place."""
    row = c.execute("SELECT retired_at IS NOT NULL FROM own_mailboxes WHERE recv_id = ?", (recv_id,)).fetchone()
    return row is not None and bool(row[0])


def close_address(c: Connection) -> None:
    """Delete the contact address's mailbox on the server: whoever holds the address can do nothing with it any more."""
    c.execute("UPDATE own_mailboxes SET state = 'deleting' WHERE purpose = 'address'")


def forget_address(c: Connection) -> None:
    """Answer no strangers; the mailbox was never made on the server."""
    c.execute("DELETE FROM own_mailboxes WHERE purpose = 'address' AND state = 'missing'")


def forget(c: Connection, recv_id: RecvId) -> None:
    """The server has deleted it."""
    c.execute("DELETE FROM own_mailboxes WHERE recv_id = ?", (recv_id,))


def set_peer(c: Connection, contact: ContactId, device_id: DeviceId, peer: PeerMailbox) -> None:
    """Where the contact's device receives from now on."""
    c.execute(
        "INSERT INTO peer_mailboxes VALUES (?, ?, ?, ?) ON CONFLICT (contact_id, device_id)"
        " DO UPDATE SET send_id = excluded.send_id, send_secret = excluded.send_secret",
        (contact, device_id, peer.send_id, peer.send_secret.raw),
    )


def peer(c: Connection, contact: ContactId, device_id: DeviceId) -> PeerMailbox | None:
    """Where the contact's device receives; None while that is not known."""
    row = c.execute(
        "SELECT send_id, send_secret FROM peer_mailboxes WHERE contact_id = ? AND device_id = ?", (contact, device_id)
    ).fetchone()
    return None if row is None else PeerMailbox(SendId(row[0]), SendSecret(row[1]))


def peers(c: Connection, contact: ContactId) -> list[tuple[DeviceId, PeerMailbox]]:
    """Where all devices of the contact receive, as far as that is known."""
    rows = c.execute(
        "SELECT device_id, send_id, send_secret FROM peer_mailboxes WHERE contact_id = ? ORDER BY device_id", (contact,)
    ).fetchall()
    return [(DeviceId(row[0]), PeerMailbox(SendId(row[1]), SendSecret(row[2]))) for row in rows]


def forget_peer(c: Connection, contact: ContactId) -> None:
    """Give up the right to write to the contact's devices."""
    c.execute("DELETE FROM peer_mailboxes WHERE contact_id = ?", (contact,))


def _own(row: tuple[bytes, bytes, str, str, int | None]) -> OwnMailbox:
    seed, secret, purpose, state, contact = row
    return OwnMailbox(
        Mailbox(SigningSeed(seed), SendSecret(secret)),
        Purpose(purpose),
        State(state),
        None if contact is None else ContactId(contact),
    )
