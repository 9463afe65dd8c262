"""The sparse post-quantum ratchet, rule by rule: when it turns, who turns it, and what both ends then have."""

import os
from dataclasses import replace
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from handshaker_core.errors import DuplicateMessage, UndecryptableMessage
from handshaker_core.protocol import pq_ratchet
from handshaker_core.protocol.keys import SharedSecret
from handshaker_core.protocol.pq_chunks import NO_CHUNK, ChunkKind, Collected, turn
from handshaker_core.protocol.pq_past import MAX_PAST_EPOCHS
from handshaker_core.protocol.pq_ratchet import (
    STANDARD_TRIGGER,
    Answering,
    Collecting,
    Offering,
    PqHeader,
    PqRatchetState,
    Role,
    Trigger,
)

from .pq_ends import QUICK, START, ToyEnd, alternate, split_toy, toy_ends

DAY = 86_400.0


def header_of(message: bytes) -> PqHeader:
    return split_toy(message)[0]


def kinds(end: ToyEnd, count: int) -> set[ChunkKind]:
    return {header_of(end.send()).kind for _ in range(count)}


def epochs(a: ToyEnd, b: ToyEnd) -> tuple[int, int]:
    return a.state.epoch, b.state.epoch


# --- Derivation


def test_the_first_epoch_is_derived_from_the_secret_of_pqxdh_as_specified() -> None:
    secret = SharedSecret(bytes(range(32)))
    state = pq_ratchet.start(secret, Role.INITIATOR, START)
    expected = HKDF(SHA256(), 96, bytes(32), b"handshaker/v1/pq-ratchet-start").derive(secret.raw)
    assert state.keys.encode() == expected
    assert state.keys.initiator != state.keys.responder
    assert pq_ratchet.start(secret, Role.RESPONDER, START).keys == state.keys


def test_the_next_epoch_is_derived_from_root_secret_and_transcript_as_specified() -> None:
    a, b = toy_ends()
    alternate(a, b, lambda: isinstance(b.state.exchange, Answering))
    offering, answering, root = a.state.exchange, b.state.exchange, a.state.keys.root
    assert isinstance(offering, Offering)
    assert isinstance(answering, Answering)
    ciphertext = answering.payload[:1088]
    shared = MLKEM768PrivateKey.from_seed_bytes(offering.pair.seed.raw).decapsulate(ciphertext)
    info = (
        b"handshaker/v1/pq-ratchet-epoch"
        + (1).to_bytes(4, "big")
        + sha256(offering.pair.public).digest()
        + sha256(ciphertext).digest()
    )
    expected = HKDF(SHA256(), 128, root.raw, info).derive(shared)
    assert answering.coming.encode() == expected[:96]
    assert answering.payload[1088:] == expected[96:] + bytes(64)
    alternate(a, b, lambda: epochs(a, b) == (1, 1))
    assert a.state.keys == b.state.keys == answering.coming
    assert a.state.keys.root != root


def test_each_direction_has_its_own_salt_and_each_epoch_new_ones() -> None:
    a, b = toy_ends()
    seen = set()
    for epoch in range(4):
        alternate(a, b, lambda wanted=epoch: epochs(a, b) == (wanted, wanted))
        seen |= {a.state.keys.initiator.raw, a.state.keys.responder.raw, a.state.keys.root.raw}
    assert len(seen) == 4 * 3


# --- Triggers


def test_an_epoch_ends_after_fifty_messages_and_not_before() -> None:
    a, b = toy_ends(STANDARD_TRIGGER)
    for _ in range(25):
        b.receive(a.send())
        a.receive(b.send())
    assert a.state.seen == 50
    assert a.state.exchange is None
    assert header_of(a.send()).kind is ChunkKind.ENCAPSULATION_KEY


def test_messages_that_were_only_sent_or_only_received_count_alike() -> None:
    a, b = toy_ends(STANDARD_TRIGGER)
    assert kinds(a, 50) == {ChunkKind.NONE}
    assert kinds(a, 1) == {ChunkKind.ENCAPSULATION_KEY}
    a, b = toy_ends(STANDARD_TRIGGER)
    for _ in range(50):
        a.receive(b.send())
    assert kinds(a, 1) == {ChunkKind.ENCAPSULATION_KEY}


def test_an_epoch_ends_after_seven_days_and_not_before() -> None:
    a, _ = toy_ends(STANDARD_TRIGGER)
    a.now = START + 7 * DAY - 1
    assert kinds(a, 1) == {ChunkKind.NONE}
    a.now += 1
    assert kinds(a, 1) == {ChunkKind.ENCAPSULATION_KEY}


def test_a_clock_that_was_years_ahead_puts_nothing_off_by_years() -> None:
    a, _ = toy_ends(STANDARD_TRIGGER)
    a.state = replace(a.state, since=int(START + 3_000 * DAY))  # the epoch began when the clock was wrong
    assert kinds(a, 1) == {ChunkKind.NONE}
    a.now += 7 * DAY - 1
    assert kinds(a, 1) == {ChunkKind.NONE}
    a.now += 1
    assert kinds(a, 1) == {ChunkKind.ENCAPSULATION_KEY}


def test_a_clock_that_jumps_back_and_forth_begins_one_exchange_and_breaks_nothing() -> None:
    a, b = toy_ends(STANDARD_TRIGGER)
    for count in range(40):
        a.now = START + (-1) ** count * 400 * DAY
        b.now = -(10.0**12) if count % 3 else 10.0**20
        b.receive(a.send())
        a.receive(b.send())
    assert abs(a.state.epoch - b.state.epoch) <= 1
    assert 1 <= a.state.epoch <= 3


@pytest.mark.parametrize("epoch", range(4))
def test_the_sides_take_turns_in_beginning(epoch: int) -> None:
    a, b = toy_ends()
    alternate(a, b, lambda: epochs(a, b) == (epoch, epoch))
    beginner, other = (a, b) if epoch % 2 == 0 else (b, a)
    assert kinds(other, 60) == {ChunkKind.NONE}
    assert ChunkKind.ENCAPSULATION_KEY in kinds(beginner, 6)


# --- One exchange


def test_both_reach_the_next_epoch_and_the_one_after() -> None:
    a, b = toy_ends(STANDARD_TRIGGER)
    alternate(a, b, lambda: epochs(a, b) == (2, 2), limit=90)
    assert a.state.keys == b.state.keys


def test_a_side_that_only_listens_can_answer_with_few_messages() -> None:
    a, b = toy_ends()
    for _ in range(30):
        b.receive(a.send())
    for _ in range(8):
        assert a.state.epoch == 0
        a.receive(b.send())
    assert a.state.epoch == 1


def test_the_answering_side_follows_only_when_the_beginner_has_shown_that_it_can() -> None:
    a, b = toy_ends()
    alternate(a, b, lambda: a.state.epoch == 1)
    assert header_of(b.send()).epoch == 0
    message = a.send()
    assert header_of(message).epoch == 1
    b.receive(message)
    assert header_of(b.send()).epoch == 1


@pytest.mark.parametrize("period", range(2, 10))
def test_a_loss_with_a_period_does_not_lose_the_same_chunks_for_ever(period: int) -> None:
    """As when every second message is a typing notice that nobody stores."""
    payload = bytes(1184)
    assert {turn(payload, position % 64)[0] for position in range(0, 64 * period, period)} == set(range(8))


def test_eight_messages_carry_all_chunks() -> None:
    for begin in range(0, 64, 8):
        payload = os.urandom(1184)
        chunks = dict(turn(payload, position) for position in range(begin, begin + 8))
        assert b"".join(chunks[index] for index in range(8)) == payload


def test_messages_of_both_epochs_are_understood_whatever_their_order() -> None:
    a, b = toy_ends()
    alternate(a, b, lambda: a.state.epoch == 1)
    early = b.send(b"still in epoch 0")
    b.receive(a.send())
    late = b.send(b"in epoch 1")
    assert a.receive(late) == b"in epoch 1"
    assert a.receive(early) == b"still in epoch 0"


# --- Epochs that are not this one


def test_an_epoch_that_does_not_exist_yet_is_refused_and_changes_nothing() -> None:
    a, b = toy_ends()
    header, nonce, sealed = split_toy(a.send())
    for epoch in (1, 2, 2**32 - 1):
        jumped = replace(header, epoch=epoch)
        before = b.state
        with pytest.raises(UndecryptableMessage):
            b.receive(jumped.encode() + nonce + sealed)
        with pytest.raises(UndecryptableMessage):
            pq_ratchet.absorb(b.state, jumped, START)
        assert b.state == before
    b.receive(header.encode() + nonce + sealed)


def test_while_answering_only_the_very_next_epoch_is_understood() -> None:
    a, b = toy_ends()
    alternate(a, b, lambda: isinstance(b.state.exchange, Answering))
    assert isinstance(b.state.exchange, Answering)
    assert pq_ratchet.salt_for(b.state, PqHeader(1)) == b.state.exchange.coming.initiator
    with pytest.raises(UndecryptableMessage):
        pq_ratchet.salt_for(b.state, PqHeader(2))


def test_the_other_directions_salt_is_never_tried() -> None:
    a, b = toy_ends()
    message = a.send(b"to the other")
    with pytest.raises(UndecryptableMessage):
        a.receive(message)
    assert b.receive(message) == b"to the other"


def test_a_message_that_was_long_overtaken_is_read_and_a_replayed_chunk_of_its_epoch_is_nothing() -> None:
    a, b = toy_ends()
    alternate(a, b, lambda: isinstance(a.state.exchange, Offering))
    overtaken = a.send(b"overtaken")
    assert header_of(overtaken).kind is ChunkKind.ENCAPSULATION_KEY
    alternate(a, b, lambda: epochs(a, b) == (5, 5))
    exchange = b.state.exchange
    assert b.receive(overtaken) == b"overtaken"
    assert b.state.exchange == exchange


def test_epochs_are_kept_as_long_as_stated_and_then_forgotten() -> None:
    a, b = toy_ends(Trigger(0, 1_000))
    old = a.send(b"of epoch 0")
    alternate(a, b, lambda: b.state.epoch == 1)
    newer = a.send(b"of epoch 1")
    alternate(a, b, lambda: b.state.epoch == MAX_PAST_EPOCHS + 1, limit=20 * MAX_PAST_EPOCHS)
    assert len(b.state.past) == MAX_PAST_EPOCHS
    with pytest.raises(DuplicateMessage):
        b.receive(old)
    assert b.receive(newer) == b"of epoch 1"
    assert PqRatchetState.from_bytes(b.state.to_bytes()) == b.state
    assert len(b.state.to_bytes()) < 13_000


def test_epochs_are_forgotten_after_thirty_days() -> None:
    a, b = toy_ends()
    old = a.send(b"of epoch 0")
    alternate(a, b, lambda: b.state.epoch == 1)
    b.now += 30 * DAY
    b.send()
    assert len(b.state.past) == 1
    assert replace(b).receive(old) == b"of epoch 0"
    b.now += 1
    b.send()
    with pytest.raises(DuplicateMessage):
        b.receive(old)


def test_a_clock_that_was_set_back_keeps_no_epoch_for_years() -> None:
    a, b = toy_ends()
    b.now += 3_000 * DAY
    alternate(a, b, lambda: b.state.epoch == 1)
    b.now = START
    b.send()
    b.now += 30 * DAY
    b.send()
    assert len(b.state.past) == 1
    b.now += 1
    b.send()
    assert len(b.state.past) == 0


def test_epochs_are_forgotten_at_once_where_nothing_is_missing() -> None:
    a, b = toy_ends()
    alternate(a, b, lambda: epochs(a, b) == (3, 3))
    old = a.send(b"of epoch 3")
    alternate(a, b, lambda: a.state.epoch == 4)
    b.receive(a.send(), nothing_missing=True)
    assert (b.state.epoch, len(b.state.past)) == (4, 0)
    with pytest.raises(DuplicateMessage):
        b.receive(old)
    # The side that is ahead still needs what the other one sends in.
    a, b = toy_ends()
    alternate(a, b, lambda: a.state.epoch == 3)
    late = b.send(b"of epoch 2")
    assert header_of(late).epoch == 2
    assert a.receive(late, nothing_missing=True) == b"of epoch 2"
    assert len(a.state.past) == 1


# --- State


def stages() -> list[PqRatchetState]:
    """A state of every kind of exchange, and one with past epochs."""
    a, b = toy_ends()
    found = [a.state, b.state]
    alternate(a, b, lambda: isinstance(b.state.exchange, Collecting) and b.state.exchange.key != Collected())
    found += [a.state, b.state]
    alternate(a, b, lambda: isinstance(a.state.exchange, Offering) and a.state.exchange.answer != Collected())
    found += [a.state, b.state]
    alternate(a, b, lambda: epochs(a, b) == (3, 3))
    return [*found, a.state, b.state]


def test_states_are_read_back_as_they_were() -> None:
    found = stages()
    assert {type(state.exchange) for state in found} == {type(None), Offering, Collecting, Answering}
    for state in found:
        assert PqRatchetState.from_bytes(state.to_bytes()) == state


def test_no_repr_shows_a_secret() -> None:
    for state in stages():
        secrets = [state.keys.root.raw, state.keys.initiator.raw, state.keys.responder.raw]
        match state.exchange:
            case Offering() as offering:
                secrets.append(offering.pair.seed.raw)
            case Answering() as answering:
                secrets += [answering.coming.root.raw, answering.payload[1088:1120]]
        secrets += [state.past.salt(behind).raw for behind in range(1, len(state.past) + 1)]
        shown = repr(state)
        assert all(repr(secret)[2:-1] not in shown and secret.hex() not in shown for secret in secrets)


def test_a_step_that_was_never_committed_does_not_matter() -> None:
    """The process ends before the commit: nothing left the device, and the next attempt makes another key pair."""
    a, b = toy_ends()
    alternate(a, b, lambda: a.state.seen >= QUICK.messages)
    before = a.state
    lost = header_of(a.send())
    assert lost.kind is ChunkKind.ENCAPSULATION_KEY
    a.state = before
    assert header_of(a.send()).chunk not in (lost.chunk, NO_CHUNK)
    alternate(a, b, lambda: epochs(a, b) == (1, 1))
    alternate(a, b, lambda: isinstance(a.state.exchange, Collecting) and a.state.exchange.key.payload is not None)
    before = a.state
    answered = header_of(a.send())
    assert answered.kind is ChunkKind.CIPHERTEXT
    a.state = before
    assert header_of(a.send()).chunk != answered.chunk
    alternate(a, b, lambda: epochs(a, b) == (2, 2))
