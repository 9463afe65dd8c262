"""Sessions from first contact on, as the client drives them."""

from contextlib import suppress
from dataclasses import replace

import pytest
from handshaker_core.errors import (
    ContentTooLarge,
    DuplicateMessage,
    MalformedFrame,
    MalformedState,
    NoSendingChain,
    PaddingError,
    ProtocolError,
    ReplayedHandshake,
    UndecryptableMessage,
    UnknownPreKey,
    UnsupportedVersion,
    WrongIdentity,
)
from handshaker_core.protocol import double_ratchet
from handshaker_core.protocol import session as sessions
from handshaker_core.protocol.bundle import generate_device_keys
from handshaker_core.protocol.frame import (
    MAX_PLAINTEXT_INITIAL,
    MAX_PLAINTEXT_RATCHET_LARGE,
    MAX_PLAINTEXT_RATCHET_SMALL,
    Frame,
    FrameSize,
    FrameType,
    prefix,
)
from handshaker_core.protocol.keys import SharedSecret
from handshaker_core.protocol.profile import HANDSHAKER_V1
from handshaker_core.protocol.randomness import system_randomness
from handshaker_core.protocol.session import SessionState
from hypothesis import given, settings
from hypothesis import strategies as st

from .parties import Device, connect, flip

ALICE, BOB = connect()


def first_contact(one_time: int = 1) -> tuple[Device, Device, SessionState, bytes]:
    alice, bob = Device.create(), Device.create(one_time)
    session, _ = sessions.initiate(alice.identity, bob.verified_bundle())
    session, frame = sessions.encrypt(session, b"hello")
    return alice, bob, session, frame


_, INITIAL_BOB, _, INITIAL_FRAME = first_contact()


@pytest.mark.parametrize("one_time", [0, 1])
def test_first_contact_both_ways(one_time: int) -> None:
    alice, bob, a, frame = first_contact(one_time)
    assert a.awaiting_answer
    initial = bob.open(frame)
    assert initial.claimed_identity == alice.identity.public
    accepted = bob.accept(frame)
    b = accepted.session
    assert accepted.plaintext == b"hello"
    assert b.handshake_id == a.handshake_id == initial.handshake_id
    assert (b.peer_identity, b.local_identity) == (alice.identity.public, bob.identity.public)
    assert (a.peer_identity, a.local_identity) == (bob.identity.public, alice.identity.public)
    b, answer = sessions.encrypt(b, b"welcome")
    a, plaintext = sessions.decrypt(a, answer)
    assert plaintext == b"welcome"
    assert not a.awaiting_answer
    a, frame = sessions.encrypt(a, b"now small")
    assert Frame.decode(frame).type is FrameType.RATCHET
    assert sessions.decrypt(b, frame)[1] == b"now small"


def test_initiate_tells_what_protection_the_first_message_has() -> None:
    alice = Device.create()
    with_keys, without = Device.create(1), Device.create(0)
    _, handshake = sessions.initiate(alice.identity, with_keys.verified_bundle())
    assert (handshake.last_resort, handshake.one_time_prekey_id) == (False, 1)
    _, handshake = sessions.initiate(alice.identity, without.verified_bundle())
    assert (handshake.last_resort, handshake.one_time_prekey_id) == (True, None)


def test_any_one_of_the_initial_frames_starts_the_session_and_the_others_follow() -> None:
    _, bob, a, lost = first_contact()
    a, second = sessions.encrypt(a, b"second")
    a, third = sessions.encrypt(a, b"third")
    b = bob.accept(third).session
    for frame, expected in ((lost, b"hello"), (second, b"second")):
        initial = bob.open(frame)
        assert initial.handshake_id == b.handshake_id
        b, plaintext = sessions.decrypt_initial(b, initial)
        assert plaintext == expected
        with pytest.raises(DuplicateMessage):
            sessions.decrypt_initial(b, initial)
        with pytest.raises(UnknownPreKey):
            bob.accept(frame)


def test_repeated_first_contact_is_refused_whichever_keys_it_used() -> None:
    _, bob, _, frame = first_contact(1)
    bob.accept(frame)
    with pytest.raises(UnknownPreKey):
        bob.accept(frame)
    _, bob, _, frame = first_contact(0)
    bob.accept(frame)
    with pytest.raises(ReplayedHandshake):
        bob.accept(frame)


def test_initial_frame_opens_only_on_the_right_device() -> None:
    _, bob, _, frame = first_contact()
    other = Device.create()
    with pytest.raises(UndecryptableMessage):
        other.open(frame)
    with pytest.raises(UndecryptableMessage):  # the recipient's identity is bound, not only its seal key
        sessions.open_initial(other.identity.public, bob.keys.seal, frame)
    assert bob.open(frame)


def test_server_never_sees_an_identity_in_an_initial_frame() -> None:
    alice, bob, a, frame = first_contact()
    assert len(frame) == FrameSize.LARGE
    for public in (alice.identity.public, bob.identity.public):
        assert public.raw not in frame
        assert public.x25519.raw not in frame
    assert a.ratchet.ratchet.own.public.raw not in frame
    _, again = sessions.encrypt(a, b"hello")
    shared = {frame[at : at + 16] for at in range(2, len(frame), 16)} & {
        again[at : at + 16] for at in range(2, len(again), 16)
    }
    assert not shared  # two initial frames of one session have nothing in common


@settings(max_examples=40, deadline=None)
@given(st.integers(2, FrameSize.LARGE - 1), st.integers(0, 7))
def test_an_altered_initial_frame_is_refused_and_consumes_nothing(position: int, bit: int) -> None:
    frame = INITIAL_FRAME
    with pytest.raises(ProtocolError):
        INITIAL_BOB.accept(flip(frame, position, bit))
    assert (set(INITIAL_BOB.ec), set(INITIAL_BOB.kem), INITIAL_BOB.uses) == ({1}, {1}, set())
    assert sessions.accept(INITIAL_BOB.identity, INITIAL_BOB, INITIAL_BOB.open(frame)).plaintext == b"hello"


def test_an_inner_message_under_another_handshake_is_refused() -> None:
    """Mallory seals Alice's ratchet message, or claims to be Alice, under a handshake of its own."""
    alice, bob, _, frame = first_contact(3)
    mallory = Device.create()
    initial = bob.open(frame)
    own, handshake = sessions.initiate(mallory.identity, bob.verified_bundle())
    _, own_frame = sessions.encrypt(own, b"from mallory")
    swapped = replace(initial, handshake=handshake)
    claimed = replace(bob.open(own_frame), handshake=replace(handshake, identity_key=alice.identity.public))
    for forged in (swapped, claimed):
        with pytest.raises(UndecryptableMessage):
            sessions.accept(bob.identity, bob, forged)
    accepted = bob.accept(own_frame)
    assert accepted.session.peer_identity == mallory.identity.public
    with pytest.raises(WrongIdentity):
        sessions.decrypt_initial(accepted.session, initial)


def test_frames_of_the_wrong_type_are_refused() -> None:
    _, bob, a, frame = first_contact()
    with pytest.raises(MalformedFrame):
        sessions.decrypt(a, frame)
    b = bob.accept(frame).session
    _, answer = sessions.encrypt(b, b"x")
    with pytest.raises(MalformedFrame):
        bob.open(answer)
    initial_as_ratchet = Frame(FrameType.RATCHET, frame[2:]).encode()
    with pytest.raises(ProtocolError):
        sessions.decrypt(b, initial_as_ratchet)


def test_a_ratchet_message_is_bound_to_its_frame_type() -> None:
    """The inner message of an initial frame is no ratchet frame, though keys and header are right."""
    _, bob, a, frame = first_contact()
    b = bob.accept(frame).session
    padded = b"text\x80".ljust(MAX_PLAINTEXT_RATCHET_LARGE + 1, b"\0")
    data = a.associated_data + prefix(FrameType.SEALED_INITIAL)
    _, message = double_ratchet.encrypt(HANDSHAKER_V1, a.ratchet, padded, data, system_randomness)
    with pytest.raises(UndecryptableMessage):
        sessions.decrypt(b, Frame(FrameType.RATCHET, message).encode())
    data = a.associated_data + prefix(FrameType.RATCHET)
    _, message = double_ratchet.encrypt(HANDSHAKER_V1, a.ratchet, padded, data, system_randomness)
    assert sessions.decrypt(b, Frame(FrameType.RATCHET, message).encode())[1] == b"text"


def test_authenticated_content_without_padding_is_refused_and_changes_nothing() -> None:
    data = ALICE.associated_data + prefix(FrameType.RATCHET)
    for bad in (bytes(MAX_PLAINTEXT_RATCHET_SMALL + 1), b"x" * (MAX_PLAINTEXT_RATCHET_SMALL + 1)):
        _, message = double_ratchet.encrypt(HANDSHAKER_V1, ALICE.ratchet, bad, data, system_randomness)
        with pytest.raises(PaddingError):
            sessions.decrypt(BOB, Frame(FrameType.RATCHET, message).encode())


def test_capacities_are_exact() -> None:
    assert sessions.max_plaintext(ALICE, FrameSize.SMALL) == MAX_PLAINTEXT_RATCHET_SMALL
    for length, size in (
        (0, FrameSize.SMALL),
        (MAX_PLAINTEXT_RATCHET_SMALL, FrameSize.SMALL),
        (MAX_PLAINTEXT_RATCHET_SMALL + 1, FrameSize.LARGE),
        (sessions.max_plaintext(ALICE), FrameSize.LARGE),
    ):
        _, frame = sessions.encrypt(ALICE, b"x" * length)
        assert len(frame) == size
        assert sessions.decrypt(BOB, frame)[1] == b"x" * length
    with pytest.raises(ContentTooLarge) as caught:
        sessions.encrypt(ALICE, bytes(MAX_PLAINTEXT_RATCHET_LARGE + 1))
    assert caught.value.maximum == MAX_PLAINTEXT_RATCHET_LARGE
    with pytest.raises(ContentTooLarge) as caught:
        sessions.encrypt(ALICE, bytes(MAX_PLAINTEXT_RATCHET_SMALL + 1), size=FrameSize.SMALL)
    assert caught.value.maximum == MAX_PLAINTEXT_RATCHET_SMALL
    _, large = sessions.encrypt(ALICE, b"forced", size=FrameSize.LARGE)
    assert len(large) == FrameSize.LARGE


def test_capacities_of_initial_frames_are_exact() -> None:
    _, bob, a, _ = first_contact()
    assert sessions.max_plaintext(a) == MAX_PLAINTEXT_INITIAL
    assert sessions.max_plaintext(a, FrameSize.SMALL) == 0
    _, frame = sessions.encrypt(a, b"x" * MAX_PLAINTEXT_INITIAL)
    assert bob.accept(frame).plaintext == b"x" * MAX_PLAINTEXT_INITIAL
    for content, size, maximum in ((bytes(MAX_PLAINTEXT_INITIAL + 1), None, MAX_PLAINTEXT_INITIAL), (b"", 2_048, 0)):
        with pytest.raises(ContentTooLarge) as caught:
            sessions.encrypt(a, content, size=None if size is None else FrameSize(size))
        assert caught.value.maximum == maximum


def test_responder_cannot_send_before_it_has_received() -> None:
    blank = double_ratchet.respond(SharedSecret(bytes(32)), Device.create().keys.signed_prekey.pair)
    with pytest.raises(NoSendingChain):
        sessions.encrypt(replace(BOB, ratchet=blank), b"x")


def test_linked_devices_of_one_identity_can_talk() -> None:
    phone = Device.create(0)
    keys = generate_device_keys(phone.identity, signed_prekey_id=1, last_resort_id=1)
    desk = Device(phone.identity, keys, {}, {})
    a, _ = sessions.initiate(phone.identity, desk.verified_bundle())
    _, frame = sessions.encrypt(a, b"note to self")
    assert desk.accept(frame).plaintext == b"note to self"


@pytest.mark.parametrize("which", ["initial", "initiator", "responder"])
def test_stored_sessions_go_on_where_they_were(which: str) -> None:
    _, bob, a, frame = first_contact()
    if which == "initial":
        a = SessionState.from_bytes(a.to_bytes())
        a, frame = sessions.encrypt(a, b"hello")
        assert bob.accept(frame).plaintext == b"hello"
        return
    one, other = (ALICE, BOB) if which == "initiator" else (BOB, ALICE)
    restored = SessionState.from_bytes(one.to_bytes())
    assert restored == one
    _, frame = sessions.encrypt(restored, b"after restart")
    assert sessions.decrypt(other, frame)[1] == b"after restart"
    _, frame = sessions.encrypt(other, b"to restarted")
    assert sessions.decrypt(restored, frame)[1] == b"to restarted"


def test_stored_sessions_are_parsed_strictly() -> None:
    _, _, pending, _ = first_contact()
    for session in (ALICE, pending):
        data = session.to_bytes()
        assert SessionState.from_bytes(data) == session
        for bad in (b"", data[:-1], data + b"\0", data[:200] + data[201:]):
            with pytest.raises(ProtocolError):
                SessionState.from_bytes(bad)
        for version in (b"\x00\x01", b"\x02\x01", b"\x01\x02"):
            with pytest.raises(UnsupportedVersion):
                SessionState.from_bytes(version + data[2:])
    flag = 2 + 32 + 32 + 32 + 100
    data = ALICE.to_bytes()
    assert data[flag] == 0
    with pytest.raises(MalformedState):
        SessionState.from_bytes(data[:flag] + b"\x02" + data[flag + 1 :])


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 7), st.integers(0, 2_000))
def test_damaged_stored_sessions_raise_only_protocol_errors(position: int, bit: int, cut: int) -> None:
    data = ALICE.to_bytes()
    for damaged in (flip(data, position, bit), data[:cut]):
        with suppress(ProtocolError):
            assert SessionState.from_bytes(damaged) != ALICE or damaged == data


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([2_048, 16_384]), st.binary(max_size=80))
def test_arbitrary_frames_raise_only_protocol_errors(size: int, start: bytes) -> None:
    frame = (b"\x01\x02" + start).ljust(size, b"\x55")
    with pytest.raises(ProtocolError):
        sessions.decrypt(BOB, frame)
    with pytest.raises(ProtocolError):
        INITIAL_BOB.open(b"\x01\x01" + frame[2:])
