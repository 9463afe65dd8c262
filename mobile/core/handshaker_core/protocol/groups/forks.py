"""Which of several continuations of a history is in force: the only one, the one an owner chose, or none.

A pure function of the set of valid entries, so that everybody who has the same entries comes to the same answer.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from handshaker_core.protocol.groups.change import Remove, Resolve
from handshaker_core.protocol.groups.ids import NO_ENTRY, EntryHash
from handshaker_core.protocol.groups.log_entry import LogEntry
from handshaker_core.protocol.groups.membership import MembershipState, apply


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
    """An entry by which somebody who was an owner before the fork rejects continuations of it.

    A removal is one too: it rejects what the removed person wrote in place of the history in which it stands. Otherwise
    everybody who ever was a member could stop a group at any later time by an entry beside an old one.

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
            chosen = _chosen(fork, list(acts_of_owners(entries, fork, state)))
            if chosen is None:
                return tuple(path), state, fork
            last = chosen
        state = apply(state, entries[last])
        path.append(last)
    return tuple(path), state, None


def acts_of_owners(entries: Mapping[EntryHash, LogEntry], fork: Fork, state: MembershipState | None) -> Iterator[Act]:
    """Every act about a fork.

    Args:
        entries: as in `walk`.
        fork: what they are about.
        state: the state on which all agree; only its owners count.
    """
    owners: Collection[object] = () if state is None else state.owners
    following = _by_predecessor(entries)
    for branch in fork.continuations:
        reach = [branch]
        while reach:
            entry = entries[reach.pop()]
            reach += following.get(entry.entry_hash, ())
            rejected = _rejected(entry, entries, fork)
            if entry.actor in owners and rejected:
                yield Act(entry.entry_hash, branch, rejected)


def _rejected(entry: LogEntry, entries: Mapping[EntryHash, LogEntry], fork: Fork) -> frozenset[EntryHash]:
    match entry.change:
        case Resolve(rejected):
            return frozenset(rejected)
        case Remove(person):
            return frozenset(found for found in fork.continuations if entries[found].actor == person)
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
