"""Headers of the sparse post-quantum ratchet, and the chunks in which an exchange travels.

An encapsulation key or a ciphertext is larger than what a message should pay for it, so every message carries one of
eight chunks, in turns and over again until the exchange has moved on: loss and reordering only cost time.
"""

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Self

from handshaker_core.errors import MalformedFrame
from handshaker_core.protocol.wire import Reader, u8, u32

CHUNK_SIZE = 148
CHUNKS = 8
PAYLOAD_SIZE = CHUNK_SIZE * CHUNKS
"""An ML-KEM-768 encapsulation key (1,184 bytes) exactly; a ciphertext with its confirmation is filled up with zeros."""

PQ_HEADER_SIZE = 4 + 1 + 1 + CHUNK_SIZE

TURNS = CHUNKS * CHUNKS
"""After so many messages the turns repeat."""

NO_CHUNK = bytes(CHUNK_SIZE)


class ChunkKind(IntEnum):
    """What a message carries for the next epoch's exchange."""

    NONE = 0
    ENCAPSULATION_KEY = 1
    CIPHERTEXT = 2


@dataclass(frozen=True, slots=True)
class PqHeader:
    """The post-quantum part of a message's header; of one size, whatever it carries.

    Attributes:
        epoch: the epoch whose key the message is encrypted with; what it carries is for the one after.
        kind: what the chunk is part of.
        index: 0 ... 7, which part; 0 for no chunk.
        chunk: 148 bytes; zeros for no chunk.

    Raises:
        MalformedFrame: a value that nobody sends.
    """

    epoch: int
    kind: ChunkKind = ChunkKind.NONE
    index: int = 0
    chunk: bytes = NO_CHUNK

    def __post_init__(self) -> None:
        if len(self.chunk) != CHUNK_SIZE or not 0 <= self.index < CHUNKS:
            raise MalformedFrame
        if self.kind is ChunkKind.NONE and (self.index or self.chunk != NO_CHUNK):
            raise MalformedFrame

    def encode(self) -> bytes:
        """Epoch (4 bytes) || kind (1) || index (1) || chunk (148)."""
        return u32(self.epoch) + u8(self.kind) + u8(self.index) + self.chunk

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises: MalformedFrame."""
        reader = Reader(data, MalformedFrame)
        epoch, kind, index, chunk = reader.u32(), reader.u8(), reader.u8(), reader.take(CHUNK_SIZE)
        reader.end()
        try:
            return cls(epoch, ChunkKind(kind), index, chunk)
        except ValueError:
            raise MalformedFrame from None


def turn(payload: bytes, position: int) -> tuple[int, bytes]:
    """Which chunk (index, bytes) of a payload is due in the message number `position` (0 ... 63) of its exchange.

    Every eight messages carry all eight chunks. Each round starts one further on, so that a loss with a period (every
    second message is a typing notice that nobody stores) does not lose the same chunks for ever.
    """
    index = (position + position // CHUNKS) % CHUNKS
    return index, payload[index * CHUNK_SIZE : (index + 1) * CHUNK_SIZE]


@dataclass(frozen=True, slots=True)
class Collected:
    """The chunks of one payload that have arrived."""

    chunks: tuple[bytes | None, ...] = (None,) * CHUNKS

    @property
    def payload(self) -> bytes | None:
        """All of it (1,184 bytes), once every chunk is there."""
        found = [chunk for chunk in self.chunks if chunk is not None]
        return b"".join(found) if len(found) == CHUNKS else None

    def with_chunk(self, index: int, chunk: bytes) -> Self:
        """One chunk more; a repeated one changes nothing.

        A chunk that contradicts an earlier one is from another payload, which an honest peer never sends in the same
        exchange. Payloads are never mixed: the newer one is collected from its beginning.
        """
        known = self.chunks[index]
        if known == chunk:
            return self
        base = self if known is None else type(self)()
        return replace(base, chunks=(*base.chunks[:index], chunk, *base.chunks[index + 1 :]))

    def encode(self) -> bytes:
        """A bit for each chunk that is there, the first one lowest (1 byte) || those chunks."""
        present = sum(1 << index for index, chunk in enumerate(self.chunks) if chunk is not None)
        return u8(present) + b"".join(chunk for chunk in self.chunks if chunk is not None)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """The inverse of `encode`."""
        present = reader.u8()
        return cls(tuple(reader.take(CHUNK_SIZE) if present >> index & 1 else None for index in range(CHUNKS)))
