"""The owner's devices: which there are, and what happens when one goes."""

from dataclasses import dataclass
from functools import partial

from handshaker_core.client import directory, introducing, setup
from handshaker_core.client.core import Core
from handshaker_core.client.errors import DeviceNotRemovable, DeviceUnknown
from handshaker_core.client.tokens import Session
from handshaker_core.client.unit import Unit
from handshaker_core.credentials import Mailbox
from handshaker_core.model import ContactId
from handshaker_core.net.device_api import DeviceApi
from handshaker_core.net.errors import RefusedByServer
from handshaker_core.protocol.device import DeviceCertificate, DeviceId, DeviceList
from handshaker_core.protocol.keys import IdentityKeyPair
from handshaker_core.store import accounts, contacts, devices, introductions, mailboxes, outbox, sessions
from handshaker_core.store import own_devices as names
from handshaker_core.store.mailboxes import OwnMailbox, PeerMailbox, Purpose, State

REFUSED = "refused"
LARGEST_SEQUENCE = 2**32 - 1


@dataclass(frozen=True, slots=True)
class OwnDevice:
    """A device of the owner.

    Attributes:
        id: the start of its id, enough to name it.
        name: what the owner calls it; empty where this device was not told.
        this: whether it is the one that is asked.
        primary: whether it is known to be the primary; a linked device knows only that it is not.
        added_at_ms: when it was certified.
    """

    id: str
    name: str
    this: bool
    primary: bool
    added_at_ms: int


def next_list(
    identity: IdentityKeyPair, before: DeviceList | None, certificates: list[DeviceCertificate], now: float
) -> DeviceList:
    """The list that replaces `before`.

    Its sequence is the time in seconds, or one more than before where that is more: so a person who has lost every
    device, and with them the number of the last list, still makes one that is newer.
    """
    floor = 0 if before is None else before.sequence
    sequence = min(max(floor + 1, int(now)), LARGEST_SEQUENCE)
    return DeviceList.issue(identity, sequence=sequence, issued_at=int(now), certificates=tuple(certificates))


def set_own_devices(u: Unit, listed: DeviceList) -> ContactId:
    """Put a list in force. Returns: the owner, as a contact."""
    own = contacts.ensure_self(u.c, u.keys.identity_key, u.now)
    devices.set_own_list(u.c, listed)
    devices.set_list(u.c, own, listed)
    return own


def own_mailbox_addresses(u: Unit) -> tuple[tuple[DeviceId, PeerMailbox], ...]:
    """Where the owner's devices receive from each other: this one and all that are known."""
    own = contacts.ensure_self(u.c, u.keys.identity_key, u.now)
    here = mailboxes.for_contact(u.c, own)
    mine = [] if here is None else [(u.keys.certificate.device_id, PeerMailbox.of(here.mailbox))]
    return tuple(mine + mailboxes.peers(u.c, own))


def is_settled(u: Unit) -> bool:
    """Whether nobody is left to be told, nothing waits to be sent, and every own device has a session that works."""
    if introductions.listed(u.c) or outbox.due(u.c, u.now, 1):
        return False
    own = contacts.own_self(u.c)
    others = [] if own is None else [each.device_id for each in devices.own_list(u.c).certificates]
    for device_id in others:
        if own is None or device_id == u.keys.certificate.device_id:
            continue
        usable = sessions.of_device(u.c, own, device_id)
        if not usable or usable[0].awaiting_answer:
            return False
    return True


async def listed(core: Core) -> list[OwnDevice]:
    """All own devices, this one first."""

    def build(u: Unit) -> list[OwnDevice]:
        called, mine = names.named(u.c), u.keys.certificate.device_id
        found = [
            OwnDevice(
                id=each.device_id.hex()[:8],
                name=called.get(each.device_id, ("", None))[0],
                this=each.device_id == mine,
                primary=each.device_id == mine and u.keys.identity_pair is not None,
                added_at_ms=each.issued_at * 1000,
            )
            for each in devices.own_list(u.c).certificates
        ]
        return sorted(found, key=lambda each: (not each.this, each.added_at_ms))

    return await core.run(build)


async def remove(core: Core, session: Session, reference: str) -> None:
    """Remove a linked device: it cannot log in, read or send any more, and what it knew is replaced.

    Args:
        core: the primary's client.
        session: its session.
        reference: the device's name, or the start of its id.

    Raises:
        PrimaryDeviceOnly, DeviceUnknown, DeviceNotRemovable, NetworkError.
    """
    _ = core.keys.identity
    target = await core.run(lambda u: _find(u, reference))
    if target == core.keys.certificate.device_id:
        raise DeviceNotRemovable
    # First the list, which takes effect without the server's help. The name stays until all is done, so that the owner
    # can say it again after an interruption.
    server_id = await core.run(partial(_strike, device_id=target))
    if server_id is not None:
        try:
            await session.call(lambda token: DeviceApi(core.transport).remove(token, server_id))
        except RefusedByServer as error:
            if error.code != REFUSED:
                raise
            # It is gone already: an answer was lost, or it has left by itself.
    await replace_address(core, session)
    await core.run(lambda u: names.forget(u.c, target))


def _find(u: Unit, reference: str) -> DeviceId:
    wanted, called = reference.strip().casefold(), names.named(u.c)
    known = {each.device_id for each in devices.own_list(u.c).certificates} | called.keys()
    found = [
        each for each in known if each.hex().startswith(wanted) or called.get(each, ("", None))[0].casefold() == wanted
    ]
    if not wanted or len(found) != 1:
        raise DeviceUnknown
    return found[0]


def _strike(u: Unit, device_id: DeviceId) -> bytes | None:
    """Take a device off the list, and have everybody told. Returns: the server's name for it, as far as known."""
    before = devices.own_list(u.c)
    left = [each for each in before.certificates if each.device_id != device_id]
    if len(left) == len(before.certificates):
        return names.named(u.c).get(device_id, ("", None))[1]
    own = set_own_devices(u, next_list(u.keys.identity, before, left, u.now))
    devices.forget(u.c, own, device_id)
    introducing.introduce_to_everybody(u)
    # The device knew where the others receive from each other.
    introductions.add(u.c, own, renew=True)
    return names.named(u.c).get(device_id, ("", None))[1]


async def replace_address(core: Core, session: Session) -> None:
    """Make a new contact address: who holds the one before cannot write to it any more. Links have to be given anew."""

    def replace(u: Unit) -> None:
        mailboxes.close_address(u.c)
        fresh = Mailbox.generate(u.rng)
        mailboxes.add(u.c, OwnMailbox(fresh, Purpose.ADDRESS, State.MISSING, None), u.now)
        u.mailboxes_changed()

    await core.run(replace)
    await setup.create_missing_mailboxes(core)
    await setup.delete_closed_mailboxes(core)
    account = await core.store.run(accounts.get)
    if account is not None and account.username is not None:
        await directory.set_username(core, session, account.username)
