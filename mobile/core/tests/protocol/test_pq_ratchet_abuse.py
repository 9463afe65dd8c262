"""The sparse post-quantum ratchet against bytes that nobody sends, and against a peer that breaks the rules.

Such a peer is authentic: it can always keep both from the next epoch by sending nothing. It must not be able to do more
than that: nothing crashes, no two keys are mixed, nobody is locked out, and when it behaves again all goes on.
"""

import os
from collections.abc import Callable
from dataclasses import replace

import pytest
from handshaker_core.errors import MalformedFrame, MalformedState
from handshaker_core.protocol import pq_ratchet
from handshaker_core.protocol.pq_chunks import CHUNK_SIZE, NO_CHUNK, PQ_HEADER_SIZE, ChunkKind, Collected, PqHeader
from handshaker_core.protocol.pq_epoch import KeyPair, PqDecapsulationSeed
from handshaker_core.protocol.pq_ratchet import Answering, Collecting, Offering, PqRatchetState
from hypothesis import given
from hypothesis import strategies as st

from .pq_ends import START, ToyEnd, alternate, toy_ends

CHUNK = bytes(range(CHUNK_SIZE))


def inject(end: ToyEnd, header: PqHeader) -> None:
    """The peer sends this header in a message that decrypts."""
    pq_ratchet.salt_for(end.state, header)
    end.state = pq_ratchet.absorb(end.state, header, end.now)


def inject_all(end: ToyEnd, kind: ChunkKind, payload: bytes) -> None:
    for index in range(8):
        inject(end, PqHeader(end.state.epoch, kind, index, payload[index * CHUNK_SIZE : (index + 1) * CHUNK_SIZE]))


def still_work(a: ToyEnd, b: ToyEnd) -> None:
    """The positive control: the two go on and reach two more epochs with the same keys."""
    target = max(a.state.epoch, b.state.epoch) + 2
    alternate(a, b, lambda: a.state.epoch == b.state.epoch == target)
    assert a.state.keys == b.state.keys


# --- Bytes


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        bytes(PQ_HEADER_SIZE - 1),
        bytes(PQ_HEADER_SIZE + 1),
        bytes(4) + b"\x03\x00" + CHUNK,
        bytes(4) + b"\x01\x08" + CHUNK,
        bytes(4) + b"\x00\x01" + NO_CHUNK,
        bytes(4) + b"\x00\x00" + CHUNK,
    ],
    ids=["empty", "short", "long", "unknown kind", "ninth chunk", "index without chunk", "chunk without kind"],
)
def test_headers_that_nobody_sends_are_refused(encoded: bytes) -> None:
    with pytest.raises(MalformedFrame):
        PqHeader.decode(encoded)


@given(
    st.integers(0, 2**32 - 1), st.sampled_from([ChunkKind.ENCAPSULATION_KEY, ChunkKind.CIPHERTEXT]), st.integers(0, 7)
)
def test_headers_are_read_back_as_they_were(epoch: int, kind: ChunkKind, index: int) -> None:
    for header in (PqHeader(epoch, kind, index, CHUNK), PqHeader(epoch)):
        encoded = header.encode()
        assert len(encoded) == PQ_HEADER_SIZE == 154
        assert PqHeader.decode(encoded) == header


@given(st.binary(min_size=PQ_HEADER_SIZE, max_size=PQ_HEADER_SIZE))
def test_any_header_is_read_exactly_or_refused(encoded: bytes) -> None:
    try:
        header = PqHeader.decode(encoded)
    except MalformedFrame:
        return
    assert header.encode() == encoded


def stored() -> list[bytes]:
    a, b = toy_ends()
    found = [a.state.to_bytes(), b.state.to_bytes()]
    alternate(a, b, lambda: isinstance(a.state.exchange, Offering) and a.state.exchange.answer != Collected())
    found += [a.state.to_bytes(), b.state.to_bytes()]
    alternate(a, b, lambda: (a.state.epoch, b.state.epoch) == (2, 2))
    return [*found, a.state.to_bytes(), b.state.to_bytes()]


STORED = stored()


@pytest.mark.parametrize("state", STORED, ids=len)
def test_stored_states_that_are_cut_or_longer_or_of_another_version_are_refused(state: bytes) -> None:
    PqRatchetState.from_bytes(state)
    damaged = [state[:-1], state + b"\x00", b"", b"\x02" + state[1:], state[:1] + b"\x03" + state[2:]]
    for wrong in [*damaged, *(state[:cut] for cut in range(0, len(state), 97))]:
        with pytest.raises(MalformedState):
            PqRatchetState.from_bytes(wrong)


def test_an_exchange_of_the_other_sides_is_refused() -> None:
    for state in STORED[:2]:
        with pytest.raises(MalformedState):
            PqRatchetState.from_bytes(state[:1] + bytes([3 - state[1]]) + state[2:])


@given(st.sampled_from(STORED), st.integers(0, 2**20), st.integers(1, 255))
def test_any_altered_state_is_read_or_refused(state: bytes, position: int, change: int) -> None:
    altered = bytearray(state)
    altered[position % len(state)] ^= change
    try:
        PqRatchetState.from_bytes(bytes(altered))
    except MalformedState:
        return


# --- A peer that breaks the rules


def collecting() -> tuple[ToyEnd, ToyEnd]:
    """An exchange of which the answering side has some chunks."""
    a, b = toy_ends()
    alternate(a, b, lambda: isinstance(b.state.exchange, Collecting) and b.state.exchange.key != Collected())
    return a, b


def answering() -> tuple[ToyEnd, ToyEnd]:
    """An exchange whose answer is on its way."""
    a, b = toy_ends()
    alternate(a, b, lambda: isinstance(b.state.exchange, Answering))
    return a, b


def next_epoch() -> tuple[ToyEnd, ToyEnd]:
    a, b = toy_ends()
    alternate(a, b, lambda: (a.state.epoch, b.state.epoch) == (1, 1))
    return a, b


@pytest.mark.parametrize("begin", [toy_ends, collecting, answering, next_epoch])
@pytest.mark.parametrize("kind", [ChunkKind.ENCAPSULATION_KEY, ChunkKind.CIPHERTEXT])
@pytest.mark.parametrize("victim", [0, 1])
@pytest.mark.parametrize("filler", [b"\x00", b"\xff", b"\x5a"])
def test_nonsense_at_any_stage_locks_nobody_out(
    begin: Callable[[], tuple[ToyEnd, ToyEnd]], kind: ChunkKind, victim: int, filler: bytes
) -> None:
    ends = begin()
    before = ends[victim].state.epoch
    inject_all(ends[victim], kind, filler * 1184)
    for end in ends:
        end.restart()
        end.send()
    assert ends[victim].state.epoch == before
    still_work(*ends)


def test_something_that_is_no_encapsulation_key_is_dropped() -> None:
    a, b = toy_ends()
    inject_all(b, ChunkKind.ENCAPSULATION_KEY, b"\xff" * 1184)
    assert b.state.exchange == Collecting()
    inject_all(b, ChunkKind.ENCAPSULATION_KEY, KeyPair.generate(os.urandom).public)
    assert isinstance(b.state.exchange, Collecting)
    assert b.state.exchange.key.payload is not None
    still_work(a, b)


def test_chunks_of_two_keys_are_never_mixed() -> None:
    _, b = toy_ends()
    one, other = KeyPair.generate(os.urandom).public, KeyPair.generate(os.urandom).public
    for index in range(7):
        inject(b, PqHeader(0, ChunkKind.ENCAPSULATION_KEY, index, one[index * CHUNK_SIZE :][:CHUNK_SIZE]))
    inject_all(b, ChunkKind.ENCAPSULATION_KEY, other)
    assert isinstance(b.state.exchange, Collecting)
    assert b.state.exchange.key.payload == other


def test_a_mixture_that_nobody_could_notice_ends_no_conversation() -> None:
    """Chunks that do not contradict each other, of a key that the beginner does not have: the confirmation tells."""
    a, b = toy_ends()
    strange = KeyPair.generate(os.urandom).public
    for index in range(4):
        inject(b, PqHeader(0, ChunkKind.ENCAPSULATION_KEY, index, strange[index * CHUNK_SIZE :][:CHUNK_SIZE]))
    alternate(a, b, lambda: isinstance(a.state.exchange, Offering))
    assert isinstance(a.state.exchange, Offering)
    own = a.state.exchange.pair.public
    for index in range(4, 8):
        inject(b, PqHeader(0, ChunkKind.ENCAPSULATION_KEY, index, own[index * CHUNK_SIZE :][:CHUNK_SIZE]))
    for _ in range(20):
        a.receive(b.send())
    assert a.state.epoch == 0
    assert a.state.exchange.answer == Collected() or a.state.exchange.answer.payload is None
    still_work(a, b)


@pytest.mark.parametrize("position", [0, 1_087, 1_088, 1_119, 1_120, 1_183])
def test_an_answer_with_one_bit_wrong_is_refused_and_a_right_one_taken(position: int) -> None:
    a, b = answering()
    exchange = b.state.exchange
    assert isinstance(exchange, Answering)
    wrong = bytearray(exchange.payload)
    wrong[position] ^= 1
    inject_all(a, ChunkKind.CIPHERTEXT, bytes(wrong))
    assert a.state.epoch == 0
    inject_all(a, ChunkKind.CIPHERTEXT, exchange.payload)
    assert a.state.epoch == 1
    still_work(a, b)


def test_an_answer_of_another_session_is_refused() -> None:
    (a, b), (_, other) = answering(), answering()
    assert isinstance(other.state.exchange, Answering)
    inject_all(a, ChunkKind.CIPHERTEXT, other.state.exchange.payload)
    assert a.state.epoch == 0
    still_work(a, b)


def test_a_peer_that_forgot_its_key_pair_gets_a_new_answer() -> None:
    a, b = answering()
    assert isinstance(a.state.exchange, Offering)
    a.state = replace(a.state, exchange=Offering(KeyPair.generate(os.urandom)))
    still_work(a, b)


def test_an_answer_to_a_key_that_nobody_made_lets_the_conversation_go_on() -> None:
    """The beginner lost the private half; both stay in the epoch they are in, and every message is readable."""
    a, b = answering()
    assert isinstance(a.state.exchange, Offering)
    pair = KeyPair(PqDecapsulationSeed(os.urandom(64)), a.state.exchange.pair.public)
    a.state = replace(a.state, exchange=replace(a.state.exchange, pair=pair))
    for count in range(40):
        assert b.receive(a.send(b"%d" % count)) == b"%d" % count
        assert a.receive(b.send(b"%d" % count)) == b"%d" % count
    assert (a.state.epoch, b.state.epoch) == (0, 0)


def test_state_stays_small_whatever_a_peer_sends() -> None:
    for begin in (toy_ends, collecting, answering):
        for end in begin():
            for count in range(200):
                kind = ChunkKind(1 + count % 2)
                inject(end, PqHeader(end.state.epoch, kind, count % 8, os.urandom(CHUNK_SIZE)))
            assert len(end.state.to_bytes()) < 3_000


def test_the_last_epoch_of_all_is_never_left() -> None:
    a, _ = toy_ends()
    a.state = replace(a.state, epoch=2**32 - 2)
    assert PqHeader.decode(a.send()[:PQ_HEADER_SIZE]).kind is ChunkKind.NONE
    a.state = replace(a.state, seen=100)
    assert PqHeader.decode(a.send()[:PQ_HEADER_SIZE]).kind is ChunkKind.ENCAPSULATION_KEY
    a.state = replace(a.state, epoch=2**32 - 1, exchange=None)
    assert PqHeader.decode(a.send()[:PQ_HEADER_SIZE]).kind is ChunkKind.NONE
    assert a.now == START
