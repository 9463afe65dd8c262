"""Entries: what was signed is read, anything else is refused."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from handshaker_core.errors import BadSignature, MalformedDevice, ProtocolError, UnsupportedVersion, WrongIdentity
from handshaker_core.protocol.device import CERTIFICATE_SIZE
from handshaker_core.protocol.groups.change import (
    MAX_REJECTED,
    Add,
    Change,
    ChangeSettings,
    Create,
    Kind,
    Leave,
    Remove,
    Resolve,
    Role,
    SetRole,
    TransferOwnership,
    UpdateDevices,
)
from handshaker_core.protocol.groups.errors import MalformedGroupEntry, WrongGroup
from handshaker_core.protocol.groups.ids import NO_ENTRY, EntryHash
from handshaker_core.protocol.groups.log_entry import LogEntry
from handshaker_core.protocol.labels import Label
from handshaker_core.protocol.wire import u8, u16, u32, u64

from .group_people import ALICE, BOB, CAROL, entry, found, seed
from .parties import flip

CHANGES: list[Change] = [
    Add(BOB.public),
    Remove(BOB.public),
    Leave(),
    *(SetRole(BOB.public, role) for role in Role),
    TransferOwnership(BOB.public),
    ChangeSettings(seed("name")),
    UpdateDevices(ALICE.devices(0, 1)),
    Resolve((EntryHash(seed(1)),)),
    Resolve(tuple(sorted(EntryHash(seed(number)) for number in range(MAX_REJECTED)))),
]
CHANGE_AT = 1 + 32 + 4 + 32 + CERTIFICATE_SIZE + 8


def signed(content: bytes) -> bytes:
    """Any content, signed by Alice's device as entries are."""
    return content + ALICE.device().key.sign(Label.GROUP_LOG_SIGNATURE, content)


def with_change(kind: int, body: bytes) -> bytes:
    place = u8(1) + found().group_id + u32(1) + found().entry_hash
    return signed(place + ALICE.device().certificate.encode() + u64(9) + u8(kind) + u16(len(body)) + body)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: type(change).__name__)
def test_every_kind_comes_back(change: Change) -> None:
    written = entry(found(), ALICE, change)
    read = LogEntry.decode(written.encode())
    assert read == written
    assert read.change == change
    assert read.entry_hash == written.entry_hash
    assert read.actor == ALICE.public
    assert len(read.encode()) < 2_048
    assert written.encode()[CHANGE_AT] == change.kind


def test_every_kind_of_change_is_in_the_list_above() -> None:
    assert {change.kind for change in CHANGES} | {Kind.CREATE} == set(Kind)
    assert 0 not in set(Kind)


def test_a_creation_names_its_group() -> None:
    creation = found()
    assert LogEntry.decode(creation.encode()) == creation
    assert creation.previous == NO_ENTRY
    assert creation.sequence == 0
    assert creation.group_id != found(nonce=1).group_id
    assert creation.group_id != found(BOB).group_id


def test_a_creation_under_the_id_of_another_group_is_refused() -> None:
    data = found().encode()
    content = data[:1] + found(nonce=1).group_id + data[33:-64]
    with pytest.raises(WrongGroup):
        LogEntry.decode(signed(content))
    assert LogEntry.decode(signed(data[:-64])) == found()


@pytest.mark.parametrize("make", [found, lambda: entry(found(), BOB, Add(CAROL.public), device=1)])
def test_every_bit_counts(make: Callable[[], LogEntry]) -> None:
    data = make().encode()
    for position in range(len(data)):
        with pytest.raises(ProtocolError):
            LogEntry.decode(flip(data, position, position % 8))
    for damaged in (b"", data[:-1], data + b"\x00"):
        with pytest.raises(ProtocolError):
            LogEntry.decode(damaged)
    assert LogEntry.decode(data) == make()


def test_the_signature_of_another_device_is_refused() -> None:
    honest = entry(found(), ALICE, Leave())
    with pytest.raises(ValueError, match="another device"):
        LogEntry.append(found(), ALICE.device(0).certificate, ALICE.device(1).key, time=1, change=Leave())
    content = honest.encode()[:-64]
    for signer in (ALICE.device(1), BOB.device()):
        with pytest.raises(BadSignature):
            LogEntry.decode(content + signer.key.sign(Label.GROUP_LOG_SIGNATURE, content))
    with pytest.raises(BadSignature):
        LogEntry.decode(content + ALICE.device().key.sign(Label.GROUP_MESSAGE_SIGNATURE, content))
    assert LogEntry.decode(signed(content)) == honest


def test_a_device_that_the_person_did_not_certify_is_refused() -> None:
    """Mallory's device claims to be Alice's."""
    honest = entry(found(), ALICE, Leave())
    stranger = BOB.device()
    forged = replace(honest.certificate, device_key=stranger.key.public)
    content = replace(honest, certificate=forged).encode()[:-64]
    with pytest.raises(BadSignature):
        LogEntry.decode(content + stranger.key.sign(Label.GROUP_LOG_SIGNATURE, content))
    assert LogEntry.decode(honest.encode()) == honest


def test_the_hash_covers_everything_but_the_signature() -> None:
    written = entry(found(), ALICE, Leave())
    assert replace(written, signature=bytes(64)).entry_hash == written.entry_hash
    others = [
        entry(found(), ALICE, Leave(), time=2_001),
        entry(found(), ALICE, Leave(), device=1),
        entry(found(), BOB, Leave()),
        entry(found(), ALICE, Add(BOB.public)),
        entry(written, ALICE, Leave()),
        entry(found(nonce=1), ALICE, Leave()),
    ]
    assert len({other.entry_hash for other in (written, *others)}) == len(others) + 1


def test_changes_of_a_wrong_form_are_refused() -> None:
    person = BOB.public.raw
    one, two = sorted((seed(1), seed(2)))
    too_many = b"".join(sorted(seed(number) for number in range(MAX_REJECTED + 1)))
    wrong = [
        (Kind.ADD, person[:-1]),
        (Kind.ADD, person + b"\x00"),
        (Kind.LEAVE, b"\x00"),
        (Kind.SET_ROLE, person),
        (Kind.SET_ROLE, person + b"\x00"),
        (Kind.SET_ROLE, person + b"\x04"),
        (Kind.SETTINGS, bytes(31)),
        (Kind.RESOLVE, b""),
        (Kind.RESOLVE, one + two[:-1]),
        (Kind.RESOLVE, two + one),
        (Kind.RESOLVE, one + one),
        (Kind.RESOLVE, too_many),
    ]
    for kind, body in wrong:
        with pytest.raises(MalformedGroupEntry):
            LogEntry.decode(with_change(kind, body))
    assert LogEntry.decode(with_change(Kind.ADD, person)).change == Add(BOB.public)
    assert LogEntry.decode(with_change(Kind.RESOLVE, one + two)).change == Resolve((EntryHash(one), EntryHash(two)))


def test_a_kind_that_is_not_known_cannot_be_enforced() -> None:
    for kind in (0, max(Kind) + 1, 255):
        with pytest.raises(UnsupportedVersion):
            LogEntry.decode(with_change(kind, b""))
    content = u8(2) + found().encode()[1:-64]
    with pytest.raises(UnsupportedVersion):
        LogEntry.decode(signed(content))


def test_device_lists_inside_are_verified() -> None:
    listed = ALICE.devices(0, 1).encode()
    assert LogEntry.decode(with_change(Kind.DEVICES, listed)).change == UpdateDevices(ALICE.devices(0, 1))
    with pytest.raises(BadSignature):
        LogEntry.decode(with_change(Kind.DEVICES, flip(listed, -1)))
    with pytest.raises(MalformedDevice):
        LogEntry.decode(with_change(Kind.DEVICES, listed[:-1]))
    with pytest.raises(WrongIdentity):
        LogEntry.decode(with_change(Kind.DEVICES, listed[:1] + BOB.public.raw + listed[33:]))


def test_only_the_first_entry_creates() -> None:
    create = Create(seed("nonce"), seed("settings"))
    later = entry(found(), ALICE, create)
    with pytest.raises(MalformedGroupEntry):
        LogEntry.decode(later.encode())
    place = u8(1) + found().group_id + u32(0) + NO_ENTRY
    leave = place + ALICE.device().certificate.encode() + u64(9) + u8(Kind.LEAVE) + u16(0)
    with pytest.raises(MalformedGroupEntry):
        LogEntry.decode(signed(leave))
    unchained = u8(1) + found().group_id + u32(1) + NO_ENTRY + leave[1 + 32 + 4 + 32 :]
    with pytest.raises(MalformedGroupEntry):
        LogEntry.decode(signed(unchained))
    chained = u8(1) + found().group_id + u32(1) + found().entry_hash + leave[1 + 32 + 4 + 32 :]
    assert LogEntry.decode(signed(chained)).change == Leave()
