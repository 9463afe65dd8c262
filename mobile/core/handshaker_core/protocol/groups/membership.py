"""Who is in a group and in which role: a pure function from state and entry to state, which every client runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256

from handshaker_core.protocol.device import DeviceCertificate, DeviceList
from handshaker_core.protocol.groups.change import (
    Add,
    ChangeSettings,
    Create,
    Leave,
    Remove,
    Resolve,
    Role,
    SetRole,
    TransferOwnership,
    UpdateDevices,
)
from handshaker_core.protocol.groups.errors import (
    AlreadyMember,
    BrokenChain,
    GroupFull,
    LastOwner,
    NotAllowed,
    NotAMember,
    NothingToChange,
    RevokedDevice,
    StaleEntry,
    WrongGroup,
)
from handshaker_core.protocol.groups.ids import EntryHash, GroupId
from handshaker_core.protocol.groups.log_entry import LogEntry
from handshaker_core.protocol.keys import IdentityPublicKey
from handshaker_core.protocol.labels import Label
from handshaker_core.protocol.wire import u8, u16, u32

STATE_VERSION = 1
MAX_MEMBERS = 256

MAX_ENTRIES = 4_096
"""Entries of a history. A new member verifies all of them, in about two seconds."""

RESERVED_ENTRIES = 512
"""The last places of a history take only what makes a group smaller or settles it, so that nobody can fill it up to
prevent a removal."""

MAX_DEVICE_UPDATES = 64
"""Device lists that one member may put on record; every member may write these."""

_ALWAYS_POSSIBLE = (Remove, Leave, SetRole, TransferOwnership, Resolve)


@dataclass(frozen=True, slots=True)
class Member:
    """A person in a group.

    Attributes:
        joined: sequence of the entry that added them.
        devices: the newest device list on record in this log; None as long as none is.
        device_updates: how many lists were put on record.
    """

    role: Role
    joined: int
    devices: DeviceList | None = None
    device_updates: int = 0


@dataclass(frozen=True, slots=True)
class MembershipState:
    """A group after an entry. Equal histories give equal states.

    Attributes:
        epoch: sequence of the last entry.
        head: hash of the last entry, and with it of the whole history.
        settings_hash: of what the members send each other as name and settings.
        readers_left: sequence of the last entry after which somebody, or some device, may no longer read. Nothing that
            was encrypted in an earlier epoch is accepted any more.
    """

    group_id: GroupId
    epoch: int
    head: EntryHash
    settings_hash: bytes
    readers_left: int
    members: Mapping[IdentityPublicKey, Member] = field(default_factory=dict)

    def member(self, person: IdentityPublicKey) -> Member:
        """Raises: NotAMember."""
        found = self.members.get(person)
        if found is None:
            raise NotAMember
        return found

    @property
    def owners(self) -> frozenset[IdentityPublicKey]:
        """Never empty."""
        return frozenset(person for person, member in self.members.items() if member.role is Role.OWNER)

    @property
    def digest(self) -> bytes:
        """Hash (32 bytes) of everything in the state, for comparing with what others see."""
        content = [u8(STATE_VERSION), self.group_id, u32(self.epoch), self.head, self.settings_hash]
        content += [u32(self.readers_left), u16(len(self.members))]
        for person, member in sorted(self.members.items(), key=lambda item: item[0].raw):
            devices = 0 if member.devices is None else member.devices.sequence
            content += [person.raw, u8(member.role), u32(member.joined), u32(devices), u8(member.device_updates)]
        return sha256(Label.GROUP_STATE.value + b"".join(content)).digest()


def apply(state: MembershipState | None, entry: LogEntry) -> MembershipState:
    """The state after an entry.

    Args:
        state: before it; None before the creation.
        entry: with valid signatures, as every `LogEntry` has.

    Raises:
        WrongGroup, StaleEntry, BrokenChain: it does not continue this history.
        NotAMember, RevokedDevice: the actor may not write here.
        NotAllowed, LastOwner: the actor's role does not allow it.
        NotAMember, AlreadyMember, NothingToChange, GroupFull: it cannot be done.
    """
    if state is None:
        return _created(entry)
    _check_place(state, entry)
    actor = state.member(entry.actor)
    _check_device(actor, entry)
    if entry.sequence >= MAX_ENTRIES:
        raise GroupFull
    if entry.sequence >= MAX_ENTRIES - RESERVED_ENTRIES and not isinstance(entry.change, _ALWAYS_POSSIBLE):
        raise GroupFull
    changed = _change(state, entry, actor)
    return replace(changed, epoch=entry.sequence, head=entry.entry_hash)


def lists_device(devices: DeviceList, certificate: DeviceCertificate) -> bool:
    """Whether a list names the device of a certificate, with the same key."""
    listed = devices.find(certificate.device_id)
    return listed is not None and listed.device_key == certificate.device_key


def _created(entry: LogEntry) -> MembershipState:
    if not isinstance(entry.change, Create):
        raise BrokenChain
    founder = {entry.actor: Member(Role.OWNER, joined=0)}
    return MembershipState(entry.group_id, 0, entry.entry_hash, entry.change.settings_hash, 0, founder)


def _check_place(state: MembershipState, entry: LogEntry) -> None:
    if entry.group_id != state.group_id:
        raise WrongGroup
    if entry.sequence <= state.epoch:
        raise StaleEntry
    if entry.sequence != state.epoch + 1 or entry.previous != state.head:
        raise BrokenChain


def _check_device(actor: Member, entry: LogEntry) -> None:
    """A device that is not in the list on record is refused; a newer list counts for the entry that brings it."""
    devices = actor.devices
    if isinstance(entry.change, UpdateDevices):
        devices = entry.change.devices
        if devices.identity != entry.actor:
            raise NotAllowed
    if devices is not None and not lists_device(devices, entry.certificate):
        raise RevokedDevice


def _change(state: MembershipState, entry: LogEntry, actor: Member) -> MembershipState:
    match entry.change:
        case Create():
            raise BrokenChain
        case Add(person):
            return _add(state, actor, person, entry.sequence)
        case Remove(person):
            return _remove(state, entry, actor, person)
        case Leave():
            _keep_an_owner(state, entry.actor)
            return _without(state, entry.actor, entry.sequence)
        case SetRole(person, role):
            return _set_role(state, entry.actor, person, role)
        case TransferOwnership(person):
            return _transfer(state, entry.actor, person)
        case ChangeSettings(settings_hash):
            return _change_settings(state, actor, settings_hash)
        case UpdateDevices(devices):
            return _update_devices(state, entry, actor, devices)
        case Resolve():
            _require(actor, Role.OWNER)
            return state


def _add(state: MembershipState, actor: Member, person: IdentityPublicKey, sequence: int) -> MembershipState:
    _require(actor, Role.ADMIN)
    if person in state.members:
        raise AlreadyMember
    if len(state.members) >= MAX_MEMBERS:
        raise GroupFull
    return _with(state, person, Member(Role.MEMBER, joined=sequence))


def _remove(state: MembershipState, entry: LogEntry, actor: Member, person: IdentityPublicKey) -> MembershipState:
    _require(actor, Role.ADMIN)
    if state.member(person).role >= actor.role:
        raise NotAllowed
    return _without(state, person, entry.sequence)


def _set_role(
    state: MembershipState, actor: IdentityPublicKey, person: IdentityPublicKey, role: Role
) -> MembershipState:
    target = state.member(person)
    if role == target.role:
        raise NothingToChange
    stepping_down = person == actor and role < target.role
    if stepping_down:
        _keep_an_owner(state, person)
    else:
        _require(state.member(actor), Role.OWNER)
        if target.role is Role.OWNER:
            raise NotAllowed
    return _with(state, person, replace(target, role=role))


def _transfer(state: MembershipState, actor: IdentityPublicKey, person: IdentityPublicKey) -> MembershipState:
    owner, target = state.member(actor), state.member(person)
    _require(owner, Role.OWNER)
    if target.role is Role.OWNER:  # which the actor is, too
        raise NothingToChange
    promoted = _with(state, person, replace(target, role=Role.OWNER))
    return _with(promoted, actor, replace(owner, role=Role.ADMIN))


def _change_settings(state: MembershipState, actor: Member, settings_hash: bytes) -> MembershipState:
    _require(actor, Role.ADMIN)
    if settings_hash == state.settings_hash:
        raise NothingToChange
    return replace(state, settings_hash=settings_hash)


def _update_devices(state: MembershipState, entry: LogEntry, actor: Member, devices: DeviceList) -> MembershipState:
    known = actor.devices
    if known is not None and devices.sequence <= known.sequence:
        raise NothingToChange
    if actor.device_updates >= MAX_DEVICE_UPDATES:
        raise GroupFull
    updated = replace(actor, devices=devices, device_updates=actor.device_updates + 1)
    changed = _with(state, entry.actor, updated)
    # Without an earlier list on record nobody can tell which device this one leaves out: treated as if it did.
    remaining = {(found.device_id, found.device_key) for found in devices.certificates}
    kept = known is not None and {(found.device_id, found.device_key) for found in known.certificates} <= remaining
    return changed if kept else replace(changed, readers_left=entry.sequence)


def _require(actor: Member, role: Role) -> None:
    if actor.role < role:
        raise NotAllowed


def _keep_an_owner(state: MembershipState, person: IdentityPublicKey) -> None:
    if state.owners == {person}:
        raise LastOwner


def _with(state: MembershipState, person: IdentityPublicKey, member: Member) -> MembershipState:
    return replace(state, members={**state.members, person: member})


def _without(state: MembershipState, person: IdentityPublicKey, sequence: int) -> MembershipState:
    remaining = {other: member for other, member in state.members.items() if other != person}
    return replace(state, members=remaining, readers_left=sequence)
