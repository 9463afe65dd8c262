"""Which of several continuations of a history is in force: the only one, the one an owner chose, or none.

A pure function of the set of valid entries, so that everybody who has the same entries comes to the same answer.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from handshaker_core.protocol.device import DeviceList
from handshaker_core.protocol.groups.change import (
    Leave,
    Remove,
    Resolve,
    SetRole,
    TransferOwnership,
    UpdateDevices,
)
from handshaker_core.protocol.groups.ids import NO_ENTRY, EntryHash
from handshaker_core.protocol.groups.log_entry import LogEntry
from handshaker_core.protocol.groups.membership import MembershipState, apply, lists_device
from handshaker_core.protocol.keys import IdentityPublicKey


@dataclass(frozen=True, slots=True)
class Fork:
    """Two or more valid entries continue the same history, and no owner has chosen between them.

    Attributes:
        epoch: sequence of the last entry that all agree on.
        previous: its hash.
        continuations: the conflicting entries, in ascending order of their hashes.
    """

    epoch: int
    previous: EntryHash
    continuations: tuple[EntryHash, ...]


@dataclass(frozen=True, slots=True)
class Act:
    """An entry by which an owner rejects continuations of a fork.

    Attributes:
        branch: the continuation after which the act stands.
        rejected: continuations that it rejects, and other acts.
    """

    entry_hash: EntryHash
    branch: EntryHash
    rejected: frozenset[EntryHash]


def walk(
    entries: Mapping[EntryHash, LogEntry],
) -> tuple[tuple[EntryHash, ...], MembershipState | None, Fork | None]:
    """Follow the history in force from the creation on.

    Args:
        entries: each valid after the one before it, which is there too.

    Returns:
        The hashes of the history in force, the state at its end, and the fork at which it ends, if there is one.
    """
    following = _by_predecessor(entries)
    path: list[EntryHash] = []
    state: MembershipState | None = None
    last = NO_ENTRY
    while continuations := following.get(last):
        if len(continuations) == 1:
            last = continuations[0]
        else:
            fork = Fork(len(path) - 1, last, tuple(sorted(continuations)))
            chosen = _chosen(fork, acts_of_owners(entries, fork, state))
            if chosen is None:
                return tuple(path), state, fork
            last = chosen
        state = apply(state, entries[last])
        path.append(last)
    return tuple(path), state, None


def acts_of_owners(entries: Mapping[EntryHash, LogEntry], fork: Fork, state: MembershipState | None) -> list[Act]:
    """Every act about a fork that counts.

    Who was an owner before the fork has a say, unless they gave ownership up in one of the conflicting histories: else a
    former owner could go back to a past that is better for them. Owners lose ownership by their own signature only, so
    nobody else can take the say from them. When all of them gave it up in one history, and in no other, its owners have
    inherited the say. What a device wrote in one history that its person has withdrawn in another brings no say; it can
    lose it to its person, because nobody can tell a thief's device from one that an owner disowns afterwards.

    A removal is an act too: it rejects what the removed person wrote beside the history in which it stands. Otherwise
    everybody who ever was a member could stop a group at any later time by an entry beside an old one.

    Args:
        entries: as in `walk`.
        fork: what they are about.
        state: the state on which all agree.
    """
    if state is None:
        return []
    following = _by_predecessor(entries)
    histories = {branch: list(_after(branch, entries, following)) for branch in fork.continuations}
    lists = {branch: _newest_devices(after) for branch, after in histories.items()}
    current = {
        branch: [entry for entry in after if _is_current(entry, branch, lists)] for branch, after in histories.items()
    }
    loyal = state.owners.difference(*(_gave_up(after) for after in histories.values()))
    heirs = [branch for branch, after in histories.items() if state.owners <= _gave_up(after)]
    acts = []
    for branch, after in current.items():
        beside = [entries[other] for other in fork.continuations if other != branch]
        inherits = not loyal and heirs == [branch] and state.owners <= _gave_up(after)
        for entry in after:
            rejected = _rejected(entry, beside)
            if rejected and (entry.actor in loyal or (inherits and isinstance(entry.change, Resolve))):
                acts.append(Act(entry.entry_hash, branch, rejected))
    return acts


def _after(
    branch: EntryHash, entries: Mapping[EntryHash, LogEntry], following: Mapping[EntryHash, list[EntryHash]]
) -> Iterator[LogEntry]:
    """An entry, and all that stand after it."""
    reach = [branch]
    while reach:
        entry = entries[reach.pop()]
        reach += following.get(entry.entry_hash, ())
        yield entry


def _gave_up(after: Iterable[LogEntry]) -> set[IdentityPublicKey]:
    """Who is no owner any more by an own entry, among others who never were."""
    return {entry.actor for entry in after if _gives_up(entry)}


def _gives_up(entry: LogEntry) -> bool:
    match entry.change:
        case Leave() | TransferOwnership():
            return True
        case SetRole(person, _):
            return person == entry.actor
    return False


def _newest_devices(after: Iterable[LogEntry]) -> dict[IdentityPublicKey, DeviceList]:
    """The newest list of each person among those put on record in one history; earlier ones are obeyed in it anyway."""
    newest: dict[IdentityPublicKey, DeviceList] = {}
    for entry in after:
        if isinstance(entry.change, UpdateDevices):
            known = newest.get(entry.actor)
            if known is None or entry.change.devices.sequence > known.sequence:
                newest[entry.actor] = entry.change.devices
    return newest


def _is_current(
    entry: LogEntry, branch: EntryHash, lists: Mapping[EntryHash, Mapping[IdentityPublicKey, DeviceList]]
) -> bool:
    """Whether no other history has a newer device list of the actor, without the device that signed."""
    own = lists[branch].get(entry.actor)
    others = (found[entry.actor] for other, found in lists.items() if other != branch and entry.actor in found)
    newer = [found for found in others if own is None or found.sequence > own.sequence]
    return not newer or lists_device(max(newer, key=lambda found: found.sequence), entry.certificate)


def _rejected(entry: LogEntry, beside: Iterable[LogEntry]) -> frozenset[EntryHash]:
    match entry.change:
        case Resolve(rejected):
            return frozenset(rejected)
        case Remove(person):
            return frozenset(other.entry_hash for other in beside if other.actor == person)
    return frozenset()


def _chosen(fork: Fork, acts: list[Act]) -> EntryHash | None:
    """The continuation that owners chose against all others; None if there is none, or more than one."""
    overruled = frozenset().union(*(act.rejected for act in acts))
    chosen = []
    for branch in fork.continuations:
        counting = [act.rejected for act in acts if act.branch == branch and act.entry_hash not in overruled]
        if frozenset(fork.continuations) - {branch} <= frozenset().union(*counting):
            chosen.append(branch)
    return chosen[0] if len(chosen) == 1 else None


def _by_predecessor(entries: Mapping[EntryHash, LogEntry]) -> dict[EntryHash, list[EntryHash]]:
    following: dict[EntryHash, list[EntryHash]] = {}
    for entry in entries.values():
        following.setdefault(entry.previous, []).append(entry.entry_hash)
    return following
