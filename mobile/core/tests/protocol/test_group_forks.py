"""Who can settle a fork, and who cannot go back to a past that suits them better."""

from itertools import permutations

import pytest
from handshaker_core.protocol.groups.change import (
    Add,
    ChangeSettings,
    Leave,
    Remove,
    Resolve,
    Role,
    SetRole,
    TransferOwnership,
    UpdateDevices,
)
from handshaker_core.protocol.groups.errors import NotAllowed, NotAMember
from handshaker_core.protocol.groups.ids import EntryHash
from handshaker_core.protocol.groups.log import GroupLog
from handshaker_core.protocol.groups.log_entry import LogEntry

from .group_people import ALICE, BOB, CAROL, DAVE, MALLORY, Person, entry, history, log_of, seed


def rename(name: str) -> ChangeSettings:
    return ChangeSettings(seed(name))


def group() -> list[LogEntry]:
    """Alice owns; Bob and Mallory are admins, Carol is a member."""
    return history(
        (ALICE, Add(BOB.public)),
        (ALICE, Add(CAROL.public)),
        (ALICE, Add(MALLORY.public)),
        (ALICE, SetRole(BOB.public, Role.ADMIN)),
        (ALICE, SetRole(MALLORY.public, Role.ADMIN)),
    )


def after(previous: LogEntry, *steps: tuple[Person, object], device: int = 0) -> list[LogEntry]:
    """Further entries in a row."""
    made = [previous]
    for actor, change in steps:
        made.append(entry(made[-1], actor, change, device=device))
    return made[1:]


def receive(log: GroupLog, *entries: LogEntry) -> GroupLog:
    for one in entries:
        log = log.receive(one)
    return log


def rejecting(*entries: LogEntry) -> Resolve:
    return Resolve(tuple(sorted(made.entry_hash for made in entries)))


def tip(log: GroupLog) -> EntryHash | None:
    """The last entry in force; None during a fork."""
    return log.path[-1] if log.fork is None else None


def test_nobody_else_settles_a_fork() -> None:
    entries = group()
    one, other = entry(entries[-1], BOB, Add(DAVE.public)), entry(entries[-1], MALLORY, rename("x"))
    forked = receive(log_of(entries), one, other)
    for actor in (BOB, CAROL):
        with pytest.raises(NotAllowed):
            forked.receive(entry(one, actor, rejecting(other)))
    # An owner that only one side of the fork knows cannot settle it either.
    promoted = entry(entries[-1], ALICE, SetRole(BOB.public, Role.OWNER))
    by_bob = entry(promoted, BOB, rejecting(other))
    forked = receive(log_of(entries), promoted, other, by_bob)
    assert forked.fork is not None
    assert forked.receive(entry(promoted, ALICE, rejecting(other))).fork is not None  # beside Bob's
    assert forked.receive(entry(promoted, ALICE, rejecting(other, by_bob))).fork is None
    unrelated = receive(log_of(entries), one, other, entry(one, ALICE, Resolve((EntryHash(seed("x")),))))
    assert unrelated.fork is not None
    assert receive(log_of(entries), one, other, entry(one, ALICE, rejecting(other))).fork is None


def test_removal_by_an_owner_rejects_what_the_removed_wrote_beside() -> None:
    """Else anybody who ever was a member could stop the group for good."""
    entries = group()
    honest, removal, later = after(entries[-1], (BOB, rename("x")), (ALICE, Remove(MALLORY.public)), (BOB, rename("y")))
    backdated = [entry(entries[3], MALLORY, Leave()), entry(entries[-1], MALLORY, rename("z"))]
    with pytest.raises(NotAMember):
        log_of(entries).receive(backdated[1]).receive(entry(entries[0], MALLORY, Leave()))
    backdated[0] = entry(entries[-2], MALLORY, Leave())
    for order in permutations((honest, removal, later, *backdated)):
        log = receive(log_of(entries), *order)
        assert tip(log) == later.entry_hash
        assert set(log.given_up) == set(backdated)
    # What others wrote beside is a conflict all the same, and so is what somebody wrote whom an admin removed.
    assert receive(log_of([*entries, honest, removal]), entry(entries[-1], CAROL, Leave())).fork is not None
    by_admin = entry(honest, BOB, Remove(CAROL.public))
    assert receive(log_of([*entries, honest, by_admin]), entry(entries[-1], CAROL, Leave())).fork is not None


def test_a_removal_says_nothing_about_the_history_in_which_it_stands() -> None:
    """Bob wrote what everybody continued; his removal, much later, takes nothing back."""
    entries = group()
    written, removal = after(entries[-1], (BOB, rename("x")), (ALICE, Remove(BOB.public)))
    beside = entry(entries[-1], CAROL, Leave())
    forked = receive(log_of([*entries, written, removal]), beside)
    assert forked.fork is not None
    settled = forked.receive(entry(removal, ALICE, forked.resolution(written.entry_hash)))
    assert settled.path[-3:-1] == (written.entry_hash, removal.entry_hash)


def test_a_concurrent_entry_of_the_removed_does_not_undo_the_removal() -> None:
    entries = group()
    removal, evasion = (
        entry(entries[-1], ALICE, Remove(MALLORY.public)),
        entry(entries[-1], MALLORY, Remove(CAROL.public)),
    )
    for order in ((removal, evasion), (evasion, removal)):
        log = receive(log_of(entries), *order)
        assert tip(log) == removal.entry_hash
        assert CAROL.public in log.state.members


def test_an_admin_cannot_replace_history_by_removing_its_author() -> None:
    entries = group()
    written, later = after(entries[-1], (CAROL, Leave()), (ALICE, SetRole(MALLORY.public, Role.MEMBER)))
    log = log_of([*entries, written, later])
    assert log.receive(entry(entries[-1], MALLORY, Remove(CAROL.public))).fork is not None


def handed_over() -> list[LogEntry]:
    """Alice made Bob the owner, and he removed her."""
    entries = group()
    return entries + after(entries[-1], (ALICE, TransferOwnership(BOB.public)), (BOB, Remove(ALICE.public)))


def test_a_former_owner_cannot_take_the_group_back() -> None:
    entries = handed_over()
    beside = entries[-3]  # when Alice was the only owner
    renamed = after(beside, (ALICE, rename("mine")), (ALICE, rejecting(entries[-2])))
    accomplice = after(
        beside, (ALICE, SetRole(MALLORY.public, Role.OWNER)), (MALLORY, rejecting(entries[-2])), (ALICE, Leave())
    )[:2]
    for attack in (renamed, accomplice):
        forked = receive(log_of(entries), *attack)
        assert forked.fork is not None
        choice = entry(entries[-1], BOB, forked.resolution(entries[-2].entry_hash))
        for order in permutations((*attack, choice)):
            assert tip(receive(log_of(entries), *order)) == choice.entry_hash


def test_an_owner_who_handed_over_twice_leaves_a_group_that_nobody_can_settle() -> None:
    entries = handed_over()
    second = after(entries[-3], (ALICE, TransferOwnership(MALLORY.public)), (MALLORY, rejecting(entries[-2])))
    forked = receive(log_of(entries), *second)
    assert forked.fork is not None
    assert receive(forked, entry(entries[-1], BOB, rejecting(second[0]))).fork == forked.fork
    assert receive(log_of(entries), second[0]).fork is not None


def test_whoever_is_still_an_owner_decides_and_not_the_heirs() -> None:
    entries = group()
    entries += after(entries[-1], (ALICE, SetRole(BOB.public, Role.OWNER)))
    base = entries[-1]
    entries += after(base, (ALICE, TransferOwnership(CAROL.public)))
    beside = entry(base, MALLORY, rename("x"))
    forked = receive(log_of(entries), beside)
    assert receive(forked, entry(entries[-1], CAROL, rejecting(beside))).fork is not None
    assert tip(receive(forked, choice := entry(entries[-1], BOB, rejecting(beside)))) == choice.entry_hash
    assert tip(receive(forked, choice := entry(beside, BOB, rejecting(entries[-1])))) == choice.entry_hash
    assert receive(forked, entry(beside, ALICE, rejecting(entries[-1]))).fork is not None


def test_stepping_down_and_leaving_give_up_the_say_too() -> None:
    for change in (SetRole(ALICE.public, Role.MEMBER), Leave()):
        entries = group()
        entries += after(entries[-1], (ALICE, SetRole(BOB.public, Role.OWNER)))
        base = entries[-1]
        entries += after(base, (ALICE, change))
        attack = after(base, (ALICE, rename("mine")), (ALICE, rejecting(entries[-1])))
        forked = receive(log_of(entries), *attack)
        assert forked.fork is not None
        choice = entry(entries[-1], BOB, forked.resolution(entries[-1].entry_hash))
        assert tip(forked.receive(choice)) == choice.entry_hash


def test_a_withdrawn_device_cannot_go_back_to_when_it_counted() -> None:
    """The thief of Alice's second device writes beside the entry that withdrew it."""
    entries = group()
    base = entries[-1]
    entries += after(base, (ALICE, UpdateDevices(ALICE.devices(0, sequence=2))), (BOB, rename("x")))
    withdrawal = entries[-2]
    older = UpdateDevices(ALICE.devices(1, sequence=1))
    for steps in (
        [(ALICE, rename("mine")), (ALICE, rejecting(withdrawal))],
        [(ALICE, older), (ALICE, rejecting(withdrawal))],
        [(ALICE, Remove(BOB.public))],
    ):
        attack = after(base, *steps, device=1)
        forked = receive(log_of(entries), *attack)
        assert forked.fork is not None
        choice = entry(entries[-1], ALICE, forked.resolution(withdrawal.entry_hash))
        for order in permutations((*attack, choice)):
            assert tip(receive(log_of(entries), *order)) == choice.entry_hash
    current = after(base, (ALICE, rename("y")), (ALICE, rejecting(withdrawal)))  # her first device may
    assert tip(receive(log_of(entries), *current)) == current[-1].entry_hash


def test_a_thief_with_a_withdrawn_device_cannot_give_the_group_away() -> None:
    """A thief's transfer looks like that of an owner who disowns a device afterwards: nobody gets the group by it."""
    entries = group()
    base = entries[-1]
    entries += after(base, (ALICE, UpdateDevices(ALICE.devices(0, sequence=2))))
    stolen = entry(base, ALICE, TransferOwnership(MALLORY.public), device=1)
    taken = entry(stolen, MALLORY, rejecting(entries[-1]))
    assert receive(log_of(entries), stolen, taken).fork is not None


def test_who_gave_a_group_away_cannot_disown_the_device_that_did() -> None:
    entries = group()
    base = entries[-1]
    transfer = entry(base, ALICE, TransferOwnership(BOB.public), device=1)
    disown = UpdateDevices(ALICE.devices(0, sequence=9))
    afterwards = entry(transfer, ALICE, disown)  # in the same history: changes nothing
    beside = after(base, (ALICE, disown), (ALICE, rejecting(transfer)))
    accomplice = after(
        base, (ALICE, disown), (ALICE, TransferOwnership(MALLORY.public)), (MALLORY, rejecting(transfer))
    )
    rename_only = after(base, (ALICE, rename("mine")), (ALICE, rejecting(transfer)))
    for attack in (beside, accomplice, rename_only):
        assert receive(log_of(entries), transfer, afterwards, *attack).fork is not None
        assert receive(log_of(entries), transfer, *attack).fork is not None
    choice = entry(afterwards, BOB, rejecting(rename_only[0]))
    assert tip(receive(log_of(entries), transfer, afterwards, *rename_only, choice)) == choice.entry_hash


def test_withdrawing_a_device_takes_back_nothing_that_it_did_in_the_same_history() -> None:
    entries = group()
    one, other = entry(entries[-1], BOB, rename("x")), entry(entries[-1], MALLORY, rename("y"))
    choice = entry(one, ALICE, rejecting(other), device=1)
    withdrawal = entry(choice, ALICE, UpdateDevices(ALICE.devices(0, sequence=2)))
    assert tip(receive(log_of(entries), one, other, choice, withdrawal)) == withdrawal.entry_hash


def test_the_newest_list_counts_whichever_history_it_is_in() -> None:
    entries = group()
    withdrawal = entry(entries[-1], ALICE, UpdateDevices(ALICE.devices(0, sequence=2)))
    older = UpdateDevices(ALICE.devices(1, sequence=1))
    for time in range(8):  # so that its hash is below and above the other's
        theft = entry(entries[-1], ALICE, older, device=1, time=time)
        attack = [theft, entry(theft, ALICE, rejecting(withdrawal), device=1)]
        choice = entry(withdrawal, ALICE, rejecting(theft, attack[1]))
        assert receive(log_of(entries), withdrawal, *attack).fork is not None
        assert tip(receive(log_of(entries), withdrawal, *attack, choice)) == choice.entry_hash


@pytest.mark.parametrize(("with_it", "without_it", "counts"), [(3, 5, False), (5, 3, True)])
def test_the_newest_of_several_lists_decides(with_it: int, without_it: int, counts: bool) -> None:
    entries = group()
    one = entry(entries[-1], ALICE, UpdateDevices(ALICE.devices(0, 1, sequence=with_it)))
    other = entry(entries[-1], ALICE, UpdateDevices(ALICE.devices(0, sequence=without_it)))
    third = entry(entries[-1], BOB, rename("x"))
    choice = entry(third, ALICE, rejecting(one, other), device=1)
    for order in permutations((one, other, third, choice)):
        assert (receive(log_of(entries), *order).fork is None) is counts


def test_a_list_on_record_before_the_fork_counts_too() -> None:
    entries = group()
    entries += after(entries[-1], (ALICE, UpdateDevices(ALICE.devices(0, 1, sequence=2))))
    base = entries[-1]
    one, other = entry(base, BOB, rename("x")), entry(base, MALLORY, rename("y"))
    forked = receive(log_of(entries), one, other)
    choice = entry(one, ALICE, rejecting(other), device=1)
    assert tip(receive(forked, choice)) == choice.entry_hash
    withdrawn = entry(other, ALICE, UpdateDevices(ALICE.devices(0, sequence=3)))
    assert receive(forked, choice, withdrawn).fork is not None


def test_a_choice_can_be_taken_back_and_the_fork_is_there_again() -> None:
    entries = group()
    one, other = entry(entries[-1], BOB, rename("x")), entry(entries[-1], MALLORY, rename("y"))
    choice = entry(one, ALICE, rejecting(other))
    settled = receive(log_of(entries), one, other, choice)
    assert tip(settled) == choice.entry_hash
    regret = entry(choice, ALICE, rejecting(choice))
    for order in permutations((one, other, choice, regret)):
        assert receive(log_of(entries), *order).fork is not None
    assert tip(receive(settled, entry(choice, ALICE, rename("z")))) is not None
