"""Devices: the own list, and what is known of contacts' devices."""

from dataclasses import dataclass

from handshaker_core.model import ContactId
from handshaker_core.protocol.device import DeviceCertificate, DeviceId, DeviceList
from handshaker_core.protocol.seal import SealPublicKey
from handshaker_core.protocol.sealed_sender import loaded_seal_key, verified_certificate
from handshaker_core.store.connection import Connection


@dataclass(frozen=True, slots=True)
class ContactDevice:
    """One device of a contact, and what frames for it are sealed to."""

    certificate: DeviceCertificate
    seal_key: SealPublicKey


def remember(c: Connection, contact: ContactId, device: ContactDevice, now: float) -> None:
    """Keep a device of a contact, or what is newer about it."""
    c.execute(
        "INSERT INTO contact_devices VALUES (?, ?, ?, ?, ?) ON CONFLICT (contact_id, device_id)"
        " DO UPDATE SET certificate = excluded.certificate, seal_key = excluded.seal_key",
        (contact, device.certificate.device_id, device.certificate.encode(), device.seal_key.raw, now),
    )


def of_contact(c: Connection, contact: ContactId) -> list[ContactDevice]:
    """All known devices of a contact, in order of device id."""
    rows = c.execute(
        "SELECT certificate, seal_key FROM contact_devices WHERE contact_id = ? ORDER BY device_id", (contact,)
    ).fetchall()
    return [ContactDevice(verified_certificate(row[0]), loaded_seal_key(row[1])) for row in rows]


def has(c: Connection, contact: ContactId, device_id: DeviceId) -> bool:
    """Whether the contact's device is known."""
    row = c.execute(
        "SELECT 1 FROM contact_devices WHERE contact_id = ? AND device_id = ?", (contact, device_id)
    ).fetchone()
    return row is not None


def forget(c: Connection, contact: ContactId, device_id: DeviceId) -> None:
    """The contact has removed a device: its sessions and mailboxes are of no use any more."""
    device = (contact, device_id)
    c.execute("DELETE FROM sessions WHERE contact_id = ? AND device_id = ?", device)
    c.execute("DELETE FROM peer_mailboxes WHERE contact_id = ? AND device_id = ?", device)
    c.execute("DELETE FROM contact_devices WHERE contact_id = ? AND device_id = ?", device)


def list_of(c: Connection, contact: ContactId) -> DeviceList | None:
    """The contact's newest device list; None while none is known."""
    row = c.execute("SELECT device_list FROM contacts WHERE id = ?", (contact,)).fetchone()
    return None if row is None or row[0] is None else DeviceList.decode(row[0])


def set_list(c: Connection, contact: ContactId, devices: DeviceList) -> None:
    """Keep the contact's newest device list; whether it is newer is the caller's matter."""
    c.execute("UPDATE contacts SET device_list = ? WHERE id = ?", (devices.encode(), contact))


def own_list(c: Connection) -> DeviceList:
    """The newest device list of the person whose account it is."""
    row = c.execute("SELECT device_list FROM account").fetchone()
    if row is None or row[0] is None:
        raise LookupError("there is no account yet")
    return DeviceList.decode(row[0])


def set_own_list(c: Connection, devices: DeviceList) -> None:
    """Keep a newer one."""
    c.execute("UPDATE account SET device_list = ?", (devices.encode(),))
