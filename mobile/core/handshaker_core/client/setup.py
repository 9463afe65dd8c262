"""A new account, step by step. Each step is committed, so that whatever interrupts it, the next attempt goes on."""

from functools import partial

from handshaker_core.client import prekeys, wiping
from handshaker_core.client.core import Core, StepProgress, no_progress
from handshaker_core.client.recovery_key import register_key
from handshaker_core.client.tokens import Session
from handshaker_core.client.unit import Unit
from handshaker_core.clock import Clock
from handshaker_core.credentials import ID_SIZE, DeviceKey, Mailbox
from handshaker_core.net.errors import RefusedByServer
from handshaker_core.protocol.address import BundleId
from handshaker_core.protocol.device import DeviceCertificate, DeviceId, DeviceList
from handshaker_core.protocol.keys import DeviceIdentityKeyPair, IdentityKeyPair
from handshaker_core.protocol.randomness import Randomness
from handshaker_core.protocol.root import RootSeed
from handshaker_core.protocol.seal import SealKeyPair
from handshaker_core.store import accounts, mailboxes
from handshaker_core.store.accounts import AccountKeys
from handshaker_core.store.connection import Connection
from handshaker_core.store.mailboxes import OwnMailbox, Purpose, State

ALREADY_REGISTERED = "already_registered"


def ensure_account(c: Connection, server: str, proxy: str | None, clock: Clock, rng: Randomness) -> AccountKeys:
    """The account's keys, made when there are none yet. No server is asked."""
    _adopt_device(c, clock, rng)
    existing = accounts.keys(c)
    if existing is not None:
        return existing
    now, root, bundle_id = int(clock()), RootSeed.generate(rng), BundleId(rng(ID_SIZE))
    identity, seal = root.identity(), SealKeyPair.generate(rng)
    device_key, certificate, devices = _first_device(identity, bundle_id, now, rng)
    keys = AccountKeys(
        device=DeviceKey.generate(rng),
        root=root,
        identity_pair=identity,
        device_identity=device_key,
        certificate=certificate,
        seal=seal,
        seal_signature=seal.sign(device_key),
        bundle_id=bundle_id,
        created_at=float(now),
    )
    accounts.create(c, keys, devices, server, proxy)
    mailboxes.add(c, OwnMailbox(Mailbox.generate(rng), Purpose.ADDRESS, State.MISSING, None), keys.created_at)
    return keys


def _first_device(
    identity: IdentityKeyPair, bundle_id: BundleId, now: int, rng: Randomness
) -> tuple[DeviceIdentityKeyPair, DeviceCertificate, DeviceList]:
    """The device's own key, its certificate, and a list that holds nothing else."""
    key = DeviceIdentityKeyPair.generate(rng)
    certificate = DeviceCertificate.issue(
        identity, device_id=DeviceId(rng(ID_SIZE)), device_key=key.public, bundle_id=bundle_id, issued_at=now
    )
    return key, certificate, DeviceList.issue(identity, sequence=1, issued_at=now, certificates=(certificate,))


def _adopt_device(c: Connection, clock: Clock, rng: Randomness) -> None:
    """Give the device of an account of the time before its own key."""
    before = accounts.without_device(c)
    if before is not None:
        key, certificate, devices = _first_device(before.identity, before.bundle_id, int(clock()), rng)
        accounts.adopt_device(c, key, certificate, devices, before.seal.sign(key))


async def set_up(core: Core, session: Session, progress: StepProgress = no_progress) -> None:
    """Do whatever is not done yet: account, bundle, one-time keys, the mailbox of the contact address."""
    await _register(core, session, progress)
    await register_key(core, session)
    await core.run(prekeys.make_due)
    await prekeys.publish(core, session)
    await prekeys.upload(core, session, progress)
    await create_missing_mailboxes(core, progress)
    await wiping.leave_ticket(core, session)


async def _register(core: Core, session: Session, progress: StepProgress) -> None:
    account = await core.store.run(accounts.get)
    if account is None or account.account_id is not None:
        return
    try:
        account_id, device_id, tokens = await core.api.register(
            core.keys.device, lambda share: progress("registration", share)
        )
        await session.keep(tokens)
    except RefusedByServer as error:
        if error.code != ALREADY_REGISTERED:
            raise
        # An earlier answer was lost on its way; the key shows whose account it is.
        await session.log_in()
        account_id, device_id = await session.call(core.api.account)
    await core.run(lambda u: accounts.set_registered(u.c, account_id, device_id))


async def create_missing_mailboxes(core: Core, progress: StepProgress = no_progress) -> None:
    """Make own mailboxes that the server does not have."""
    for own in await core.run(lambda u: mailboxes.listed(u.c, State.MISSING)):
        await create_mailbox(core, own.mailbox, progress)
        await core.run(partial(_activate, mailbox=own.mailbox))


def _activate(u: Unit, mailbox: Mailbox) -> None:
    mailboxes.set_state(u.c, mailbox.recv_id, State.ACTIVE)
    u.mailboxes_changed()


def _forget(u: Unit, mailbox: Mailbox) -> None:
    mailboxes.forget(u.c, mailbox.recv_id)


async def create_mailbox(core: Core, mailbox: Mailbox, progress: StepProgress = no_progress) -> None:
    """Make a mailbox on the server."""
    await core.api.create_mailbox(mailbox, lambda share: progress("mailbox", share))


async def delete_closed_mailboxes(core: Core) -> None:
    """Delete own mailboxes that are not wanted any more."""
    closed = await core.run(lambda u: mailboxes.listed(u.c, State.DELETING))
    for own in closed:
        await core.api.delete_mailbox(own.mailbox)
        await core.run(partial(_forget, mailbox=own.mailbox))
