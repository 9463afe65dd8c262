"""What is kept of earlier epochs, so that a message that was overtaken on its way can still be read."""

from dataclasses import dataclass
from typing import Self

from handshaker_core.errors import MalformedState
from handshaker_core.protocol.pq_epoch import PqMessageSalt
from handshaker_core.protocol.wire import Reader, u16, u64

MAX_PAST_EPOCHS = 250
"""Earlier epochs whose messages can still be read.

Each epoch takes at least eight messages of either side, so a message that fewer than 2,000 later ones of its sender
have overtaken finds its epoch, which is as far as the Double Ratchet keeps keys.
"""

_TIME_SIZE = 8
_ENTRY_SIZE = PqMessageSalt.SIZE + _TIME_SIZE


@dataclass(frozen=True, slots=True, repr=False)
class PastEpochs:
    """Salts of messages that the peer sent in the epochs just before the current one, without a gap.

    Attributes:
        raw: for each, oldest first: salt (32 bytes) || when it ended (8 bytes, seconds). One string, since there may be
            hundreds and every message reads and writes them.
    """

    raw: bytes = b""

    def __repr__(self) -> str:
        return f"PastEpochs(<{len(self)} redacted>)"

    def __len__(self) -> int:
        return len(self.raw) // _ENTRY_SIZE

    def salt(self, behind: int) -> PqMessageSalt:
        """The salt of the epoch that many before the current one (1 ... the number of epochs)."""
        begin = len(self.raw) - behind * _ENTRY_SIZE
        return PqMessageSalt(self.raw[begin : begin + PqMessageSalt.SIZE])

    def with_added(self, salt: PqMessageSalt, ended_at: int) -> Self:
        """The epoch that ends now, without the oldest one if there are too many."""
        return type(self)(self.raw + salt.raw + u64(ended_at)).newest(MAX_PAST_EPOCHS)

    def newest(self, count: int) -> Self:
        """At most so many, the newest."""
        return self if len(self) <= count else type(self)(self.raw[len(self.raw) - count * _ENTRY_SIZE :])

    def without_older(self, ended_before: int) -> Self:
        """Without those that ended before that time."""
        count = len(self)
        while count and self._ended_at(len(self) - count) < ended_before:
            count -= 1
        return self.newest(count)

    def clock_set_back(self, now: int) -> Self:
        """The clock was set back: nothing ended later than now."""
        entries = [self.raw[begin : begin + _ENTRY_SIZE] for begin in range(0, len(self.raw), _ENTRY_SIZE)]
        # Equal sizes and unsigned: bytes compare as the numbers do.
        return type(self)(b"".join(e[: PqMessageSalt.SIZE] + min(e[PqMessageSalt.SIZE :], u64(now)) for e in entries))

    def encode(self) -> bytes:
        """Count (2 bytes) || the entries; secret."""
        return u16(len(self)) + self.raw

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """The inverse of `encode`. Raises: MalformedState."""
        count = reader.u16()
        if count > MAX_PAST_EPOCHS:
            raise MalformedState
        return cls(reader.take(count * _ENTRY_SIZE))

    def _ended_at(self, index: int) -> int:
        end = (index + 1) * _ENTRY_SIZE
        return int.from_bytes(self.raw[end - _TIME_SIZE : end], "big")
