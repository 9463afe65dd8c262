"""Stateless challenges: the server recognises what it handed out without having kept it, until it is spent.

    challenge = body ‖ tag                                                                               59 bytes
    body      = version (1) ‖ kind (1) ‖ difficulty bits (1) ‖ expiry (8, unix seconds) ‖ random (16)
    tag       = HMAC-SHA-256(secret, "handshaker/v1/challenge" ‖ body ‖ binding)

`binding` ties a challenge to something that both sides know and the challenge need not carry: the device key of a
session. The body has one length, so that nothing can move between it and the binding. Every bit of a challenge is
under the tag or is the tag: a challenge has one encoding, and its SHA-256 names it when it is spent.
"""

import hashlib
import hmac
import struct
from dataclasses import dataclass, field
from typing import NewType

from handshaker_common.clock import Clock
from handshaker_common.entropy import Entropy

ChallengeSecret = NewType("ChallengeSecret", bytes)
"""Key of the tags, at least 32 bytes, the same in every process of auth."""

LABEL = b"handshaker/v1/challenge"
VERSION = 1
RANDOM_SIZE = 16
TAG_SIZE = 32
LIFETIME_SECONDS = 600
# A spent challenge is remembered until the end of the ten minutes in which it expires: the table need not tell when
# exactly somebody called.
REMEMBERED_IN_STEPS_OF_SECONDS = 600

_BODY = struct.Struct(f">BBBQ{RANDOM_SIZE}s")
CHALLENGE_SIZE = _BODY.size + TAG_SIZE


@dataclass(frozen=True)
class Spend:
    """What is kept of a challenge that was used: its digest, and until when a second use must be recognised."""

    digest: bytes = field(repr=False)
    remember_until: int


@dataclass(frozen=True)
class Challenge:
    """A genuine, unexpired challenge of this server."""

    kind: int
    difficulty_bits: int
    spend: Spend


class Challenges:
    """Makes challenges and recognises them.

    Args:
        secret: key of the tags.
        clock: tells the time of expiry.
        entropy: makes challenges unique.
    """

    def __init__(self, secret: ChallengeSecret, clock: Clock, entropy: Entropy) -> None:
        self._secret = secret
        self._clock = clock
        self._entropy = entropy

    def issue(self, kind: int, difficulty_bits: int, binding: bytes = b"") -> bytes:
        """A new challenge of `kind` (0..255), good for LIFETIME_SECONDS and for one use."""
        expires_at = int(self._clock.now()) + LIFETIME_SECONDS
        body = _BODY.pack(VERSION, kind, difficulty_bits, expires_at, self._entropy(RANDOM_SIZE))
        return body + self._tag(body, binding)

    def recognise(self, challenge: bytes, binding: bytes = b"") -> Challenge | None:
        """What `challenge` says, or None for anything that is not ours, is bound to something else, or has expired."""
        body, tag = challenge[: _BODY.size], challenge[_BODY.size :]
        genuine = hmac.compare_digest(tag, self._tag(body, binding))
        if not genuine or len(challenge) != CHALLENGE_SIZE:
            return None
        version, kind, difficulty_bits, expires_at, _ = _BODY.unpack(body)
        if version != VERSION or self._clock.now() >= expires_at:
            return None
        steps = -(-expires_at // REMEMBERED_IN_STEPS_OF_SECONDS)
        spend = Spend(hashlib.sha256(challenge).digest(), steps * REMEMBERED_IN_STEPS_OF_SECONDS)
        return Challenge(kind, difficulty_bits, spend)

    def _tag(self, body: bytes, binding: bytes) -> bytes:
        return hmac.digest(self._secret, LABEL + body + binding, "sha256")
