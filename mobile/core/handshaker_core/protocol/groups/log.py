"""A client's copy of a group's log: entries in any order, forks detected, never settled by chance.

What a log says depends only on the set of valid entries in it, not on the order in which they came. A client takes
entries only from devices of members, so that a fork always has somebody who brought it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from handshaker_core.errors import MalformedState, ProtocolError
from handshaker_core.protocol.groups.change import Resolve
from handshaker_core.protocol.groups.errors import BrokenChain, GroupForked, MissingEntries, TooManyBranches, WrongGroup
from handshaker_core.protocol.groups.forks import Fork, acts_of_owners, walk
from handshaker_core.protocol.groups.ids import HASH_SIZE, NO_ENTRY, EntryHash, GroupId
from handshaker_core.protocol.groups.log_entry import LogEntry
from handshaker_core.protocol.groups.membership import MAX_ENTRIES, MembershipState, apply
from handshaker_core.protocol.wire import Reader, u8, u16, u32

MAX_WAITING = 256
"""Entries kept whose predecessor has not arrived; beyond it the oldest are dropped, and must be sent again."""

MAX_CONTINUATIONS = 16
"""Entries kept with one predecessor."""

MAX_HELD = MAX_ENTRIES + 256
"""Entries kept in all; whatever continues the history in force, and an owner's choice, is taken beyond it."""

_LOG_VERSION = 1


@dataclass(frozen=True, slots=True)
class GroupLog:
    """The log of one group. Immutable; `receive` gives a new one.

    Attributes:
        entries: every entry whose history is complete and valid, in the order of arrival.
        waiting: entries whose predecessor is missing; nothing is known about them but their signatures.
        path: hashes of the history in force, by sequence. With a fork it ends at the last entry all agree on.
        fork: None, or what has to be settled first.
        tip: the state at the end of `path`; None before the creation.
    """

    group_id: GroupId
    entries: Mapping[EntryHash, LogEntry] = field(default_factory=dict, repr=False)
    waiting: Mapping[EntryHash, LogEntry] = field(default_factory=dict, repr=False)
    path: tuple[EntryHash, ...] = field(default=(), repr=False)
    fork: Fork | None = None
    tip: MembershipState | None = field(default=None, repr=False)

    @property
    def state(self) -> MembershipState:
        """The state in force.

        Raises:
            MissingEntries: the creation has not arrived.
            GroupForked: see `fork`; `tip` is what all agree on.
        """
        if self.fork is not None:
            raise GroupForked
        if self.tip is None:
            raise MissingEntries
        return self.tip

    @property
    def missing(self) -> frozenset[EntryHash]:
        """Entries to ask others for: predecessors of those that wait."""
        wanted = frozenset(entry.previous for entry in self.waiting.values())
        return wanted - self.entries.keys() - self.waiting.keys()

    @property
    def given_up(self) -> tuple[LogEntry, ...]:
        """Valid entries that are not in force: of rejected histories, or of all conflicting ones during a fork."""
        in_force = frozenset(self.path)
        return tuple(entry for found, entry in self.entries.items() if found not in in_force)

    def head_at(self, epoch: int) -> EntryHash:
        """Hash of the entry in force with that sequence. Raises: MissingEntries."""
        if epoch >= len(self.path):
            raise MissingEntries
        return self.path[epoch]

    def receive(self, entry: LogEntry) -> "GroupLog":
        """The log with an entry; itself if the entry is known.

        An entry that arrives early waits. One that waited and turns out to be invalid is dropped.

        Raises:
            WrongGroup: of another group.
            TooManyBranches: see the limits of this module.
            GroupError: the entry is not allowed where it stands, see `membership.apply`.
        """
        if entry.group_id != self.group_id:
            raise WrongGroup
        if entry.entry_hash in self.entries or entry.entry_hash in self.waiting:
            return self
        if entry.previous != NO_ENTRY and entry.previous not in self.entries:
            newest = [*self.waiting.items(), (entry.entry_hash, entry)][-MAX_WAITING:]
            return replace(self, waiting=dict(newest))
        return _take_waiting(_accept(self, entry), entry.entry_hash)

    def history(self) -> tuple[LogEntry, ...]:
        """What a new member is given: the history in force, from the creation on. Raises: GroupForked."""
        if self.fork is not None:
            raise GroupForked
        return tuple(self.entries[entry_hash] for entry_hash in self.path)

    def resolution(self, chosen: EntryHash) -> Resolve:
        """What an owner has to append to the history that begins with `chosen` in order to settle the fork.

        Raises:
            MissingEntries: there is no fork, or `chosen` is not part of it.
        """
        if self.fork is None or chosen not in self.fork.continuations:
            raise MissingEntries
        others = {found for found in self.fork.continuations if found != chosen}
        contrary = {act.entry_hash for act in acts_of_owners(self.entries, self.fork, self.tip) if act.branch in others}
        return Resolve(tuple(sorted(others | contrary)))

    def to_bytes(self) -> bytes:
        """Versioned bytes for the encrypted store: u8 version || group id || u32 count || (u16 length || entry)*.

        The history in force comes first. Entries that wait are not stored; they are asked for again.
        """
        in_force = [self.entries[entry_hash] for entry_hash in self.path]
        encoded = [entry.encode() for entry in (*in_force, *self.given_up)]
        return u8(_LOG_VERSION) + self.group_id + u32(len(encoded)) + b"".join(u16(len(e)) + e for e in encoded)

    @classmethod
    def from_bytes(cls, data: bytes) -> "GroupLog":
        """Read what `to_bytes` wrote: signatures are verified, and the history in force is applied again.

        Raises:
            MalformedState: it is damaged.
        """
        reader = Reader(data, MalformedState)
        if reader.u8() != _LOG_VERSION:
            raise MalformedState
        group_id, count = GroupId(reader.take(HASH_SIZE)), reader.u32()
        entries: dict[EntryHash, LogEntry] = {}
        try:
            for _ in range(count):
                entry = LogEntry.decode(reader.take(reader.u16()))
                if entry.group_id != group_id or (entry.previous != NO_ENTRY and entry.previous not in entries):
                    raise MalformedState
                entries[entry.entry_hash] = entry
            path, tip, fork = walk(entries)
        except ProtocolError:
            raise MalformedState from None
        reader.end()
        if len(entries) != count:
            raise MalformedState
        return cls(group_id, entries, path=path, tip=tip, fork=fork)

    @classmethod
    def replay(cls, group_id: GroupId, entries: Iterable[LogEntry]) -> "GroupLog":
        """The log that several entries make. Raises: as `receive`."""
        log = cls(group_id)
        for entry in entries:
            log = log.receive(entry)
        return log


def verify_history(group_id: GroupId, epoch: int, head: EntryHash, entries: Iterable[LogEntry]) -> GroupLog:
    """What a new member does with the history it was given, and the names of it that its invitation carries.

    Raises:
        MissingEntries: the history ends before the entry that the invitation names, or misses one in between.
        BrokenChain: it is another history than the one that the invitation names.
        GroupForked: it is more than one.
        GroupError: an entry of it was not allowed.
    """
    log = GroupLog.replay(group_id, entries)
    if log.fork is not None:
        raise GroupForked
    if log.waiting:
        raise MissingEntries
    if log.head_at(epoch) != head:
        raise BrokenChain
    return log


def _accept(log: GroupLog, entry: LogEntry) -> GroupLog:
    """Take up an entry whose predecessor is here."""
    last = log.path[-1] if log.path else NO_ENTRY
    continues = entry.previous == last and log.fork is None
    if continues and len(log.path) == len(log.entries):
        tip = apply(log.tip, entry)
        return replace(log, entries=_with(log.entries, entry), path=(*log.path, entry.entry_hash), tip=tip)
    apply(_state_at(log.entries, entry.previous), entry)
    if not continues and not isinstance(entry.change, Resolve):
        siblings = sum(other.previous == entry.previous for other in log.entries.values())
        if siblings >= MAX_CONTINUATIONS or len(log.entries) >= MAX_HELD:
            raise TooManyBranches
    entries = _with(log.entries, entry)
    path, tip_state, fork = walk(entries)
    return replace(log, entries=entries, path=path, tip=tip_state, fork=fork)


def _take_waiting(log: GroupLog, arrived: EntryHash) -> GroupLog:
    """Take up the entries that waited for one, and those that waited for them."""
    arrivals = [arrived]
    while arrivals:
        previous = arrivals.pop()
        for entry in [found for found in log.waiting.values() if found.previous == previous]:
            others = {found: other for found, other in log.waiting.items() if found != entry.entry_hash}
            log = replace(log, waiting=others)
            try:
                log = _accept(log, entry)
            except ProtocolError:
                continue
            arrivals.append(entry.entry_hash)
    return log


def _state_at(entries: Mapping[EntryHash, LogEntry], entry_hash: EntryHash) -> MembershipState | None:
    history = []
    while entry_hash != NO_ENTRY:
        history.append(entries[entry_hash])
        entry_hash = history[-1].previous
    state = None
    for entry in reversed(history):
        state = apply(state, entry)
    return state


def _with(entries: Mapping[EntryHash, LogEntry], entry: LogEntry) -> Mapping[EntryHash, LogEntry]:
    return {**entries, entry.entry_hash: entry}
