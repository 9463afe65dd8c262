"""What becomes of a device that introduces itself, and of news about devices that are known."""

from handshaker_core.client import device_lists, syncing
from handshaker_core.client.device_content import DeviceUpdate, MalformedDeviceContent, Sync
from handshaker_core.client.introducing import own_update
from handshaker_core.client.posting import post_to_device
from handshaker_core.client.unit import Unit
from handshaker_core.errors import UnlistedDevice
from handshaker_core.model import ContactId
from handshaker_core.protocol.session import SessionState
from handshaker_core.store import contacts, devices, mailboxes, sessions
from handshaker_core.store.devices import ContactDevice
from handshaker_core.store.outbox import Kind


def take_introduction(u: Unit, contact: ContactId, session: SessionState, update: DeviceUpdate) -> None:
    """A device of a contact, or of the owner, begins a session. It is decrypted, but not in the store yet.

    Raises:
        WrongIdentity, UnlistedDevice.
    """
    if not contacts.is_connected(u.c, contact):
        raise UnlistedDevice
    is_own = contact == contacts.own_self(u.c)
    device_lists.check_newest(u, contact, session.peer, update.devices)
    if is_own:
        device_lists.take_own(u, update.devices)
    device_lists.learn(u, contact, update.devices)
    sessions.add(u.c, contact, session, u.now)
    sessions.supersede(u.c, contact, session, u.now)
    devices.remember(u.c, contact, ContactDevice(session.peer, session.peer_seal_key), u.now)
    if update.reply_to is not None:
        mailboxes.set_peer(u.c, contact, session.peer.device_id, update.reply_to)
    # The answer proves that the session works, and tells where this device receives.
    post_to_device(u, contact, session.peer.device_id, own_update(u, contact), Kind.CONTROL)
    if is_own:
        syncing.share_everybody(u, session.peer.device_id)
    else:
        syncing.share_person(u, contact)


def take_news(
    u: Unit, contact: ContactId, session: SessionState, told: DeviceUpdate | Sync, expires_after_seconds: int | None
) -> None:
    """News from a device with which there is a session.

    Raises:
        WrongIdentity, UnlistedDevice.
        MalformedDeviceContent: what own devices tell each other, from somebody else.
    """
    if isinstance(told, Sync) and contact != contacts.own_self(u.c):
        raise MalformedDeviceContent
    if not contacts.is_connected(u.c, contact):
        return
    sessions.promote(u.c, contact, session)
    if isinstance(told, Sync):
        syncing.take(u, told, expires_after_seconds)
    else:
        _take_update(u, contact, session, told)


def _take_update(u: Unit, contact: ContactId, session: SessionState, update: DeviceUpdate) -> None:
    if contact == contacts.own_self(u.c):
        device_lists.take_own(u, update.devices)
    device_lists.learn(u, contact, update.devices)
    if update.reply_to is not None and devices.has(u.c, contact, session.peer.device_id):
        mailboxes.set_peer(u.c, contact, session.peer.device_id, update.reply_to)
