"""KDF chains (Double Ratchet, sections 2.1 and 2.2): one-way steps that yield a key and replace their own."""

from dataclasses import dataclass

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from handshaker_core.errors import ChainExhausted
from handshaker_core.protocol.keys import ChainKey, MessageKey, RootKey

MAX_MESSAGE_NUMBER = 2**32 - 1

_MESSAGE_KEY_CONSTANT = b"\x01"
_CHAIN_KEY_CONSTANT = b"\x02"


@dataclass(frozen=True, slots=True)
class KdfChain:
    """A sending or receiving chain.

    Attributes:
        key: the current chain key.
        length: number of steps taken, which is the number of the next message.
    """

    key: ChainKey
    length: int = 0

    def step(self) -> tuple["KdfChain", MessageKey]:
        """KDF_CK: the chain after one step, and the message key of that step.

        Raises:
            ChainExhausted: the chain has used every message number.
        """
        if self.length >= MAX_MESSAGE_NUMBER:
            raise ChainExhausted
        message_key = MessageKey(_hmac(self.key, _MESSAGE_KEY_CONSTANT))
        return KdfChain(ChainKey(_hmac(self.key, _CHAIN_KEY_CONSTANT)), self.length + 1), message_key

    def forward(self, steps: int) -> "KdfChain":
        """The chain after so many steps whose message keys nobody will need."""
        key = self.key
        for _ in range(steps):
            key = ChainKey(_hmac(key, _CHAIN_KEY_CONSTANT))
        return KdfChain(key, self.length + steps)


def root_step(root: RootKey, agreed: bytes, info: bytes) -> tuple[RootKey, ChainKey]:
    """KDF_RK: HKDF-SHA256 with the root key as salt and a DH output (32 bytes) as input; new root key, chain key."""
    output = HKDF(SHA256(), RootKey.SIZE + ChainKey.SIZE, root.raw, info).derive(agreed)
    return RootKey(output[: RootKey.SIZE]), ChainKey(output[RootKey.SIZE :])


def message_key_material(key: MessageKey, salt: bytes | None, info: bytes, size: int) -> bytes:
    """Expand a message key to AEAD key material; `salt` is the place of a post-quantum message key.

    Args:
        key: from the chain.
        salt: 32 bytes, or None for a session without a post-quantum ratchet (zeros, RFC 5869).
        info: the profile's label.
        size: number of bytes the AEAD wants.
    """
    return HKDF(SHA256(), size, salt, info).derive(key.raw)


def _hmac(key: ChainKey, data: bytes) -> bytes:
    mac = HMAC(key.raw, SHA256())
    mac.update(data)
    return mac.finalize()
