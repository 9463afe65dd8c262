"""Messages of a group: who reads what before and after joining, removal, a fork; whose words they are."""

import pytest
from handshaker_core.errors import BadSignature, DuplicateMessage
from handshaker_core.protocol.groups import group_cipher
from handshaker_core.protocol.groups.change import Add, Leave, Remove, Resolve
from handshaker_core.protocol.groups.errors import (
    ConflictingSenderKey,
    ForkedHistory,
    GroupForked,
    NotAMember,
    RotationDue,
    StaleEpoch,
    UnknownSenderKey,
    WrongGroup,
)
from handshaker_core.protocol.groups.rotation import (
    OwnSenderKey,
    RotationReason,
    rotation_due,
)
from handshaker_core.protocol.groups.sender_key import SenderKeyRecord

from .group_clients import NOW, Client, append, clients, rename, trio
from .group_people import ALICE, BOB, CAROL, DAVE, entry, history


def test_everybody_reads_everybody() -> None:
    group = clients(ALICE, BOB, CAROL)
    for sender in group:
        others = [client for client in group if client is not sender]
        result = sender.distribute(*others)
        assert {given.recipient for given in result.distributions} == {client.device.address for client in others}
        assert result.rotated is RotationReason.FIRST
        for number in range(3):
            message = sender.send(b"%d" % number)
            assert len(message) == 1 + 125
            assert [client.read(sender, message) for client in others] == [b"%d" % number] * 2
            with pytest.raises(DuplicateMessage):
                others[0].read(sender, message)
    again = group[0].distribute(*group[1:])
    assert (again.rotated, again.distributions) == (None, ())


def test_a_joiner_reads_on_from_the_same_chain_and_nothing_before() -> None:
    alice, bob, dave = clients(ALICE, BOB, DAVE)
    alice.distribute(bob)
    before = alice.send(b"before")
    joined = entry(alice.entries[-1], ALICE, Add(DAVE.public))
    append([joined], alice, bob, dave)
    result = alice.distribute(bob, dave)
    assert result.rotated is None
    assert [given.recipient for given in result.distributions] == [DAVE.device().address]
    after = alice.send(b"after")
    assert dave.read(alice, after) == b"after"
    with pytest.raises(DuplicateMessage):
        dave.read(alice, before)
    assert [bob.read(alice, after), bob.read(alice, before)] == [b"after", b"before"]


def test_after_a_removal_the_removed_reads_nothing_and_is_read_no_more() -> None:
    alice, bob, carol = group = clients(ALICE, BOB, CAROL)
    for client in group:
        client.distribute(*(other for other in group if other is not client))
    last_before = carol.send(b"last words")
    in_flight = bob.send(b"before bob knew")
    assert alice.read(bob, bob.send(b"before")) == b"before"
    removal = entry(alice.entries[-1], ALICE, Remove(CAROL.public))
    append([removal], alice, bob)

    assert rotation_due(alice.view, alice.own, NOW) is RotationReason.READER_LEFT
    with pytest.raises(RotationDue):
        alice.send(b"with the old key")
    result = alice.distribute(bob, carol)
    assert result.rotated is RotationReason.READER_LEFT
    assert [given.recipient for given in result.distributions] == [BOB.device().address]
    secret = alice.send(b"secret")
    assert bob.read(alice, secret) == b"secret"
    with pytest.raises(UnknownSenderKey):  # as she would, even with a client that ignores the log
        group_cipher.sender_key.decrypt(
            group_cipher.PROFILE, carol.records[ALICE.device().address], group_cipher.PROFILE.framing.split(secret), b""
        )
    with pytest.raises(NotAMember):
        alice.read(carol, last_before)
    with pytest.raises(StaleEpoch):
        alice.read(bob, in_flight)
    append([removal], carol)
    with pytest.raises(NotAMember):
        carol.distribute(alice, bob)
    with pytest.raises(NotAMember):
        carol.send(b"still here")
    with pytest.raises(NotAMember):
        group_cipher.distribute_again(alice.view, alice.own, CAROL.device().address)
    bob.distribute(alice)
    assert alice.read(bob, bob.send(b"again")) == b"again"


def test_a_chain_from_before_a_removal_is_refused_even_in_a_new_epoch() -> None:
    """Bob's client forgets to rotate: what it sends could be read by who was removed."""
    alice, bob = clients(ALICE, BOB)
    bob.distribute(alice)
    removal = entry(alice.entries[-1], ALICE, Remove(CAROL.public))
    append([removal], alice, bob)
    state = bob.view.log.state
    associated = bob.device.address.encode() + state.head
    _, careless = group_cipher.sender_key.encrypt(group_cipher.PROFILE, bob.own.key, state.epoch, b"x", associated)
    with pytest.raises(StaleEpoch):
        alice.read(bob, careless)
    address = bob.device.address
    assert len(alice.records[address].chains) == 1
    assert group_cipher.forget_stale(alice.view, alice.records[address]).chains == ()
    bob.distribute(alice)
    assert [chain.epoch for chain in group_cipher.forget_stale(alice.view, alice.records[address]).chains] == [3]
    assert alice.read(bob, bob.send(b"y")) == b"y"


def test_a_distribution_from_before_a_removal_is_refused() -> None:
    alice, bob = clients(ALICE, BOB)
    result = bob.distribute()
    removal = entry(alice.entries[-1], ALICE, Remove(CAROL.public))
    append([removal], alice)
    stale = next(given.content for given in result.distributions if given.recipient == alice.device.address)
    with pytest.raises(StaleEpoch):
        alice.take(bob, stale)
    append([removal], bob)
    bob.distribute(alice)
    assert alice.read(bob, bob.send(b"x")) == b"x"


def test_a_message_belongs_to_one_sender_one_group_and_one_history() -> None:
    alice, bob, carol = clients(ALICE, BOB, CAROL)
    alice.distribute(bob, carol)
    bob.distribute(carol)
    message = alice.send(b"x")
    carol.records[BOB.device().address] = carol.records[ALICE.device().address]  # as if the key were Bob's
    with pytest.raises(BadSignature):
        carol.read(bob, message)
    other = Client(CAROL.device(), history((ALICE, Add(BOB.public)), (ALICE, Add(CAROL.public)), nonce=1))
    other.records = dict(carol.records)
    with pytest.raises(WrongGroup):
        other.read(alice, message)
    forked = Client(CAROL.device(), [*trio()[:2], entry(trio()[1], ALICE, Add(CAROL.public), time=3)])
    forked.records = dict(carol.records)
    with pytest.raises(ForkedHistory):
        forked.read(alice, message)
    with pytest.raises(ForkedHistory):
        forked.take(alice, group_cipher.distribute_again(alice.view, alice.own, CAROL.device().address).content)
    assert carol.read(alice, message) == b"x"


def test_the_history_between_key_and_message_counts_too() -> None:
    alice, bob = clients(ALICE, BOB)
    alice.distribute(bob)
    append([entry(alice.entries[-1], ALICE, rename("x"))], alice)
    append([entry(bob.entries[-1], ALICE, rename("y"))], bob)
    message = alice.send(b"x")
    with pytest.raises(BadSignature):
        bob.read(alice, message)
    bob.entries[-1] = alice.entries[-1]
    assert bob.read(alice, message) == b"x"


def test_a_member_cannot_pass_on_anothers_key_as_its_own() -> None:
    alice, bob, carol = clients(ALICE, BOB, CAROL)
    given = alice.distribute(bob).distributions
    stolen = next(found.content for found in given if found.recipient == BOB.device().address)
    with pytest.raises(BadSignature):
        carol.take(bob, stolen)
    carol.take(alice, stolen)
    assert carol.read(alice, alice.send(b"x")) == b"x"


def test_a_second_key_under_the_same_id_is_refused() -> None:
    def made(fill: int) -> OwnSenderKey:
        """A key whose id is 3 and whose secrets are all the same byte."""
        rng = lambda size: bytes(3) + b"\x07" if size == 4 else bytes([fill]) * size  # noqa: E731
        return group_cipher.distribute(alice.view, None, now=NOW, rng=rng).own

    alice, bob = clients(ALICE, BOB)
    address = BOB.device().address
    first, second = made(1), made(2)
    assert first.key.chain_id == second.key.chain_id == 3
    bob.take(alice, group_cipher.distribute_again(alice.view, first, address).content)
    with pytest.raises(ConflictingSenderKey):
        bob.take(alice, group_cipher.distribute_again(alice.view, second, address).content)
    alice.own = first
    assert bob.read(alice, alice.send(b"x")) == b"x"


def test_during_a_fork_nothing_is_sent_or_read_and_afterwards_keys_of_the_other_history_are_gone() -> None:
    alice, bob = clients(ALICE, BOB)
    base = alice.entries[-1]
    one, other = entry(base, ALICE, rename("x")), entry(base, CAROL, Leave())
    append([other], alice, bob)
    given = bob.distribute(alice).distributions[0].content
    message = bob.send(b"x")
    before = bob.own
    append([one], alice, bob)
    for attempt in (
        lambda: alice.read(bob, message),
        lambda: alice.take(bob, given),
        lambda: bob.send(b"y"),
        lambda: bob.distribute(alice),
        lambda: group_cipher.forget_stale(alice.view, SenderKeyRecord()),
    ):
        with pytest.raises(GroupForked):
            attempt()
    choice = entry(one, ALICE, Resolve((other.entry_hash,)))
    append([choice], alice, bob)
    assert CAROL.public in bob.view.log.state.members
    with pytest.raises(ForkedHistory):
        alice.read(bob, message)
    assert bob.own == before
    result = bob.distribute(alice)
    assert result.rotated is RotationReason.HISTORY_CHANGED
    assert alice.read(bob, bob.send(b"z")) == b"z"


def test_keys_made_before_a_rejoin_are_not_used() -> None:
    alice, bob = clients(ALICE, BOB)
    bob.distribute(alice)
    old = bob.send(b"old")
    steps = [entry(alice.entries[-1], ALICE, Remove(BOB.public))]
    steps.append(entry(steps[-1], ALICE, Add(BOB.public)))
    append(steps, alice, bob)
    with pytest.raises(StaleEpoch):
        alice.read(bob, old)
    assert bob.distribute(alice).rotated is RotationReason.READER_LEFT
    assert alice.read(bob, bob.send(b"new")) == b"new"
