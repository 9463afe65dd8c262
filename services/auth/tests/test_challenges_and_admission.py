"""Challenges and admissions, without a database."""

import hashlib

import pytest
from handshaker_auth.domain.admission import Admissions, ProofOfWork, Purpose, is_worked
from handshaker_auth.domain.challenges import CHALLENGE_SIZE, LIFETIME_SECONDS, Challenges
from handshaker_common.entropy import system_entropy
from handshaker_common.testing import FakeClock
from handshaker_proto.options.v1 import options_pb2
from hypothesis import given
from hypothesis import strategies as st

SECRET = b"s" * 32
NOW = 1_800_000_000.0


def challenges(clock=None, secret=SECRET):
    return Challenges(secret, clock or FakeClock(NOW), system_entropy)


def solve(challenge, bits):
    return next(n for i in range(1 << 20) if is_worked(ProofOfWork(challenge, n := i.to_bytes(8)), bits))


def too_easy(challenge, bits):
    return next(n for i in range(1 << 20) if not is_worked(ProofOfWork(challenge, n := i.to_bytes(8)), bits))


@given(st.integers(0, 255), st.integers(0, 26), st.binary(max_size=64))
def test_a_challenge_is_recognised_with_what_it_was_made_for(kind, bits, binding):
    desk = challenges()
    challenge = desk.issue(kind, bits, binding)
    assert len(challenge) == CHALLENGE_SIZE <= 128
    found = desk.recognise(challenge, binding)
    assert (found.kind, found.difficulty_bits) == (kind, bits)
    assert found.spend.digest == hashlib.sha256(challenge).digest()


@given(st.integers(0, CHALLENGE_SIZE * 8 - 1))
def test_no_bit_of_a_challenge_can_be_changed(position):
    desk = challenges()
    challenge = desk.issue(1, 8, b"key")
    forged = bytearray(challenge)
    forged[position // 8] ^= 1 << position % 8
    assert desk.recognise(challenge, b"key") is not None
    assert desk.recognise(bytes(forged), b"key") is None


@given(st.binary(max_size=200))
def test_what_is_not_ours_is_not_recognised(data):
    desk = challenges()
    assert desk.recognise(desk.issue(1, 8)) is not None
    assert desk.recognise(data) is None
    assert desk.recognise(desk.issue(1, 8) + b"\0") is None
    assert desk.recognise(desk.issue(1, 8)[:-1]) is None


def test_another_binding_or_another_secret_is_refused():
    desk = challenges()
    challenge = desk.issue(0, 0, b"k" * 32)
    assert desk.recognise(challenge, b"k" * 32) is not None
    assert desk.recognise(challenge, b"j" * 32) is None
    assert desk.recognise(challenge) is None
    assert challenges(secret=b"t" * 32).recognise(challenge, b"k" * 32) is None


def test_a_challenge_is_good_until_it_expires_and_not_a_second_longer():
    clock = FakeClock(NOW)
    desk = challenges(clock)
    challenge = desk.issue(1, 8)
    clock.advance(LIFETIME_SECONDS - 1)
    assert desk.recognise(challenge) is not None
    clock.advance(1)
    assert desk.recognise(challenge) is None


@given(st.floats(1e9, 4e9))
def test_a_spent_challenge_is_remembered_past_its_expiry_at_a_coarse_time(now):
    desk = challenges(FakeClock(now))
    remember_until = desk.recognise(desk.issue(1, 8)).spend.remember_until
    assert int(now) + LIFETIME_SECONDS <= remember_until < int(now) + 2 * LIFETIME_SECONDS
    assert remember_until % 600 == 0


@given(st.binary(min_size=8, max_size=8), st.integers(0, 26))
def test_work_is_counted_in_leading_zero_bits(nonce, bits):
    digest = hashlib.sha256(b"challenge" + nonce).digest()
    zeros = len(f"{int.from_bytes(digest):0256b}".split("1", maxsplit=1)[0])
    assert is_worked(ProofOfWork(b"challenge", nonce), bits) is (zeros >= bits)


def test_the_numbers_of_purposes_are_those_of_the_protocol():
    assert {p.name: p.value for p in Purpose} == {n: v for n, v in options_pb2.Admission.items() if n != "FREE"}


@pytest.mark.parametrize("purpose", Purpose)
def test_an_admission_is_good_for_its_purpose_alone(purpose):
    desk = Admissions(challenges(), lambda asked: 4 + asked)
    challenge, bits = desk.challenge(purpose)
    assert bits == 4 + purpose
    proof = ProofOfWork(challenge, solve(challenge, bits))
    assert desk.check_proof_of_work(purpose, proof) is not None
    for other in set(Purpose) - {purpose}:
        assert desk.check_proof_of_work(other, proof) is None


def test_too_little_work_is_refused_even_when_the_difficulty_has_fallen_since():
    hard, easy = (Admissions(challenges(), lambda _, b=bits: b) for bits in (10, 0))
    challenge, bits = hard.challenge(Purpose.LOOKUP)
    lazy, worked = (ProofOfWork(challenge, find(challenge, bits)) for find in (too_easy, solve))
    for desk in (hard, easy):
        assert desk.check_proof_of_work(Purpose.LOOKUP, lazy) is None
        assert desk.check_proof_of_work(Purpose.LOOKUP, worked) is not None


def test_a_nonce_has_eight_bytes():
    desk = Admissions(challenges(), lambda _: 0)
    challenge, _ = desk.challenge(Purpose.MAILBOX)
    for size, good in ((7, False), (8, True), (9, False)):
        assert (desk.check_proof_of_work(Purpose.MAILBOX, ProofOfWork(challenge, bytes(size))) is not None) is good


def test_nothing_secret_is_shown():
    desk = challenges()
    challenge = desk.issue(1, 8)
    shown = repr(ProofOfWork(challenge, b"12345678")) + repr(desk.recognise(challenge))
    assert "12345678" not in shown
    assert repr(challenge)[2:-1] not in shown
    assert repr(hashlib.sha256(challenge).digest())[2:-1] not in shown
