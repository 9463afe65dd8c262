"""The passive half of libsignal's sparse post-quantum ratchet (SPQR): its framing, and the key chains of epoch 0.

We never offer a key of our own, so the session stays in epoch 0; libsignal repeats the header of its first key for good.
Every message nevertheless takes a key from these chains, which is the salt of its message key.
"""

from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from handshaker_core.errors import MalformedFrame

from libsignal.wire import varint

_FIRST_EPOCH = 1
_NOTHING = 0


def _derive(key: bytes, info: bytes, size: int) -> bytes:
    return HKDF(SHA256(), size, bytes(32), info).derive(key)


@dataclass(frozen=True)
class Chain:
    """The keys of one direction; message `index` counts from 1 and goes on through every ratchet step."""

    key: bytes
    index: int = 0

    def step(self) -> tuple["Chain", bytes]:
        index = self.index + 1
        output = _derive(self.key, index.to_bytes(4, "big") + b"Signal PQ Ratchet V1 Chain Next", 64)
        return Chain(output[:32], index), output[32:]


@dataclass(frozen=True)
class PassiveSpqr:
    """Both directions, and the keys of messages that have not arrived."""

    sending: Chain
    receiving: Chain
    waiting: dict[int, bytes]

    @classmethod
    def start(cls, secret: bytes, *, initiator: bool) -> "PassiveSpqr":
        """From the 32 bytes that PQXDH derives for this ratchet."""
        output = _derive(secret, b"Signal PQ Ratchet V1 Chain  Start", 96)
        forth, back = Chain(output[32:64]), Chain(output[64:])
        return cls(forth, back, {}) if initiator else cls(back, forth, {})

    def send(self) -> tuple["PassiveSpqr", bytes, bytes]:
        """The new state, what goes into the message, and the salt."""
        chain, salt = self.sending.step()
        message = b"\x01" + varint(_FIRST_EPOCH) + varint(chain.index) + bytes([_NOTHING])
        return replace(self, sending=chain), message, salt

    def receive(self, message: bytes) -> tuple["PassiveSpqr", bytes | None]:
        """The state after the message, and its salt; None if that was used before."""
        index = _read_index(message)
        chain, waiting = self.receiving, dict(self.waiting)
        while chain.index < index:
            chain, key = chain.step()
            waiting[chain.index] = key
        salt = waiting.pop(index, None)
        return replace(self, receiving=chain, waiting=waiting), salt


def _read_index(message: bytes) -> int:
    """Version 1, epoch as a variable-length number, index as another."""
    if message[:2] != bytes([1, _FIRST_EPOCH]):
        raise MalformedFrame
    value = 0
    for shift, byte in zip(range(0, 35, 7), message[2:], strict=False):
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value
    raise MalformedFrame
