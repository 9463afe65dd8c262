"""Telling contacts about this person's devices: this device makes the sessions and mailboxes that it needs, and says so.

The same serves a device that was just linked, a primary that was recovered, a change of the list, and a mailbox that
somebody knows who should not. What is to be told stands in the store until it is told.
"""

from dataclasses import dataclass
from functools import partial

from handshaker_core.client import syncing
from handshaker_core.client.content import Content
from handshaker_core.client.core import Core
from handshaker_core.client.device_content import DeviceUpdate
from handshaker_core.client.posting import new_content, post_to_device
from handshaker_core.client.prekeys import read_bundle
from handshaker_core.client.setup import create_mailbox
from handshaker_core.client.unit import Signal, Unit
from handshaker_core.credentials import Mailbox
from handshaker_core.errors import ProtocolError
from handshaker_core.model import ContactId
from handshaker_core.net.errors import RateLimited, RefusedByServer
from handshaker_core.protocol import session as protocol
from handshaker_core.protocol.bundle import verify_bundle
from handshaker_core.protocol.device import DeviceCertificate
from handshaker_core.protocol.session import SessionState
from handshaker_core.store import contacts, devices, introductions, mailboxes, sessions
from handshaker_core.store.devices import ContactDevice
from handshaker_core.store.mailboxes import OwnMailbox, PeerMailbox, Purpose, State
from handshaker_core.store.outbox import Kind

RETIRED_SECONDS = 14 * 86_400.0
"""As long as contacts go on trying to send what they wrote before they knew the new mailbox."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What it takes to introduce this device to a contact."""

    needs_mailbox: bool
    strangers: tuple[DeviceCertificate, ...]


async def introduce_all(core: Core) -> None:
    """Do what is to be done. Raises: NetworkError."""
    for contact, renew in await core.run(lambda u: introductions.listed(u.c)):
        await introduce(core, contact, renew=renew)
    await core.run(_close_retired)


def _close_retired(u: Unit) -> None:
    if mailboxes.close_retired(u.c, u.now - RETIRED_SECONDS):
        u.mailboxes_changed()


async def introduce(core: Core, contact: ContactId, *, renew: bool = False) -> None:
    """Start sessions with those of the contact's devices with which there is none, and tell all of them about this one.

    Raises:
        NetworkError.
    """
    plan = await core.run(lambda u: _plan(u, contact))
    mailbox = Mailbox.generate(core.rng) if plan.needs_mailbox or renew else None
    if mailbox is not None:
        await create_mailbox(core, mailbox)
    fresh = [session for peer in plan.strangers if (session := await _agree(core, peer)) is not None]
    await core.run(partial(_tell, contact=contact, mailbox=mailbox, fresh=fresh))


def _plan(u: Unit, contact: ContactId) -> _Plan:
    known = devices.list_of(u.c, contact)
    used = [device.certificate for device in devices.of_contact(u.c, contact)]
    strangers = [
        peer
        for peer in (known.certificates if known is not None else used)
        if peer.device_id != u.keys.certificate.device_id
        and mailboxes.peer(u.c, contact, peer.device_id) is not None
        and not sessions.of_device(u.c, contact, peer.device_id)
    ]
    return _Plan(mailboxes.for_contact(u.c, contact) is None, tuple(strangers))


async def _agree(core: Core, peer: DeviceCertificate) -> SessionState | None:
    """A session with a device that the list names; None where its bundle is gone or not what was certified."""
    try:
        fetched = await core.api.fetch_bundle(peer.bundle_id)
        verified = verify_bundle(read_bundle(fetched), peer.identity, peer.bundle_id)
    except RateLimited:
        raise
    except (RefusedByServer, ProtocolError):
        return None
    session, _ = protocol.initiate(core.keys.local, verified, now=core.clock(), rng=core.rng)
    return session


def _tell(u: Unit, contact: ContactId, mailbox: Mailbox | None, fresh: list[SessionState]) -> None:
    if mailbox is not None:
        mailboxes.retire_for_contact(u.c, contact, u.now)
        mailboxes.add(u.c, OwnMailbox(mailbox, Purpose.CONTACT, State.ACTIVE, contact), u.now)
        u.mailboxes_changed()
    for session in fresh:
        if not sessions.of_device(u.c, contact, session.peer.device_id):
            sessions.add(u.c, contact, session, u.now)
            devices.remember(u.c, contact, ContactDevice(session.peer, session.peer_seal_key), u.now)
    announce(u, contact)
    if contact == contacts.own_self(u.c):
        for session in fresh:
            syncing.share_everybody(u, session.peer.device_id)
    introductions.done(u.c, contact)


def announce(u: Unit, contact: ContactId) -> None:
    """Tell all of the contact's devices the own list, and where this device receives."""
    content = own_update(u, contact)
    for device in devices.of_contact(u.c, contact):
        post_to_device(u, contact, device.certificate.device_id, content, Kind.CONTROL)


def own_update(u: Unit, contact: ContactId) -> Content:
    """What this device says about itself to a contact."""
    own = mailboxes.for_contact(u.c, contact)
    reply_to = None if own is None else PeerMailbox(own.mailbox.send_id, own.mailbox.send_secret)
    return new_content(u, DeviceUpdate(devices.own_list(u.c), reply_to))


def introduce_to_everybody(u: Unit, *, renew: bool = False) -> None:
    """Have all contacts, and the other own devices, told."""
    own = contacts.own_self(u.c)
    for contact in contacts.connected(u.c) + ([] if own is None else [own]):
        introductions.add(u.c, contact, renew=renew)
    u.signals.add(Signal.DEVICES)
