"""Linking a second device, on both sides. `protocol.linking` decides, this carries it out."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar
from uuid import UUID

from handshaker_core.client import introducing, setup
from handshaker_core.client.core import Core, StepProgress, no_progress
from handshaker_core.client.device_content import LinkedAccount, MalformedDeviceContent, read_address, write_address
from handshaker_core.client.errors import HomeInUse, LinkingUnconfirmed, NotRegistered
from handshaker_core.client.link_channel import LinkChannel, open_channel
from handshaker_core.client.own_devices import next_list, own_mailbox_addresses, set_own_devices
from handshaker_core.client.texts import clean_device_name
from handshaker_core.client.tokens import Session
from handshaker_core.client.unit import Unit
from handshaker_core.credentials import Mailbox, SigningSeed
from handshaker_core.errors import LinkingCancelled, LinkingError, LinkingExpired, ProtocolError
from handshaker_core.net.device_api import DeviceApi
from handshaker_core.net.errors import NetworkError
from handshaker_core.protocol.address import SendId, SendSecret
from handshaker_core.protocol.device import MAX_DEVICES, DeviceCertificate, DeviceId
from handshaker_core.protocol.linking import (
    DeviceKeys,
    LinkCode,
    NewDevice,
    NewStep,
    PrimaryDevice,
    PrimaryStep,
)
from handshaker_core.protocol.linking.clocked import Linking
from handshaker_core.protocol.linking.code import CodeSecret
from handshaker_core.protocol.linking.messages import LIFETIME_SECONDS
from handshaker_core.store import accounts, contacts, devices, introductions, mailboxes, own_devices
from handshaker_core.store.accounts import AccountKeys
from handshaker_core.store.mailboxes import OwnMailbox, PeerMailbox, Purpose, State

T = TypeVar("T")

Compare = Callable[[str, str], Awaitable[bool]]
"""Asks the owner whether the other device shows the same six digits. Given: the digits, the new device's name."""


# --- the new device ---


async def link(
    core: Core,
    session: Session,
    name: str,
    *,
    show: Callable[[str], None],
    compare: Compare,
    progress: StepProgress = no_progress,
) -> None:
    """Become a linked device of somebody whose primary reads the code.

    Args:
        core: an open client whose store has no account yet.
        session: its session.
        name: what the primary is told this device is called.
        show: is given the code, once it is good.
        compare: asks the owner.
        progress: as `setup.set_up`.

    Raises:
        HomeInUse: the store has an account.
        LinkingError: it has failed; nothing was linked.
        NetworkError.
    """
    account = await core.store.run(accounts.get)
    if account is not None and account.account_id is not None:
        raise HomeInUse
    keys, secret = core.keys, CodeSecret(core.rng(CodeSecret.SIZE))
    mailbox = Mailbox(SigningSeed(core.rng(SigningSeed.SIZE)), secret.send_secret())
    device = DeviceKeys(
        keys.device_identity.public,
        keys.device.public,
        keys.certificate.device_id,
        keys.bundle_id,
        clean_device_name(name),
    )
    machine = NewDevice(device, secret, mailbox.send_id, now=core.clock(), rng=core.rng)
    async with open_channel(core, mailbox) as channel, _telling(channel, machine, lambda: machine.reply_to):
        show(machine.code.text())
        await _in_time(_new_until(core, channel, machine, {NewStep.COMPARING}))
        await _compared(
            _new_until(core, channel, machine, set()),
            compare(machine.short_string, device.name),
            lambda same: machine.confirm(same=same, now=core.clock()),
        )
        await _in_time(_new_until(core, channel, machine, {NewStep.GRANTED}))
        account_id = UUID(bytes=machine.account)
        proof = keys.device.prove_joining(account_id)
        await channel.send(machine.reply_to, machine.prove(proof, core.clock()))
        await _in_time(_new_until(core, channel, machine, {NewStep.PACKED}))
        try:
            package = LinkedAccount.decode(machine.package)
            _check(core, package)
        except ProtocolError:
            raise machine.refuse() from None
        own = await _settle(core, session, account_id, package, progress)
        await channel.send(machine.reply_to, machine.finish(write_address(own), core.clock()))


async def _new_until(core: Core, channel: LinkChannel, machine: NewDevice, steps: set[NewStep]) -> None:
    while machine.step not in steps:
        answer = machine.receive(await channel.receive(), core.clock())
        if answer is not None:
            await channel.send(machine.reply_to, answer)


def _check(core: Core, package: LinkedAccount) -> None:
    """What the primary hands over has to be about this device. Raises: MalformedDeviceContent."""
    certificate, mine = package.certificate, core.keys.certificate
    fits = (certificate.device_id, certificate.device_key, certificate.bundle_id) == (
        mine.device_id,
        mine.device_key,
        mine.bundle_id,
    )
    listed = package.devices.find(certificate.device_id)
    if not fits or listed != certificate or package.devices.identity != certificate.identity:
        raise MalformedDeviceContent


async def _settle(
    core: Core, session: Session, account_id: UUID, package: LinkedAccount, progress: StepProgress
) -> PeerMailbox:
    """Become part of the account. Returns: where the other own devices may write to.

    The first unit is the whole step: whatever ends this later, the next connection goes on with it, and the device
    introduces itself to the others.
    """
    mailbox = Mailbox.generate(core.rng)
    core.keys = await core.run(partial(_join, account_id=account_id, package=package, mailbox=mailbox))
    await session.log_in()
    await setup.set_up(core, session, progress)
    return PeerMailbox.of(mailbox)


def _join(u: Unit, account_id: UUID, package: LinkedAccount, mailbox: Mailbox) -> AccountKeys:
    keys = u.keys = replace(u.keys, root=None, identity_pair=None, certificate=package.certificate)
    server_id = str(UUID(bytes=package.server_device_id))
    accounts.belong_to(u.c, keys, package.devices, str(account_id), server_id)
    accounts.set_display_name(u.c, package.profile.display_name)
    accounts.set_username(u.c, package.profile.username)
    mailboxes.forget_address(u.c)  # requests of strangers are answered by the primary
    own = set_own_devices(u, package.devices)
    mailboxes.add(u.c, OwnMailbox(mailbox, Purpose.CONTACT, State.MISSING, own), u.now)
    for device_id, address in package.mailboxes:
        mailboxes.set_peer(u.c, own, device_id, address)
    introductions.add(u.c, own)
    u.mailboxes_changed()
    return keys


# --- the primary ---


@dataclass(frozen=True, slots=True)
class _Admitted:
    device_id: DeviceId
    package: LinkedAccount


async def add(core: Core, session: Session, code: str, *, compare: Compare) -> DeviceId:
    """Link the device that shows a code.

    Args:
        core: the primary's client.
        session: its session.
        code: as its owner gave it.
        compare: asks the owner.

    Returns:
        The new device's id.

    Raises:
        PrimaryDeviceOnly: this is a linked device.
        NotRegistered.
        InvalidLinkCode, LinkingError: it has failed; nothing was linked.
        LinkingUnconfirmed: the device is admitted, and silent.
        RefusedByServer: `too_many_devices`.
        NetworkError.
    """
    parsed = LinkCode.parse(code)
    account = await core.store.run(accounts.get)
    if account is None or account.account_id is None:
        raise NotRegistered
    _ = core.keys.identity
    mailbox, account_id = Mailbox.generate(core.rng), UUID(account.account_id)
    grants: list[bytes] = []
    machine = PrimaryDevice(parsed, (mailbox.send_id, mailbox.send_secret), now=core.clock(), rng=core.rng)
    async with open_channel(core, mailbox) as channel, _telling(channel, machine, lambda: machine.to):
        await channel.send(machine.to, machine.hello)
        await _in_time(_primary_until(core, channel, machine, PrimaryStep.COMPARING))
        await _compared(
            _primary_until(core, channel, machine, None),
            compare(machine.short_string, machine.device.name),
            lambda same: grants.append(machine.confirm(same=same, account=account_id.bytes, now=core.clock())),
        )
        await channel.send(machine.to, grants[0])
        await _in_time(_primary_until(core, channel, machine, PrimaryStep.PROVEN))
        device = machine.device
        api = DeviceApi(core.transport)
        server_id = await session.call(lambda token: api.add(token, device.auth, machine.proof))
        await _ensure_own_mailbox(core)
        admitted = await core.run(partial(_admit, device=device, server_device_id=server_id))
        await channel.send(machine.to, machine.pack(admitted.package.encode(), core.clock()))
        try:
            await _in_time(_primary_until(core, channel, machine, PrimaryStep.DONE))
        except LinkingError:
            raise LinkingUnconfirmed from None
        await core.run(partial(_welcome, device_id=admitted.device_id, answer=machine.answer))
    return admitted.device_id


async def _primary_until(core: Core, channel: LinkChannel, machine: PrimaryDevice, step: PrimaryStep | None) -> None:
    while machine.step is not step:
        machine.receive(await channel.receive(), core.clock())


async def _ensure_own_mailbox(core: Core) -> None:
    """Where the own other devices write to."""

    def existing(u: Unit) -> bool:
        own = contacts.ensure_self(u.c, u.keys.identity_key, u.now)
        return mailboxes.for_contact(u.c, own) is not None

    if await core.run(existing):
        return
    mailbox = Mailbox.generate(core.rng)
    await setup.create_mailbox(core, mailbox)

    def keep(u: Unit) -> None:
        own = contacts.ensure_self(u.c, u.keys.identity_key, u.now)
        mailboxes.add(u.c, OwnMailbox(mailbox, Purpose.CONTACT, State.ACTIVE, own), u.now)
        u.mailboxes_changed()

    await core.run(keep)


def _admit(u: Unit, device: DeviceKeys, server_device_id: bytes) -> _Admitted:
    """Certify the device and put it on the list; contacts are told when it is there."""
    certificate = DeviceCertificate.issue(
        u.keys.identity,
        device_id=device.device_id,
        device_key=device.identity,
        bundle_id=device.bundle_id,
        issued_at=int(u.now),
    )
    before = devices.own_list(u.c)
    others = [known for known in before.certificates if known.device_id != device.device_id]
    if len(others) >= MAX_DEVICES:
        raise LinkingError(f"You have {MAX_DEVICES} devices already; remove one first.")
    listed = next_list(u.keys.identity, before, [*others, certificate], u.now)
    set_own_devices(u, listed)
    own_devices.name(u.c, device.device_id, device.name, server_device_id)
    package = LinkedAccount(server_device_id, certificate, listed, u.own_profile(), own_mailbox_addresses(u))
    return _Admitted(device.device_id, package)


def _welcome(u: Unit, device_id: DeviceId, answer: bytes) -> None:
    own = contacts.ensure_self(u.c, u.keys.identity_key, u.now)
    mailboxes.set_peer(u.c, own, device_id, read_address(answer))
    introducing.introduce_to_everybody(u)


# --- both ---


@asynccontextmanager
async def _telling(
    channel: LinkChannel, machine: Linking, where: Callable[[], tuple[SendId, SendSecret]]
) -> AsyncIterator[None]:
    """Tell the other side when it comes to nothing, so that nobody waits in vain."""
    try:
        yield
    except LinkingError as error:
        if not isinstance(error, LinkingCancelled):
            with suppress(LookupError, LinkingError, NetworkError, TimeoutError):
                await channel.send(where(), machine.cancel())
        raise


async def _in_time(work: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(LIFETIME_SECONDS):
            return await work
    except TimeoutError:
        raise LinkingExpired from None


async def _compared(reading: Awaitable[None], asking: Awaitable[bool], decide: Callable[[bool], None]) -> None:
    """Ask the owner, and listen meanwhile: what the other side says may end it."""
    reader, asker = asyncio.ensure_future(reading), asyncio.ensure_future(asking)
    try:
        await asyncio.wait({reader, asker}, timeout=LIFETIME_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if reader.done():
            reader.result()
        if not asker.done():
            raise LinkingExpired
        decide(asker.result())
    finally:
        for task in (reader, asker):
            task.cancel()
        await asyncio.gather(reader, asker, return_exceptions=True)
