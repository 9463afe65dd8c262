"""Exact edges of the ratchets and their stored states. Found by changing the code and seeing nothing fail."""

from dataclasses import replace

import pytest
from handshaker_core.errors import BadKey, DuplicateMessage, MalformedFrame, MalformedState
from handshaker_core.protocol import double_ratchet, pq_ratchet
from handshaker_core.protocol.bundle import generate_one_time
from handshaker_core.protocol.double_ratchet import MAX_RETIRED, DoubleRatchetState
from handshaker_core.protocol.keys import DeviceIdentityKeyPair, RatchetKeyPair, SharedSecret
from handshaker_core.protocol.pq_chunks import (
    CHUNK_SIZE,
    CHUNKS,
    PAYLOAD_SIZE,
    TURNS,
    ChunkKind,
    Collected,
    PqHeader,
    turn,
)
from handshaker_core.protocol.pq_ratchet import Answering, Offering, PqRatchetState, Role, Trigger
from handshaker_core.protocol.profile import HANDSHAKER_V1
from handshaker_core.protocol.sealed_sender import Opening

PAYLOAD = b"".join(bytes((index,)) * CHUNK_SIZE for index in range(CHUNKS))
AT_ONCE = Trigger(messages=0, seconds=10**9)
SECRET = SharedSecret(bytes(range(32)))


def counted(start: int = 0):
    """Random bytes that differ from call to call."""
    calls = iter(range(start, start + 10_000))
    return lambda size: next(calls).to_bytes(4, "big") * (size // 4)


@pytest.mark.parametrize(("position", "index"), [(0, 0), (7, 7), (8, 1), (9, 2), (15, 0), (16, 2), (62, 5), (63, 6)])
def test_turns_go_as_the_page_says(position: int, index: int) -> None:
    assert (position + position // 8) % 8 == index
    assert turn(PAYLOAD, position) == (index, bytes((index,)) * CHUNK_SIZE)


def test_chunks_of_two_payloads_never_stand_beside_each_other() -> None:
    first = Collected()
    for index in range(CHUNKS - 1):
        first = first.with_chunk(index, b"a" * CHUNK_SIZE)
    assert first.with_chunk(0, b"a" * CHUNK_SIZE) is first
    other = first.with_chunk(3, b"b" * CHUNK_SIZE)
    assert [index for index, chunk in enumerate(other.chunks) if chunk is not None] == [3]
    whole = first.with_chunk(CHUNKS - 1, b"a" * CHUNK_SIZE)
    assert whole.payload == b"a" * PAYLOAD_SIZE
    assert whole.with_chunk(CHUNKS - 1, b"b" * CHUNK_SIZE).payload is None


def exchange_until(kind: type) -> tuple[dict[Role, PqRatchetState], PqHeader]:
    """Both sides when the responder's exchange is of that kind, and the responder's latest header."""
    rng = counted()
    states = {role: pq_ratchet.start(SECRET, role, 0) for role in Role}
    for _ in range(100):
        for sender in (Role.INITIATOR, Role.RESPONDER):
            states[sender], header, _ = pq_ratchet.send(states[sender], 0, rng, trigger=AT_ONCE)
            if sender is Role.RESPONDER and isinstance(states[sender].exchange, kind):
                return states, header
            states[sender.other] = pq_ratchet.absorb(states[sender.other], header, 0)
    raise AssertionError("never")


def test_an_epoch_begins_with_nothing_seen() -> None:
    states, header = exchange_until(Answering)
    initiator, rng = states[Role.INITIATOR], counted(500)
    responder = states[Role.RESPONDER]
    while initiator.epoch == 0:
        initiator = pq_ratchet.absorb(initiator, header, 0)
        responder, header, _ = pq_ratchet.send(responder, 0, rng)
    assert (initiator.epoch, initiator.seen) == (1, 0)


def test_a_wrong_answer_leaves_nothing_collected() -> None:
    states, header = exchange_until(Answering)
    initiator, responder, rng = states[Role.INITIATOR], states[Role.RESPONDER], counted(500)
    for _ in range(CHUNKS):
        wrong = replace(header, chunk=bytes((header.chunk[0] ^ (header.index == 2),)) + header.chunk[1:])
        initiator = pq_ratchet.absorb(initiator, wrong, 0)
        responder, header, _ = pq_ratchet.send(responder, 0, rng)
    assert initiator.epoch == 0
    assert isinstance(initiator.exchange, Offering)
    assert header.kind is ChunkKind.CIPHERTEXT
    assert initiator.exchange.answer == Collected()


def test_positions_of_stored_exchanges_have_an_end() -> None:
    states, _ = exchange_until(Answering)
    state = states[Role.RESPONDER]
    assert isinstance(state.exchange, Answering)
    for position, refused in ((0, False), (TURNS - 1, False), (TURNS, True), (255, True)):
        stored = replace(state, exchange=replace(state.exchange, position=position)).to_bytes()
        if refused:
            with pytest.raises(MalformedState):
                PqRatchetState.from_bytes(stored)
        else:
            assert PqRatchetState.from_bytes(stored).to_bytes() == stored


def test_a_responder_that_has_received_nothing_comes_back_as_it_was() -> None:
    own = RatchetKeyPair.generate(counted(7))
    state = double_ratchet.respond(SECRET, own)
    assert state.ratchet.remote is None
    assert DoubleRatchetState.from_bytes(state.to_bytes()) == state
    sender = double_ratchet.initiate(HANDSHAKER_V1, SECRET, own.public, counted(9))
    assert DoubleRatchetState.from_bytes(sender.to_bytes()) == sender


def test_as_many_retired_keys_as_are_kept_come_back_and_no_more() -> None:
    state = double_ratchet.respond(SECRET, RatchetKeyPair.generate(counted(7)))
    full = replace(state, retired=tuple(bytes((number,)) * 32 for number in range(MAX_RETIRED)))
    assert DoubleRatchetState.from_bytes(full.to_bytes()) == full
    with pytest.raises(MalformedState):
        DoubleRatchetState.from_bytes(replace(full, retired=(*full.retired, bytes(32))).to_bytes())


def test_openings_cut_anywhere_are_malformed() -> None:
    for size in (0, 1, 1_613, 1_614, 2_829):
        with pytest.raises((MalformedFrame, BadKey)):
            Opening.decode(b"\x01" + bytes(31) + b"\x09" + bytes(size)[33:] if size > 33 else bytes(size))


def test_no_key_is_made_where_the_last_id_would_be_too_large() -> None:
    device, asked = DeviceIdentityKeyPair(bytes(32)), []

    def rng(size: int) -> bytes:
        asked.append(size)
        return bytes(size)

    with pytest.raises(BadKey):
        generate_one_time(device, 2, 2**32 - 1, rng)
    assert asked == []
    assert generate_one_time(device, 1, 2**32 - 1, rng).ec[0].key_id == 2**32 - 1


def test_an_epoch_that_was_never_kept_counts_as_a_duplicate() -> None:
    states, _ = exchange_until(Answering)
    later = replace(states[Role.INITIATOR], epoch=3, exchange=None)
    with pytest.raises(DuplicateMessage):
        pq_ratchet.salt_for(later, PqHeader(2))


def test_each_role_has_the_salt_of_its_name() -> None:
    keys = pq_ratchet.start(SECRET, Role.INITIATOR, 0).keys
    assert keys.salt(Role.INITIATOR) == keys.initiator != keys.responder == keys.salt(Role.RESPONDER)


def test_every_message_carries_the_next_turn() -> None:
    state, rng, indices = pq_ratchet.start(SECRET, Role.INITIATOR, 0), counted(), []
    for _ in range(10):
        state, header, _ = pq_ratchet.send(state, 0, rng, trigger=AT_ONCE)
        indices.append(header.index)
    assert indices == [0, 1, 2, 3, 4, 5, 6, 7, 1, 2]
