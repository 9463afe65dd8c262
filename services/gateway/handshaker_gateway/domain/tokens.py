"""Where access tokens stand in a request, and a memory of those that were verified."""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence

from handshaker_common.clock import Clock
from handshaker_common.identity import Identity

SCHEME = "bearer"


def bearer(headers: Sequence[str]) -> str | None:
    """The token of the one Authorization field of a request; None without exactly one of that scheme."""
    if len(headers) != 1:
        return None
    scheme, _, token = headers[0].partition(" ")
    return token if scheme.lower() == SCHEME and token and token == token.strip() else None


class TokenMemory:
    """Identities by the SHA-256 of their token until the token expires; the least recently used one goes first.

    A signature check costs more than a hundred microseconds, a look-up here a few. Tokens themselves are not kept.
    """

    def __init__(self, clock: Clock, size: int = 20_000) -> None:
        self._clock = clock
        self._size = size
        self._known: OrderedDict[bytes, tuple[Identity, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def recall(self, token: str) -> Identity | None:
        """The identity of a token that was verified before and has not expired since."""
        digest = _digest(token)
        known = self._known.get(digest)
        if known is None:
            return None
        if known[1] <= self._clock.now():
            del self._known[digest]
            return None
        self._known.move_to_end(digest)
        return known[0]

    def keep(self, token: str, identity: Identity, expires_at: float) -> None:
        """Remembers a verified token until `expires_at` (unix seconds)."""
        self._known[_digest(token)] = (identity, expires_at)
        if len(self._known) > self._size:
            self._known.popitem(last=False)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
