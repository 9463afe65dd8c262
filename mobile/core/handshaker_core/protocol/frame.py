"""Mailbox frames: what the relay sees. Two exact sizes, a version, and a sealed envelope to the end, all alike.

Who writes, to which session and how much is inside the envelope (`sealed_sender`), and padding is inside the ratchet's
encryption, so that neither the kind nor the size of the content shows anywhere.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from handshaker_core.errors import MalformedFrame, UnsupportedVersion
from handshaker_core.protocol.wire import u8

FRAME_VERSION = 1
PREFIX_SIZE = 1


class FrameSize(IntEnum):
    """The only two lengths of a frame, in bytes."""

    SMALL = 2_048
    LARGE = 16_384


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame of this version; `sealed` reaches to its end."""

    sealed: bytes

    def encode(self) -> bytes:
        """The frame's bytes, of one of the two sizes. Raises: MalformedFrame."""
        encoded = u8(FRAME_VERSION) + self.sealed
        if len(encoded) not in tuple(FrameSize):
            raise MalformedFrame
        return encoded

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises: MalformedFrame, UnsupportedVersion."""
        if len(data) not in tuple(FrameSize):
            raise MalformedFrame
        if data[0] != FRAME_VERSION:
            raise UnsupportedVersion
        return cls(data[PREFIX_SIZE:])
