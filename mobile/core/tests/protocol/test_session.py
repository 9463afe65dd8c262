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
)
from handshaker_core.protocol import double_ratchet, pq_ratchet
from handshaker_core.protocol import session as sessions
from handshaker_core.protocol.frame import FrameSize
from handshaker_core.protocol.keys import SharedSecret
from handshaker_core.protocol.labels import Label
from handshaker_core.protocol.profile import HANDSHAKER_V1
from handshaker_core.protocol.randomness import system_randomness
from handshaker_core.protocol.sealed_sender import Envelope, EnvelopeKind, envelope_data
from handshaker_core.protocol.session import (
    MAX_PLAINTEXT_INITIAL,
    MAX_PLAINTEXT_RATCHET_LARGE,
    MAX_PLAINTEXT_RATCHET_SMALL,
    SessionState,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from .parties import NOW, Device, Side, connect, flip, initiate

ALICE, BOB = connect()


def first_contact(one_time: int = 1) -> tuple[Device, Device, Side, bytes]:
    alice, bob = Device.create(), Device.create(one_time)
    a = initiate(alice, bob)
    return alice, bob, a, a.send(b"hello")


_ALICE, INITIAL_BOB, _SIDE, INITIAL_FRAME = first_contact()


@pytest.mark.parametrize("one_time", [0, 1])
def test_first_contact_both_ways(one_time: int) -> None:
    alice, bob, a, frame = first_contact(one_time)
    assert a.session.awaiting_answer
    envelope = bob.open(frame)
    assert envelope.sender == alice.certificate
    accepted = bob.accept(frame)
    b = Side(bob, accepted.session)
    assert accepted.plaintext == b"hello"
    assert b.session.handshake_id == a.session.handshake_id == sessions.handshake_id(envelope)
    assert (b.session.peer, b.session.local) == (alice.certificate, bob.certificate)
    assert (a.session.peer, a.session.local) == (bob.certificate, alice.certificate)
    assert b.session.peer_seal_key == alice.keys.seal.public
    assert a.receive(b.send(b"welcome")) == b"welcome"
    assert not a.session.awaiting_answer
    frame = a.send(b"now small")
    assert len(frame) == FrameSize.SMALL
    assert sessions.handshake_id(bob.open(frame)) is None
    assert b.receive(frame) == b"now small"


def test_associated_data_names_both_devices_and_the_seal_key_to_answer_to() -> None:
    alice, bob, a, _ = first_contact()
    data = a.session.associated_data
    assert len(data) == sessions.ASSOCIATED_DATA_SIZE == 231
    for one in (alice, bob):
        party = b"\x01" + one.identity.public.raw + b"\x07" + one.key.public.raw + one.certificate.device_id
        assert data.count(party) == 1
    assert data.index(alice.identity.public.raw) < data.index(bob.identity.public.raw)
    swapped = sessions.accept(bob.local, bob, bob.open(a.send(b"x")), now=NOW).session
    assert swapped.associated_data == data


def test_initiate_tells_what_protection_the_first_message_has() -> None:
    alice = Device.create()
    with_keys, without = Device.create(1), Device.create(0)
    _, handshake = sessions.initiate(alice.local, with_keys.verified_bundle(), now=NOW)
    assert (handshake.last_resort, handshake.one_time_prekey_id) == (False, 1)
    _, handshake = sessions.initiate(alice.local, without.verified_bundle(), now=NOW)
    assert (handshake.last_resort, handshake.one_time_prekey_id) == (True, None)


def test_any_one_of_the_initial_frames_starts_the_session_and_the_others_follow() -> None:
    _, bob, a, lost = first_contact()
    second, third = a.send(b"second"), a.send(b"third")
    b = Side(bob, bob.accept(third).session)
    for frame, expected in ((lost, b"hello"), (second, b"second")):
        assert sessions.handshake_id(bob.open(frame)) == b.session.handshake_id
        assert b.receive(frame) == expected
        with pytest.raises(DuplicateMessage):
            b.receive(frame)
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


@settings(max_examples=40, deadline=None)
@given(st.integers(1, FrameSize.LARGE - 1), st.integers(0, 7))
def test_an_altered_initial_frame_is_refused_and_consumes_nothing(position: int, bit: int) -> None:
    frame = INITIAL_FRAME
    with pytest.raises(ProtocolError):
        INITIAL_BOB.accept(flip(frame, position, bit))
    assert (set(INITIAL_BOB.ec), set(INITIAL_BOB.kem), INITIAL_BOB.uses) == ({1}, {1}, set())
    assert sessions.accept(INITIAL_BOB.local, INITIAL_BOB, INITIAL_BOB.open(frame), now=NOW).plaintext == b"hello"


def ratchet_message(side: Side, padded: bytes, kind: EnvelopeKind) -> Envelope:
    """An authentic message whose padding or kind no honest client would choose."""
    session = side.session
    pq, header, salt = pq_ratchet.send(session.pq, NOW, system_randomness)
    data = session.associated_data + bytes([session.pq.role]) + envelope_data(kind)
    _, message, _ = double_ratchet.encrypt(
        HANDSHAKER_V1,
        session.ratchet,
        padded,
        data,
        system_randomness,
        salt=salt.raw,
        post_quantum=header.encode(),
    )
    assert pq.role is session.pq.role
    return Envelope(session.local, None, message)


def test_a_ratchet_message_is_bound_to_its_kind() -> None:
    """The message of an initial envelope is none of a ratchet envelope, though keys and header are right."""
    padded = b"text\x80".ljust(MAX_PLAINTEXT_RATCHET_LARGE + 1, b"\0")
    with pytest.raises(UndecryptableMessage):
        sessions.decrypt(BOB.session, ratchet_message(ALICE, padded, EnvelopeKind.INITIAL), now=NOW)
    good = ratchet_message(ALICE, padded, EnvelopeKind.RATCHET)
    assert sessions.decrypt(BOB.session, good, now=NOW)[1] == b"text"


def test_authenticated_content_without_padding_is_refused_and_changes_nothing() -> None:
    before = BOB.session.to_bytes()
    for bad in (bytes(MAX_PLAINTEXT_RATCHET_SMALL + 1), b"x" * (MAX_PLAINTEXT_RATCHET_SMALL + 1)):
        with pytest.raises(PaddingError):
            sessions.decrypt(BOB.session, ratchet_message(ALICE, bad, EnvelopeKind.RATCHET), now=NOW)
    assert BOB.session.to_bytes() == before


def test_documented_capacities() -> None:
    fixed = 1 + 1_120 + 16 + 1 + 169 + 40 + 154 + 16 + 1
    assert MAX_PLAINTEXT_RATCHET_SMALL == 2_048 - fixed == 530
    assert MAX_PLAINTEXT_RATCHET_LARGE == 16_384 - fixed == 14_866
    assert MAX_PLAINTEXT_INITIAL == 16_384 - fixed - 1_614 - 1_216 == 12_036


def test_capacities_are_exact() -> None:
    session = ALICE.session
    assert sessions.max_plaintext(session, FrameSize.SMALL) == MAX_PLAINTEXT_RATCHET_SMALL
    for length, size in (
        (0, FrameSize.SMALL),
        (MAX_PLAINTEXT_RATCHET_SMALL, FrameSize.SMALL),
        (MAX_PLAINTEXT_RATCHET_SMALL + 1, FrameSize.LARGE),
        (sessions.max_plaintext(session), FrameSize.LARGE),
    ):
        _, frame = sessions.encrypt(session, b"x" * length, now=NOW)
        assert len(frame) == size
        assert BOB.peek(frame)[1] == b"x" * length
    with pytest.raises(ContentTooLarge) as caught:
        sessions.encrypt(session, bytes(MAX_PLAINTEXT_RATCHET_LARGE + 1), now=NOW)
    assert caught.value.maximum == MAX_PLAINTEXT_RATCHET_LARGE
    with pytest.raises(ContentTooLarge) as caught:
        sessions.encrypt(session, bytes(MAX_PLAINTEXT_RATCHET_SMALL + 1), size=FrameSize.SMALL, now=NOW)
    assert caught.value.maximum == MAX_PLAINTEXT_RATCHET_SMALL
    _, large = sessions.encrypt(session, b"forced", size=FrameSize.LARGE, now=NOW)
    assert len(large) == FrameSize.LARGE


def test_capacities_of_initial_frames_are_exact() -> None:
    _, bob, a, _ = first_contact()
    assert sessions.max_plaintext(a.session) == MAX_PLAINTEXT_INITIAL
    assert sessions.max_plaintext(a.session, FrameSize.SMALL) == 0
    frame = a.send(b"x" * MAX_PLAINTEXT_INITIAL)
    assert bob.accept(frame).plaintext == b"x" * MAX_PLAINTEXT_INITIAL
    for content, size, maximum in ((bytes(MAX_PLAINTEXT_INITIAL + 1), None, MAX_PLAINTEXT_INITIAL), (b"", 2_048, 0)):
        with pytest.raises(ContentTooLarge) as caught:
            sessions.encrypt(a.session, content, size=None if size is None else FrameSize(size), now=NOW)
        assert caught.value.maximum == maximum


def test_responder_cannot_send_before_it_has_received() -> None:
    blank = double_ratchet.respond(SharedSecret(bytes(32)), Device.create().keys.signed_prekey.pair)
    with pytest.raises(NoSendingChain):
        sessions.encrypt(replace(BOB.session, ratchet=blank), b"x", now=NOW)


def test_linked_devices_of_one_identity_can_talk() -> None:
    phone = Device.create(0)
    desk = Device.create(0, identity=phone.identity)
    a = initiate(phone, desk)
    assert desk.accept(a.send(b"note to self")).plaintext == b"note to self"


def test_both_ends_of_a_message_export_the_same_secret_and_no_other_message_does() -> None:
    session, frame, ours = sessions.encrypt_exporting(ALICE.session, b"x", now=NOW)
    _, _, theirs = sessions.decrypt_exporting(BOB.session, BOB.device.open(frame), now=NOW)
    label = Label.LIVE_SESSION_EXPORT
    assert ours.export(label) == theirs.export(label)
    _, _, other = sessions.encrypt_exporting(session, b"x", now=NOW)
    assert len({ours.export(label).raw, other.export(label).raw, ours.export(Label.LIVE_SESSION_KEY).raw}) == 3


def test_the_post_quantum_ratchet_turns_under_a_conversation() -> None:
    """Long enough for two exchanges, each begun by another side; both epochs agree, and the salts are of use."""
    a, b = connect()
    for turn in range(160):
        assert b.receive(a.send(b"%d" % turn)) == b"%d" % turn
        assert a.receive(b.send(b"and back")) == b"and back"
    assert a.session.pq.epoch >= 2
    assert abs(a.session.pq.epoch - b.session.pq.epoch) <= 1
    frame = a.send(b"salted")
    stale = replace(b.session, pq=pq_ratchet.start(SharedSecret(bytes(32)), b.session.pq.role, NOW))
    with pytest.raises(UndecryptableMessage):
        sessions.decrypt(stale, b.device.open(frame), now=NOW)
    assert b.receive(frame) == b"salted"


@pytest.mark.parametrize("which", ["initial", "initiator", "responder"])
def test_stored_sessions_go_on_where_they_were(which: str) -> None:
    _, bob, a, _ = first_contact()
    if which == "initial":
        a.session = SessionState.from_bytes(a.session.to_bytes())
        assert bob.accept(a.send(b"hello")).plaintext == b"hello"
        return
    one, other = (ALICE, BOB) if which == "initiator" else (BOB, ALICE)
    restored = Side(one.device, SessionState.from_bytes(one.session.to_bytes()))
    assert restored.session == one.session
    assert other.peek(restored.send(b"after restart"))[1] == b"after restart"
    _, frame = sessions.encrypt(other.session, b"to restarted", now=NOW)
    assert restored.receive(frame) == b"to restarted"


def test_stored_sessions_are_parsed_strictly() -> None:
    _, _, pending, _ = first_contact()
    for session in (ALICE.session, pending.session):
        data = session.to_bytes()
        assert SessionState.from_bytes(data) == session
        for bad in (b"", data[:-1], data + b"\0", data[:200] + data[201:]):
            with pytest.raises(ProtocolError):
                SessionState.from_bytes(bad)
        for version in (b"\x00\x01", b"\x01\x01", b"\x03\x01", b"\x02\x02"):
            with pytest.raises(UnsupportedVersion):
                SessionState.from_bytes(version + data[2:])
    flag = 2 + 169 + 169 + 1_216 + 32 + 231
    data = ALICE.session.to_bytes()
    assert data[flag] == 0
    with pytest.raises(MalformedState):
        SessionState.from_bytes(data[:flag] + b"\x02" + data[flag + 1 :])


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 7), st.integers(0, 3_000))
def test_damaged_stored_sessions_raise_only_protocol_errors(position: int, bit: int, cut: int) -> None:
    data = ALICE.session.to_bytes()
    for damaged in (flip(data, position, bit), data[:cut]):
        with suppress(ProtocolError):
            assert SessionState.from_bytes(damaged) != ALICE.session or damaged == data


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([2_048, 16_384]), st.binary(max_size=80))
def test_arbitrary_frames_raise_only_protocol_errors(size: int, start: bytes) -> None:
    with pytest.raises(ProtocolError):
        BOB.device.open((b"\x01" + start).ljust(size, b"\x55"))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_arbitrary_messages_in_a_good_envelope_raise_only_protocol_errors(message: bytes) -> None:
    with pytest.raises(ProtocolError):
        sessions.decrypt(BOB.session, Envelope(ALICE.device.certificate, None, message), now=NOW)
    with pytest.raises(MalformedFrame):
        sessions.accept(BOB.device.local, BOB.device, Envelope(ALICE.device.certificate, None, message), now=NOW)
