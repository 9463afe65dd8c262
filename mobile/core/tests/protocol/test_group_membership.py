"""Who may do what: the table of docs/protocol/groups.md, and what never happens whoever tries."""

import pytest
from handshaker_core.protocol.groups import membership
from handshaker_core.protocol.groups.change import (
    Add,
    Change,
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
    GroupError,
    GroupFull,
    LastOwner,
    NotAllowed,
    NotAMember,
    NothingToChange,
    RevokedDevice,
    StaleEntry,
    WrongGroup,
)
from handshaker_core.protocol.groups.ids import EntryHash
from handshaker_core.protocol.groups.log_entry import LogEntry
from handshaker_core.protocol.groups.membership import MAX_DEVICE_UPDATES, Member, MembershipState, apply

from .group_people import ALICE, BOB, CAROL, DAVE, MALLORY, Person, entry, found, history, seed

OWNER, ADMIN, MEMBER = Role.OWNER, Role.ADMIN, Role.MEMBER
SECOND_OWNER, SECOND_ADMIN, SECOND_MEMBER = Person("owner"), Person("admin"), Person("member")
OUTSIDER = Person("outsider")


def state_of(entries: list[LogEntry]) -> MembershipState:
    state = None
    for one in entries:
        state = apply(state, one)
    assert state is not None
    return state


def everybody() -> list[LogEntry]:
    """Alice and another owner, Bob and another admin, Carol and another member; Dave was removed."""
    added = (BOB, CAROL, DAVE, SECOND_OWNER, SECOND_ADMIN, SECOND_MEMBER)
    return history(
        *((ALICE, Add(person.public)) for person in added),
        (ALICE, SetRole(BOB.public, ADMIN)),
        (ALICE, SetRole(SECOND_ADMIN.public, ADMIN)),
        (ALICE, SetRole(SECOND_OWNER.public, OWNER)),
        (BOB, Remove(DAVE.public)),
    )


ACTORS = {"owner": ALICE, "admin": BOB, "member": CAROL, "removed": DAVE, "outsider": OUTSIDER}
SETTINGS = ChangeSettings(seed("another name"))
RESOLVE = Resolve((EntryHash(seed("rejected")),))
REFUSED = (NotAllowed, NotAMember)
TABLE: list[tuple[str, Change, str]] = [
    # change, who may
    ("add", Add(OUTSIDER.public), "owner admin"),
    ("remove an owner", Remove(SECOND_OWNER.public), ""),
    ("remove an admin", Remove(SECOND_ADMIN.public), "owner"),
    ("remove a member", Remove(SECOND_MEMBER.public), "owner admin"),
    ("leave", Leave(), "owner admin member"),
    ("make a member admin", SetRole(SECOND_MEMBER.public, ADMIN), "owner"),
    ("make a member owner", SetRole(SECOND_MEMBER.public, OWNER), "owner"),
    ("make an admin owner", SetRole(SECOND_ADMIN.public, OWNER), "owner"),
    ("make an admin member", SetRole(SECOND_ADMIN.public, MEMBER), "owner"),
    ("make an owner admin", SetRole(SECOND_OWNER.public, ADMIN), ""),
    ("make an owner member", SetRole(SECOND_OWNER.public, MEMBER), ""),
    ("transfer to a member", TransferOwnership(SECOND_MEMBER.public), "owner"),
    ("transfer to an admin", TransferOwnership(SECOND_ADMIN.public), "owner"),
    ("settings", SETTINGS, "owner admin"),
    ("resolve", RESOLVE, "owner"),
]


@pytest.mark.parametrize(("change", "allowed"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
@pytest.mark.parametrize("role", list(ACTORS))
def test_who_may_do_what(role: str, change: Change, allowed: str) -> None:
    entries = everybody()
    before = state_of(entries)
    attempt = entry(entries[-1], ACTORS[role], change)
    if role in allowed.split():
        after = apply(before, attempt)
        assert after.epoch == before.epoch + 1
        assert after.head == attempt.entry_hash
    else:
        with pytest.raises(REFUSED):
            apply(before, attempt)
    assert apply(before, entry(entries[-1], ALICE, SETTINGS))


def test_a_new_group() -> None:
    creation = found()
    state = state_of([creation])
    assert (state.group_id, state.epoch, state.head) == (creation.group_id, 0, creation.entry_hash)
    assert (state.readers_left, state.settings_hash) == (0, seed("settings"))
    assert dict(state.members) == {ALICE.public: Member(OWNER, joined=0)}


def test_what_each_change_does() -> None:
    entries = everybody()
    state = state_of(entries)
    assert state.member(ALICE.public) == Member(OWNER, joined=0)
    assert state.member(BOB.public) == Member(ADMIN, joined=1)
    assert state.owners == {ALICE.public, SECOND_OWNER.public}
    assert DAVE.public not in state.members
    assert state.readers_left == state.epoch == 10

    def after(actor: Person, change: Change) -> MembershipState:
        return apply(state, entry(entries[-1], actor, change))

    added = after(BOB, Add(OUTSIDER.public))
    assert added.member(OUTSIDER.public) == Member(MEMBER, joined=11)
    assert added.readers_left == 10
    removed = after(BOB, Remove(CAROL.public))
    assert CAROL.public not in removed.members
    assert removed.readers_left == 11
    left = after(CAROL, Leave())
    assert CAROL.public not in left.members
    assert left.readers_left == 11
    transferred = after(ALICE, TransferOwnership(CAROL.public))
    assert transferred.member(CAROL.public).role is OWNER
    assert transferred.member(ALICE.public).role is ADMIN
    assert after(BOB, SETTINGS).settings_hash == seed("another name")
    promoted = after(ALICE, SetRole(CAROL.public, ADMIN))
    assert promoted.member(CAROL.public) == Member(ADMIN, joined=2)
    resolved = after(ALICE, RESOLVE)
    assert (resolved.members, resolved.readers_left, resolved.epoch) == (state.members, 10, 11)


def test_stepping_down_is_allowed_to_all_but_the_last_owner() -> None:
    entries = everybody()
    state = state_of(entries)
    for actor, role in ((ALICE, ADMIN), (ALICE, MEMBER), (BOB, MEMBER)):
        after = apply(state, entry(entries[-1], actor, SetRole(actor.public, role)))
        assert after.member(actor.public).role is role
    for actor, role in ((BOB, OWNER), (CAROL, ADMIN)):
        with pytest.raises(NotAllowed):
            apply(state, entry(entries[-1], actor, SetRole(actor.public, role)))


def test_the_last_owner_stays_until_there_is_another() -> None:
    entries = history((ALICE, Add(BOB.public)))
    state = state_of(entries)
    for change in (Leave(), SetRole(ALICE.public, ADMIN), SetRole(ALICE.public, MEMBER)):
        with pytest.raises(LastOwner):
            apply(state, entry(entries[-1], ALICE, change))
    entries.append(entry(entries[-1], ALICE, TransferOwnership(BOB.public)))
    entries.append(entry(entries[-1], ALICE, Leave()))
    assert state_of(entries).owners == {BOB.public}
    with pytest.raises(LastOwner):
        apply(state_of(entries), entry(entries[-1], BOB, Leave()))


def test_changes_that_change_nothing_are_refused() -> None:
    entries = everybody()
    state = state_of(entries)
    nothing: list[tuple[Person, Change, type[GroupError]]] = [
        (ALICE, SetRole(BOB.public, ADMIN), NothingToChange),
        (ALICE, TransferOwnership(SECOND_OWNER.public), NothingToChange),
        (ALICE, TransferOwnership(ALICE.public), NothingToChange),
        (ALICE, ChangeSettings(seed("settings")), NothingToChange),
        (ALICE, Add(CAROL.public), AlreadyMember),
        (ALICE, Add(ALICE.public), AlreadyMember),
        (ALICE, Remove(DAVE.public), NotAMember),
        (ALICE, Remove(ALICE.public), NotAllowed),
        (ALICE, SetRole(DAVE.public, ADMIN), NotAMember),
        (ALICE, TransferOwnership(OUTSIDER.public), NotAMember),
    ]
    for actor, change, error in nothing:
        with pytest.raises(error):
            apply(state, entry(entries[-1], actor, change))


def test_an_entry_must_continue_the_history_it_is_applied_to() -> None:
    entries = everybody()
    state = state_of(entries)
    following = entry(entries[-1], ALICE, SETTINGS)
    with pytest.raises(StaleEntry):
        apply(state, entries[-1])
    with pytest.raises(StaleEntry):
        apply(state, entry(entries[-2], ALICE, SETTINGS))
    with pytest.raises(StaleEntry):
        apply(state, found())
    with pytest.raises(BrokenChain):
        apply(state, entry(following, ALICE, Add(OUTSIDER.public)))
    with pytest.raises(BrokenChain):
        apply(state, entry(entry(entries[-2], ALICE, SETTINGS), ALICE, Add(OUTSIDER.public)))
    with pytest.raises(BrokenChain):
        apply(state, entry(entries[-1], ALICE, Create(seed("n"), seed("s"))))
    with pytest.raises(BrokenChain):
        apply(None, entries[1])
    with pytest.raises(WrongGroup):
        apply(state, entry(found(nonce=1), ALICE, SETTINGS))
    assert apply(state, following).epoch == following.sequence


def test_who_was_removed_may_be_added_again() -> None:
    entries = everybody()
    entries.append(entry(entries[-1], ALICE, Add(DAVE.public)))
    assert state_of(entries).member(DAVE.public) == Member(MEMBER, joined=11)
    entries.append(entry(entries[-1], DAVE, Leave()))
    assert DAVE.public not in state_of(entries).members


def test_a_device_list_on_record_decides_which_devices_may_write() -> None:
    entries = history((ALICE, Add(BOB.public)))
    assert apply(state_of(entries), entry(entries[-1], ALICE, SETTINGS, device=1))
    entries.append(entry(entries[-1], ALICE, UpdateDevices(ALICE.devices(0, 2, sequence=5))))
    state = state_of(entries)
    assert state.member(ALICE.public).devices == ALICE.devices(0, 2, sequence=5)
    for device in (0, 2):
        assert apply(state, entry(entries[-1], ALICE, SETTINGS, device=device))
    with pytest.raises(RevokedDevice):
        apply(state, entry(entries[-1], ALICE, SETTINGS, device=1))
    with pytest.raises(RevokedDevice):  # not even to bring an older list back
        apply(state, entry(entries[-1], ALICE, UpdateDevices(ALICE.devices(0, 2, sequence=9)), device=1))
    for sequence in (4, 5):
        with pytest.raises(NothingToChange):
            apply(state, entry(entries[-1], ALICE, UpdateDevices(ALICE.devices(0, 1, sequence=sequence))))
    with pytest.raises(NotAllowed):
        apply(state, entry(entries[-1], BOB, UpdateDevices(ALICE.devices(0, sequence=9))))
    with pytest.raises(RevokedDevice):
        apply(state, entry(entries[-1], BOB, UpdateDevices(BOB.devices(1))))
    linked = entry(entries[-1], ALICE, UpdateDevices(ALICE.devices(0, 2, 3, sequence=6)), device=3)
    assert apply(state, linked).member(ALICE.public).device_updates == 2


def test_a_device_key_under_a_known_id_is_another_device() -> None:
    entries = history((ALICE, UpdateDevices(ALICE.devices(0))))
    imitation = Person("alice").device(1)
    same_id = type(imitation.certificate).issue(
        ALICE.identity,
        device_id=ALICE.device(0).certificate.device_id,
        device_key=imitation.key.public,
        bundle_id=imitation.certificate.bundle_id,
        issued_at=1,
    )
    with pytest.raises(RevokedDevice):
        apply(state_of(entries), LogEntry.append(entries[-1], same_id, imitation.key, time=1, change=SETTINGS))
    assert apply(state_of(entries), entry(entries[-1], ALICE, SETTINGS))


def test_a_device_that_goes_is_a_reader_that_leaves() -> None:
    entries = history((ALICE, Add(BOB.public)))
    for numbers, sequence, left in (((0, 1), 1, 2), ((0, 1, 2), 2, 2), ((0, 2), 3, 4), ((0, 2), 4, 4)):
        change = UpdateDevices(ALICE.devices(*numbers, sequence=sequence))
        entries.append(entry(entries[-1], ALICE, change))
        assert state_of(entries).readers_left == left


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(membership, "MAX_MEMBERS", 3)
    entries = history((ALICE, Add(BOB.public)), (ALICE, Add(CAROL.public)))
    with pytest.raises(GroupFull):
        apply(state_of(entries), entry(entries[-1], ALICE, Add(DAVE.public)))
    entries.append(entry(entries[-1], ALICE, Remove(CAROL.public)))
    entries.append(entry(entries[-1], ALICE, Add(DAVE.public)))
    monkeypatch.setattr(membership, "MAX_ENTRIES", 10)
    monkeypatch.setattr(membership, "RESERVED_ENTRIES", 4)
    entries.append(entry(entries[-1], ALICE, SETTINGS))
    for change in (ChangeSettings(seed("more")), Add(MALLORY.public), UpdateDevices(ALICE.devices(0))):
        with pytest.raises(GroupFull):
            apply(state_of(entries), entry(entries[-1], ALICE, change))
    for change in (SetRole(BOB.public, OWNER), Remove(DAVE.public), RESOLVE, Leave()):
        entries.append(entry(entries[-1], ALICE, change))
    assert state_of(entries).epoch == 9
    for change in (Add(DAVE.public), RESOLVE):
        with pytest.raises(GroupFull):
            apply(state_of(entries), entry(entries[-1], BOB, change))


def test_one_member_cannot_fill_the_log_with_device_lists() -> None:
    entries = history((ALICE, Add(BOB.public)))
    for sequence in range(1, MAX_DEVICE_UPDATES + 1):
        entries.append(entry(entries[-1], BOB, UpdateDevices(BOB.devices(0, sequence=sequence))))
    state = state_of(entries)
    with pytest.raises(GroupFull):
        apply(state, entry(entries[-1], BOB, UpdateDevices(BOB.devices(0, sequence=1_000))))
    assert apply(state, entry(entries[-1], ALICE, UpdateDevices(ALICE.devices(0))))


def test_the_digest_tells_states_apart() -> None:
    entries = everybody()
    states = [state_of(entries[:length]) for length in range(1, len(entries) + 1)]
    states.append(apply(states[-1], entry(entries[-1], ALICE, SETTINGS)))
    states.append(apply(states[-2], entry(entries[-1], ALICE, UpdateDevices(ALICE.devices(0)))))
    digests = {state.digest for state in states}
    assert len(digests) == len(states)
    assert all(len(digest) == 32 for digest in digests)
    assert state_of(everybody()).digest == state_of(everybody()).digest
