"""A client's copy of the log: order, forks, an owner's choice, bounds, the store, new members."""

from dataclasses import replace
from itertools import permutations

import pytest
from handshaker_core.errors import MalformedState
from handshaker_core.protocol.groups import log as logs
from handshaker_core.protocol.groups.change import (
    Add,
    ChangeSettings,
    Leave,
    Remove,
    Resolve,
    Role,
    SetRole,
    TransferOwnership,
)
from handshaker_core.protocol.groups.errors import (
    BrokenChain,
    GroupForked,
    MissingEntries,
    NotAllowed,
    NotAMember,
    TooManyBranches,
    WrongGroup,
)
from handshaker_core.protocol.groups.forks import Fork
from handshaker_core.protocol.groups.ids import GroupId
from handshaker_core.protocol.groups.log import GroupLog, verify_history
from handshaker_core.protocol.groups.log_entry import LogEntry

from .group_people import ALICE, BOB, CAROL, DAVE, MALLORY, Person, entry, found, history, log_of, seed


def rename(name: str) -> ChangeSettings:
    return ChangeSettings(seed(name))


def group() -> list[LogEntry]:
    """Alice owns; Bob is admin, Mallory is admin, Carol is member."""
    return history(
        (ALICE, Add(BOB.public)),
        (ALICE, Add(CAROL.public)),
        (ALICE, Add(MALLORY.public)),
        (ALICE, SetRole(BOB.public, Role.ADMIN)),
        (ALICE, SetRole(MALLORY.public, Role.ADMIN)),
    )


def receive(log: GroupLog, *entries: LogEntry) -> GroupLog:
    for one in entries:
        log = log.receive(one)
    return log


def settled(log: GroupLog) -> tuple[object, ...]:
    return log.path, log.tip, log.fork


def test_any_order_and_any_number_of_times() -> None:
    entries = history((ALICE, Add(BOB.public)), (ALICE, Add(CAROL.public)), (BOB, Leave()))
    expected = log_of(entries)
    assert expected.state.epoch == 3
    for order in permutations(entries):
        log = GroupLog(entries[0].group_id)
        for one in order:
            log = log.receive(one)
            assert log.receive(one) is log
        assert settled(log) == settled(expected)
        assert (log.missing, dict(log.waiting)) == (frozenset(), {})


def test_what_is_missing_is_named() -> None:
    entries = group()
    log = GroupLog(entries[0].group_id)
    with pytest.raises(MissingEntries):
        _ = log.state
    log = receive(log, entries[3], entries[4], entries[2])
    assert log.missing == {entries[1].entry_hash}
    log = receive(log, entries[0])
    assert log.state.epoch == 0
    log = receive(log, entries[1])
    assert log.state.epoch == 4
    assert log.missing == frozenset()
    with pytest.raises(MissingEntries):
        log.head_at(5)
    assert log.head_at(4) == entries[4].entry_hash


def test_entries_of_another_group_and_entries_that_are_not_allowed() -> None:
    entries = group()
    log = log_of(entries)
    with pytest.raises(WrongGroup):
        log.receive(found(nonce=1))
    with pytest.raises(NotAMember):
        log.receive(entry(entries[-1], DAVE, rename("x")))
    with pytest.raises(NotAllowed):
        log.receive(entry(entries[-1], CAROL, rename("x")))
    assert log.receive(entry(entries[-1], BOB, rename("x"))).state.epoch == 6


def test_one_that_waited_and_is_not_allowed_is_dropped() -> None:
    entries = group()
    forged = entry(entries[3], CAROL, Add(DAVE.public))
    after_it = entry(forged, ALICE, rename("x"))
    log = receive(GroupLog(entries[0].group_id), forged, after_it, *entries)
    assert settled(log) == settled(log_of(entries))
    assert forged.entry_hash not in log.waiting


def test_an_invalid_one_does_not_keep_others_waiting() -> None:
    entries = group()
    forged = entry(entries[3], CAROL, Add(DAVE.public))
    log = receive(GroupLog(entries[0].group_id), forged, *entries[4:], *entries[:4])
    assert settled(log) == settled(log_of(entries))
    assert dict(log.waiting) == {}


def test_a_removed_member_can_write_no_more() -> None:
    entries = group()
    removed = entry(entries[-1], ALICE, Remove(MALLORY.public))
    log = log_of([*entries, removed])
    for attempt in (rename("x"), Add(DAVE.public), Leave()):
        with pytest.raises(NotAMember):
            log.receive(entry(removed, MALLORY, attempt))
    assert log.receive(entry(removed, BOB, rename("y"))).state.epoch == 7


def test_a_fork_is_found_whatever_comes_first_and_nobody_chooses() -> None:
    entries = group()
    one, other = entry(entries[-1], BOB, Add(DAVE.public)), entry(entries[-1], MALLORY, rename("x"))
    after_one = entry(one, ALICE, rename("y"))
    expected = Fork(5, entries[-1].entry_hash, tuple(sorted((one.entry_hash, other.entry_hash))))
    for order in permutations((one, other, after_one)):
        log = receive(log_of(entries), *order)
        assert log.fork == expected
        assert log.tip == log_of(entries).tip
        assert {found.entry_hash for found in log.given_up} == {found.entry_hash for found in order}
        for refused in (lambda log=log: log.state, log.history):
            with pytest.raises(GroupForked):
                refused()
    assert receive(log_of(entries), one).fork is None


def test_an_entry_that_is_not_allowed_makes_no_fork() -> None:
    entries = group()
    honest = entry(entries[-1], ALICE, rename("x"))
    log = log_of([*entries, honest])
    with pytest.raises(NotAllowed):
        log.receive(entry(entries[-1], CAROL, rename("y")))
    with pytest.raises(NotAMember):
        log.receive(entry(entries[-1], DAVE, Leave()))
    assert log.receive(entry(entries[-1], CAROL, Leave())).fork is not None


def test_an_owner_settles_a_fork() -> None:
    entries = group()
    one, other = entry(entries[-1], BOB, Add(DAVE.public)), entry(entries[-1], MALLORY, rename("x"))
    forked = receive(log_of(entries), one, other)
    choice = entry(one, ALICE, forked.resolution(one.entry_hash))
    following = entry(choice, BOB, rename("y"))
    for order in permutations((one, other, choice, following)):
        log = receive(log_of(entries), *order)
        assert log.fork is None
        assert log.path[-3:] == (one.entry_hash, choice.entry_hash, following.entry_hash)
        assert DAVE.public in log.state.members
        assert log.given_up == (other,)
        assert receive(log, entry(following, BOB, rename("z"))).state.epoch == 9


def test_a_choice_must_name_every_other_history() -> None:
    entries = group()
    three = [entry(entries[-1], person, rename(person.name)) for person in (ALICE, BOB, MALLORY)]
    log = receive(log_of(entries), *three)
    assert log.fork is not None
    partial = receive(log, entry(three[0], ALICE, Resolve((three[1].entry_hash,))))
    assert partial.fork == log.fork
    whole = receive(log, entry(three[0], ALICE, log.resolution(three[0].entry_hash)))
    assert whole.fork is None
    late = entry(entries[-1], CAROL, Leave())
    again = whole.receive(late)
    assert again.fork is not None
    assert set(again.fork.continuations) == {found.entry_hash for found in (*three, late)}


def test_owners_who_contradict_each_other_settle_nothing_until_one_gives_in() -> None:
    entries = [*group()]
    entries.append(entry(entries[-1], ALICE, SetRole(BOB.public, Role.OWNER)))
    one, other = entry(entries[-1], CAROL, Leave()), entry(entries[-1], MALLORY, rename("x"))
    log = receive(log_of(entries), one, other)
    first = entry(one, ALICE, log.resolution(one.entry_hash))
    second = entry(other, BOB, log.resolution(other.entry_hash))
    contradicted = receive(log, first, second)
    assert contradicted.fork == log.fork
    last = entry(first, BOB, contradicted.resolution(one.entry_hash))
    assert isinstance(last.change, Resolve)
    assert set(last.change.rejected) == {other.entry_hash, second.entry_hash}
    for order in permutations((first, second, last)):
        done = receive(log, *order)
        assert done.path[-1] == last.entry_hash
        assert done.fork is None


def test_there_is_no_resolution_without_a_fork() -> None:
    entries = group()
    one, other = entry(entries[-1], BOB, rename("x")), entry(entries[-1], MALLORY, rename("y"))
    with pytest.raises(MissingEntries):
        log_of([*entries, one]).resolution(one.entry_hash)
    forked = receive(log_of(entries), one, other)
    with pytest.raises(MissingEntries):
        forked.resolution(entries[-1].entry_hash)
    assert forked.resolution(one.entry_hash) == Resolve((other.entry_hash,))


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = group()
    monkeypatch.setattr(logs, "MAX_WAITING", 2)
    early = [entry(entries[-1], BOB, rename(str(number))) for number in range(3)]
    log = receive(log_of(entries[:3]), *early)
    assert list(log.waiting) == [early[1].entry_hash, early[2].entry_hash]

    monkeypatch.setattr(logs, "MAX_CONTINUATIONS", 2)
    log = receive(log_of(entries), *early[:2])
    with pytest.raises(TooManyBranches):
        log.receive(early[2])
    settled_log = log.receive(entry(early[0], ALICE, log.resolution(early[0].entry_hash)))
    assert settled_log.fork is None

    monkeypatch.setattr(logs, "MAX_HELD", len(entries) + 2)
    with pytest.raises(TooManyBranches):
        log.receive(entry(early[0], BOB, rename("more")))
    full = log.receive(entry(early[0], ALICE, log.resolution(early[0].entry_hash)))
    assert full.receive(entry(full.history()[-1], BOB, rename("on"))).fork is None


def test_logs_come_back_from_the_store() -> None:
    entries = group()
    one, other = entry(entries[-1], BOB, rename("x")), entry(entries[-1], MALLORY, rename("y"))
    choice = entry(one, ALICE, Resolve((other.entry_hash,)))
    for log in (
        GroupLog(entries[0].group_id),
        log_of(entries),
        receive(log_of(entries), other, one),
        receive(log_of(entries), other, one, choice),
    ):
        restored = GroupLog.from_bytes(log.to_bytes())
        assert settled(restored) == settled(log)
        assert dict(restored.entries) == dict(log.entries)
        data = log.to_bytes()
        for damaged in (b"", data[:-1], data + b"\x00", b"\x02" + data[1:], data[:20]):
            with pytest.raises(MalformedState):
                GroupLog.from_bytes(damaged)
    data = log_of(entries).to_bytes()
    with pytest.raises(MalformedState):
        GroupLog.from_bytes(data[:1] + seed("other") + data[33:])
    not_allowed = GroupLog(entries[0].group_id, {found.entry_hash: found for found in group()}, path=())
    stranger = entry(entries[-1], DAVE, Leave())
    with pytest.raises(MalformedState):
        GroupLog.from_bytes(
            replace(not_allowed, entries={**not_allowed.entries, stranger.entry_hash: stranger}).to_bytes()
        )
    incomplete = GroupLog(entries[0].group_id, {found.entry_hash: found for found in entries[1:]})
    with pytest.raises(MalformedState):
        GroupLog.from_bytes(incomplete.to_bytes())
    twice = log_of(entries).to_bytes()
    count = len(entries).to_bytes(4, "big")
    again = len(entries[0].encode()).to_bytes(2, "big") + entries[0].encode()
    with pytest.raises(MalformedState):
        GroupLog.from_bytes(twice.replace(count, (len(entries) + 1).to_bytes(4, "big"), 1) + again)


def test_waiting_entries_are_asked_for_again_after_a_restart() -> None:
    entries = group()
    log = receive(log_of(entries[:3]), entries[4])
    restored = GroupLog.from_bytes(log.to_bytes())
    assert restored.missing == frozenset()
    assert restored.state.epoch == 2
    assert receive(restored, entries[4], entries[3]).state.epoch == 4


def test_a_new_member_verifies_the_history_that_the_invitation_names() -> None:
    entries = group()
    group_id, head = entries[0].group_id, entries[-1].entry_hash
    log = verify_history(group_id, 5, head, log_of(entries).history())
    assert settled(log) == settled(log_of(entries))
    assert verify_history(group_id, 3, entries[3].entry_hash, entries).state.epoch == 5
    with pytest.raises(MissingEntries):
        verify_history(group_id, 5, head, entries[:-1])
    with pytest.raises(MissingEntries):
        verify_history(group_id, 3, entries[3].entry_hash, [*entries[:4], entries[5]])
    other = [*entries[:5], entry(entries[4], ALICE, rename("x"))]
    with pytest.raises(BrokenChain):
        verify_history(group_id, 5, head, other)
    with pytest.raises(GroupForked):
        verify_history(group_id, 5, head, [*entries, other[-1]])
    with pytest.raises(WrongGroup):
        verify_history(GroupId(seed("other")), 5, head, entries)
    with pytest.raises(NotAMember):
        verify_history(group_id, 5, head, [*entries, entry(entries[-1], DAVE, Leave())])


def test_ownership_can_be_handed_on() -> None:
    entries = group()
    entries.append(entry(entries[-1], ALICE, TransferOwnership(BOB.public)))
    entries.append(entry(entries[-1], BOB, Remove(ALICE.public)))
    log = log_of(entries)
    assert log.state.owners == {BOB.public}
    with pytest.raises(NotAMember):
        log.receive(entry(entries[-1], ALICE, Remove(BOB.public)))
    assert log.receive(entry(entries[-1], BOB, Add(Person("erin").public))).state.epoch == 8
