"""When a sender key changes and who is given it, by messages, time, members and devices."""

import pytest
from handshaker_core.errors import MalformedState
from handshaker_core.protocol.groups import group_cipher
from handshaker_core.protocol.groups.change import Add, Leave, Resolve, UpdateDevices
from handshaker_core.protocol.groups.errors import (
    MissingEntries,
    NotAMember,
    RevokedDevice,
    RotationDue,
    StaleEpoch,
    UnknownSenderKey,
)
from handshaker_core.protocol.groups.ids import GroupDevice
from handshaker_core.protocol.groups.rotation import (
    MAX_AGE_SECONDS,
    MAX_MESSAGES,
    OwnSenderKey,
    RotationReason,
    outstanding,
    rotation_due,
)

from .group_clients import NOW, Client, append, clients, rename, trio
from .group_people import ALICE, BOB, CAROL, DAVE, MALLORY, entry, log_of


def test_nothing_is_encrypted_before_everybody_was_given_the_key() -> None:
    alice, bob = clients(ALICE, BOB)
    alice.distribute(bob)
    joined = entry(alice.entries[-1], ALICE, Add(DAVE.public))
    append([joined], alice, bob)
    with pytest.raises(RotationDue):
        alice.send(b"too early")
    assert outstanding(alice.view, alice.own) == {DAVE.device().address}
    assert alice.distribute().rotated is None
    assert bob.read(alice, alice.send(b"now")) == b"now"


def test_a_leaving_member_counts_as_removed() -> None:
    alice, bob, carol = clients(ALICE, BOB, CAROL)
    alice.distribute(bob, carol)
    append([entry(alice.entries[-1], CAROL, Leave())], alice, bob)
    assert rotation_due(alice.view, alice.own, NOW) is RotationReason.READER_LEFT


def test_a_removed_device_reads_nothing_more() -> None:
    tablet = Client(BOB.device(1), trio())
    alice, bob = clients(ALICE, BOB)
    for client in (alice, bob, tablet):
        client.lists = (ALICE.devices(0), BOB.devices(0, 1), CAROL.devices(0))
    result = alice.distribute(bob, tablet)
    assert len(result.distributions) == 3
    message = alice.send(b"both")
    assert [client.read(alice, message) for client in (bob, tablet)] == [b"both"] * 2
    tablet.distribute(alice, bob)
    assert bob.read(tablet, tablet.send(b"mine")) == b"mine"

    late = tablet.send(b"late")
    for client in (alice, bob):
        client.lists = (ALICE.devices(0), BOB.devices(0, sequence=2), CAROL.devices(0))
    result = alice.distribute(bob, tablet)
    assert result.rotated is RotationReason.READER_LEFT
    assert BOB.device(1).address not in {given.recipient for given in result.distributions}
    secret = alice.send(b"secret")
    assert bob.read(alice, secret) == b"secret"
    with pytest.raises(UnknownSenderKey):
        tablet.read(alice, secret)
    for client in (alice, bob):
        with pytest.raises(RevokedDevice):
            client.read(tablet, late)
    tablet.lists = bob.lists
    with pytest.raises(RevokedDevice):
        tablet.distribute(alice)


def test_a_device_list_on_record_counts_when_it_is_newer() -> None:
    alice, bob = clients(ALICE, BOB)
    for client in (alice, bob):
        client.lists = (ALICE.devices(0), BOB.devices(0, 1), CAROL.devices(0))
    bob.distribute(alice)
    stale = bob.send(b"stale")
    assert BOB.device(1).address in alice.view.readers
    append([entry(alice.entries[-1], BOB, UpdateDevices(BOB.devices(0, sequence=2)))], alice, bob)
    assert BOB.device(1).address not in alice.view.readers
    with pytest.raises(StaleEpoch):
        alice.read(bob, stale)
    alice.lists = (ALICE.devices(0), BOB.devices(0, 2, sequence=3), CAROL.devices(0))
    assert BOB.device(2).address in alice.view.readers
    assert alice.view.readers == {found.address for found in (BOB.device(0), BOB.device(2), CAROL.device())}


def test_members_without_a_known_device_list_are_named_and_cannot_speak() -> None:
    alice, bob = clients(ALICE, BOB)
    bob.distribute(alice)
    message = bob.send(b"x")
    alice.lists = (ALICE.devices(0), CAROL.devices(0))
    assert alice.view.without_devices == {BOB.public}
    assert alice.view.readers == {CAROL.device().address}
    with pytest.raises(RevokedDevice):
        alice.read(bob, message)
    alice.lists = (*alice.lists, BOB.devices(0))
    assert alice.view.without_devices == frozenset()
    assert alice.read(bob, message) == b"x"


def test_a_key_lasts_500_messages() -> None:
    alice, bob = clients(ALICE, BOB)
    alice.distribute(bob)
    view, own = alice.view, alice.own
    for _ in range(MAX_MESSAGES):
        own, message = group_cipher.encrypt(view, own, b"x", now=NOW)
    assert MAX_MESSAGES == 500
    assert rotation_due(view, own, NOW) is RotationReason.MESSAGES
    with pytest.raises(RotationDue):
        group_cipher.encrypt(view, own, b"x", now=NOW)
    alice.own = own
    assert alice.distribute(bob).rotated is RotationReason.MESSAGES
    assert bob.read(alice, alice.send(b"on")) == b"on"
    assert bob.read(alice, message) == b"x"  # late messages of the chain before can still be read


@pytest.mark.parametrize(
    ("age", "due"), [(0, False), (MAX_AGE_SECONDS - 1, False), (MAX_AGE_SECONDS, True), (-1, True)]
)
def test_a_key_lasts_7_days(age: int, due: bool) -> None:
    alice, bob = clients(ALICE, BOB)
    alice.distribute(bob)
    assert MAX_AGE_SECONDS == 604_800
    assert (rotation_due(alice.view, alice.own, NOW + age) is RotationReason.AGE) is due
    if due:
        with pytest.raises(RotationDue):
            alice.send(b"x", now=NOW + age)
        assert alice.distribute(bob, now=NOW + age).rotated is RotationReason.AGE
    assert bob.read(alice, alice.send(b"x", now=NOW + age)) == b"x"


def test_other_changes_do_not_rotate_and_epochs_may_differ() -> None:
    alice, bob = clients(ALICE, BOB)
    alice.distribute(bob)
    earlier = alice.send(b"earlier")
    renamed = entry(alice.entries[-1], ALICE, rename("x"))
    append([renamed], alice)
    assert rotation_due(alice.view, alice.own, NOW) is None
    later = alice.send(b"later")
    with pytest.raises(MissingEntries):
        bob.read(alice, later)
    append([renamed], bob)
    assert [bob.read(alice, later), bob.read(alice, earlier)] == [b"later", b"earlier"]
    bob.distribute(alice)
    alice.entries.pop()
    with pytest.raises(MissingEntries):
        alice.take(bob, group_cipher.distribute(bob.view, None, now=NOW).distributions[0].content)


def test_a_device_that_lost_its_keys_is_given_them_again() -> None:
    alice, bob = clients(ALICE, BOB)
    alice.distribute(bob)
    bob.records.clear()
    with pytest.raises(UnknownSenderKey):
        bob.read(alice, alice.send(b"lost"))
    again = group_cipher.distribute_again(alice.view, alice.own, BOB.device().address)
    assert again.recipient == BOB.device().address
    bob.take(alice, again.content)
    assert bob.read(alice, alice.send(b"again")) == b"again"
    joined = entry(alice.entries[-1], ALICE, Add(DAVE.public))
    append([joined], alice)
    with pytest.raises(RotationDue):
        group_cipher.distribute_again(alice.view, alice.own, DAVE.device().address)
    with pytest.raises(NotAMember):
        group_cipher.distribute_again(alice.view, alice.own, MALLORY.device().address)


def test_own_sender_keys_come_back_from_the_store() -> None:
    alice, bob = clients(ALICE, BOB)
    alice.distribute(bob)
    alice.send(b"x")
    data = alice.own.to_bytes()
    assert OwnSenderKey.from_bytes(data) == alice.own
    assert len(alice.own.holders) == 2
    for damaged in (b"", data[:-1], data + b"\x00", b"\x02" + data[1:]):
        with pytest.raises(MalformedState):
            OwnSenderKey.from_bytes(damaged)
    assert "redacted" in repr(alice.own)
    for damaged in (b"", BOB.device().address.encode()[:-1], BOB.device().address.encode() + b"\x00"):
        with pytest.raises(MalformedState):
            GroupDevice.decode(damaged)
    assert GroupDevice.decode(BOB.device().address.encode()) == BOB.device().address
    assert log_of(alice.entries).state.digest == alice.view.log.state.digest


def test_a_key_of_a_history_that_was_given_up_is_replaced() -> None:
    """Bob went further in the one history than the other is long."""
    bob = clients(BOB)[0]
    base = bob.entries[-1]
    given_up = [entry(base, ALICE, rename("x"))]
    for name in ("y", "z"):
        given_up.append(entry(given_up[-1], ALICE, rename(name)))
    kept = entry(base, ALICE, rename("kept"))
    choice = entry(kept, ALICE, Resolve((given_up[0].entry_hash,)))
    append(given_up, bob)
    bob.distribute()
    assert rotation_due(bob.view, bob.own, NOW) is None
    append([kept, choice], bob)
    assert bob.view.log.state.epoch == 4
    assert bob.own is not None
    assert bob.own.key.epoch == 5
    assert rotation_due(bob.view, bob.own, NOW) is RotationReason.HISTORY_CHANGED
    assert bob.distribute().own.key.epoch == 4
