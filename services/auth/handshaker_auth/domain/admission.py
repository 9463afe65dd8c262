"""Admissions: what an anonymous call costs.

A proof of work: SHA-256(challenge ‖ nonce) begins with as many zero bits as the challenge says. The difficulty stands
in the challenge, so that it may rise and fall with the load without disturbing anybody who is already working. Or an
anonymous token (`anonymous_tokens`), which an account was given.
"""

import enum
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from handshaker_auth.domain.challenges import Challenges, Spend

NONCE_SIZE = 8
HARDEST_BITS = 26
"""About a minute of one core; more would shut out old phones instead of abusers."""


class Purpose(enum.IntEnum):
    """What an admission is good for; the numbers are those of `handshaker.options.v1.Admission`."""

    REGISTRATION = 1
    MAILBOX = 2
    LOOKUP = 3
    FIRST_CONTACT = 4
    WAKE_TARGET = 5

    @property
    def takes_tokens(self) -> bool:
        """Whether a token pays for it. Not for a registration: each account would pay for a hundred others a day."""
        return self is not Purpose.REGISTRATION


Difficulty = Callable[[Purpose], int]
"""Leading zero bits to ask for at this moment, 0..HARDEST_BITS."""


@dataclass(frozen=True)
class ProofOfWork:
    """A challenge and the 8 bytes that were found for it."""

    challenge: bytes = field(repr=False)
    nonce: bytes = field(repr=False)


def is_worked(proof: ProofOfWork, bits: int) -> bool:
    """Whether SHA-256(challenge ‖ nonce) begins with `bits` zero bits."""
    digest = hashlib.sha256(proof.challenge + proof.nonce).digest()
    return int.from_bytes(digest) >> (8 * len(digest) - bits) == 0


class Admissions:
    """Hands out work and checks it. Whether it was spent before, only the store knows."""

    def __init__(self, challenges: Challenges, difficulty: Difficulty) -> None:
        self._challenges = challenges
        self._difficulty = difficulty

    def challenge(self, purpose: Purpose) -> tuple[bytes, int]:
        """A new challenge and the number of leading zero bits it asks for."""
        bits = self._difficulty(purpose)
        return self._challenges.issue(purpose, bits), bits

    def check_proof_of_work(self, purpose: Purpose, proof: ProofOfWork) -> Spend | None:
        """What to spend, or None: forged, expired, made for another purpose, or not worked enough."""
        challenge = self._challenges.recognise(proof.challenge)
        if challenge is None or challenge.kind != purpose or len(proof.nonce) != NONCE_SIZE:
            return None
        return challenge.spend if is_worked(proof, challenge.difficulty_bits) else None
