"""What becomes of a device list that somebody sends: it is noticed, acted on, and never goes backwards."""

from handshaker_core.client import notices
from handshaker_core.client.unit import Signal, Unit
from handshaker_core.errors import UnlistedDevice, WrongIdentity
from handshaker_core.model import Attention, ContactId, Notice
from handshaker_core.protocol.device import DeviceCertificate, DeviceId, DeviceList
from handshaker_core.protocol.sealed_sender import check_sender
from handshaker_core.store import contacts, devices, introductions


def learn(u: Unit, contact: ContactId, told: DeviceList | None) -> None:
    """Take a list from its owner, if it is newer than the one that is known.

    Devices that are no longer in it are forgotten at once, and the contact gets another mailbox, whose secret they do
    not know. A device that was added pauses sending: it would read everything from now on.

    Raises:
        WrongIdentity: a list of somebody else.
    """
    if told is None:
        return
    if told.identity != contacts.identity(u.c, contact):
        raise WrongIdentity
    known = devices.list_of(u.c, contact)
    if known is not None and told.sequence <= known.sequence:
        return
    before = _known_ids(u, contact, known)
    after = {certificate.device_id for certificate in told.certificates}
    devices.set_list(u.c, contact, told)
    for device_id in before - after:
        devices.forget(u.c, contact, device_id)
    if contact != contacts.own_self(u.c):
        _notice(u, contact, added=bool(before) and bool(after - before), removed=bool(before - after))
    if before - after:
        introductions.add(u.c, contact, renew=True)
        u.signals.add(Signal.DEVICES)


def check_newest(u: Unit, contact: ContactId, sender: DeviceCertificate, told: DeviceList | None) -> None:
    """Check a sender against the newest of the known list and the one that came with the message.

    Raises:
        WrongIdentity, UnlistedDevice.
    """
    identity = contacts.identity(u.c, contact)
    if told is not None and told.identity != identity:
        raise WrongIdentity
    known = devices.list_of(u.c, contact)
    newest = told if known is None or (told is not None and told.sequence > known.sequence) else known
    check_sender(sender, identity, newest)


def check_session(u: Unit, contact: ContactId, sender: DeviceCertificate) -> None:
    """Check a sender against the known list. Raises: WrongIdentity, UnlistedDevice."""
    check_newest(u, contact, sender, None)


def take_own(u: Unit, told: DeviceList) -> None:
    """A newer list of own devices, from the primary.

    Raises:
        WrongIdentity: a list of somebody else.
        UnlistedDevice: this device is no longer in it.
    """
    if told.identity != u.keys.identity_key:
        raise WrongIdentity
    if told.sequence > devices.own_list(u.c).sequence:
        devices.set_own_list(u.c, told)
    if devices.own_list(u.c).find(u.keys.certificate.device_id) is None:
        raise UnlistedDevice("This device was removed from your account.")


def _known_ids(u: Unit, contact: ContactId, known: DeviceList | None) -> set[DeviceId]:
    used = {device.certificate.device_id for device in devices.of_contact(u.c, contact)}
    return used if known is None else {certificate.device_id for certificate in known.certificates} | used


def _notice(u: Unit, contact: ContactId, *, added: bool, removed: bool) -> None:
    if removed:
        notices.add(u, contact, Notice.DEVICE_REMOVED)
    if added:
        contacts.set_attention(u.c, contact, Attention.DEVICE_ADDED)
        notices.add(u, contact, Notice.DEVICE_ADDED)
