"""The header of a ratchet message (Double Ratchet, section 3.1)."""

from dataclasses import dataclass
from typing import Self

from handshaker_core.errors import MalformedFrame
from handshaker_core.protocol.curve25519 import KEY_SIZE
from handshaker_core.protocol.keys import X25519PublicKey
from handshaker_core.protocol.wire import Reader, u32

HEADER_SIZE = KEY_SIZE + 4 + 4
"""Without the header of the post-quantum ratchet, whose size is the framing's matter."""


@dataclass(frozen=True, slots=True)
class Header:
    """What the recipient needs to find the message key.

    Attributes:
        ratchet_key: the sender's current ratchet public key (DH).
        previous_chain_length: number of messages in the sender's previous sending chain (PN).
        number: the message's number in its chain, from 0 (N).
        post_quantum: the encoded header of the post-quantum ratchet; empty where there is none.
    """

    ratchet_key: X25519PublicKey
    previous_chain_length: int
    number: int
    post_quantum: bytes = b""

    def encode(self) -> bytes:
        """Ratchet key (32 bytes) || previous chain length (4) || number (4) || post-quantum header."""
        return self.ratchet_key.raw + u32(self.previous_chain_length) + u32(self.number) + self.post_quantum

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises: MalformedFrame, BadKey, LowOrderPoint."""
        reader = Reader(data, MalformedFrame)
        return cls(X25519PublicKey(reader.take(KEY_SIZE)), reader.u32(), reader.u32(), reader.rest())
