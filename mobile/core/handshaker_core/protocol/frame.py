"""Mailbox frames: what the relay sees. Two exact sizes, a version, a type, and ciphertext to the end.

Padding is inside the encryption, so that the size of the content shows nowhere.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from handshaker_core.errors import MalformedFrame, UnsupportedVersion
from handshaker_core.protocol.header import HEADER_SIZE
from handshaker_core.protocol.padding import PADDING_OVERHEAD
from handshaker_core.protocol.pqxdh import HANDSHAKE_SIZE
from handshaker_core.protocol.profile import HANDSHAKER_V1
from handshaker_core.protocol.seal import SEAL_OVERHEAD
from handshaker_core.protocol.wire import u8

FRAME_VERSION = 1
PREFIX_SIZE = 2


class FrameSize(IntEnum):
    """The only two lengths of a frame, in bytes."""

    SMALL = 2_048
    LARGE = 16_384


class FrameType(IntEnum):
    """What a frame's body is."""

    SEALED_INITIAL = 1
    RATCHET = 2


_RATCHET_OVERHEAD = PREFIX_SIZE + HEADER_SIZE + HANDSHAKER_V1.aead.overhead + PADDING_OVERHEAD

MAX_PLAINTEXT_RATCHET_SMALL = FrameSize.SMALL - _RATCHET_OVERHEAD
"""Content bytes of a ratchet message in a small frame: 1,989."""

MAX_PLAINTEXT_RATCHET_LARGE = FrameSize.LARGE - _RATCHET_OVERHEAD
"""Content bytes of a ratchet message in a large frame: 16,325."""

MAX_PLAINTEXT_INITIAL = FrameSize.LARGE - _RATCHET_OVERHEAD - SEAL_OVERHEAD - HANDSHAKE_SIZE
"""Content bytes of a sealed initial message, which is always a large frame: 13,543."""


def prefix(frame_type: FrameType) -> bytes:
    """Version byte || type byte; also part of what is authenticated."""
    return u8(FRAME_VERSION) + u8(frame_type)


@dataclass(frozen=True, slots=True)
class Frame:
    """A parsed frame: its type, and the body, which reaches to the frame's end."""

    type: FrameType
    body: bytes

    def encode(self) -> bytes:
        """The frame's bytes, of one of the two sizes."""
        encoded = prefix(self.type) + self.body
        _check_size(self.type, len(encoded))
        return encoded

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises: MalformedFrame, UnsupportedVersion."""
        if len(data) not in tuple(FrameSize):
            raise MalformedFrame
        if data[0] != FRAME_VERSION:
            raise UnsupportedVersion
        try:
            frame_type = FrameType(data[1])
        except ValueError:
            raise MalformedFrame from None
        _check_size(frame_type, len(data))
        return cls(frame_type, data[PREFIX_SIZE:])


def _check_size(frame_type: FrameType, size: int) -> None:
    allowed = (FrameSize.LARGE,) if frame_type is FrameType.SEALED_INITIAL else tuple(FrameSize)
    if size not in allowed:
        raise MalformedFrame
