"""Refresh tokens and their families.

A login starts a family; every refresh replaces the family's token by a new one. A token is 32 random bytes: the first
16 are drawn once for the family, the last 16 anew for each token. The server keeps SHA-256 of the first half, by which
it finds the family, and SHA-256 of the newest whole token. That one row is enough to notice the reuse of any token the
family ever had, however old, without a history of them:

    family known, token newest   -> a new token
    family known, token not so   -> somebody holds a copy: the family ends
    family unknown, or unused for too long, or another device's -> refused

Both halves alone are beyond guessing, and none of it counts without a fresh signature by the device key.

Room for a retry window: a family that also remembered the hash of its token before last, and when it was replaced,
could answer a repeated request within seconds instead of ending.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import date, timedelta

from handshaker_common.entropy import Entropy

from handshaker_auth.domain.ids import FamilyHash, TokenHash

TOKEN_SIZE = 32
FAMILY_PART_SIZE = 16
FAMILIES_PER_DEVICE = 16
"""Logins of one device that stay open side by side; the longest unused makes room for the next."""


@dataclass(frozen=True)
class RefreshToken:
    """A refresh token, 32 bytes.

    Raises:
        ValueError: another length.
    """

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != TOKEN_SIZE:
            raise ValueError(f"A refresh token has {TOKEN_SIZE} bytes.")

    @classmethod
    def first(cls, entropy: Entropy) -> "RefreshToken":
        """The first token of a new family."""
        return cls(entropy(TOKEN_SIZE))

    def next(self, entropy: Entropy) -> "RefreshToken":
        """The token that replaces this one in its family."""
        return RefreshToken(self.secret[:FAMILY_PART_SIZE] + entropy(TOKEN_SIZE - FAMILY_PART_SIZE))

    @property
    def family_hash(self) -> FamilyHash:
        return FamilyHash(hashlib.sha256(self.secret[:FAMILY_PART_SIZE]).digest())

    @property
    def token_hash(self) -> TokenHash:
        return TokenHash(hashlib.sha256(self.secret).digest())


@dataclass(frozen=True)
class RefreshPolicy:
    """How long a family may stand unused, in days. Use is kept as a day, so the last day counts in full."""

    unused_days: int

    def oldest_use(self, today: date) -> date:
        """A family last used before this day has expired."""
        return today - timedelta(days=self.unused_days)

    @property
    def seconds(self) -> int:
        """For how long a token is good at least, in seconds."""
        return self.unused_days * 86_400
