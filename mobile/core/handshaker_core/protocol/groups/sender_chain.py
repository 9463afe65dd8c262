"""The symmetric chain of a sender key: one-way steps that yield a message key and replace their own key."""

import hmac
from dataclasses import dataclass
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from handshaker_core.errors import ChainExhausted
from handshaker_core.protocol.keys import SecretBytes
from handshaker_core.protocol.randomness import Randomness

MAX_ITERATION = 2**32 - 1

_MESSAGE_KEY_CONSTANT = b"\x01"
_CHAIN_KEY_CONSTANT = b"\x02"


class SenderChainKey(SecretBytes):
    """Chain key of a sender key; reads every message from its iteration on, and none before."""

    __slots__ = ()


class SenderMessageKey(SecretBytes):
    """Seed of one group message's AEAD key."""

    __slots__ = ()


class SenderSignatureKey(SecretBytes):
    """Ed25519 seed that signs the messages of one chain; made with the chain, never leaves its device."""

    __slots__ = ("_loaded",)
    _loaded: Ed25519PrivateKey

    @classmethod
    def generate(cls, rng: Randomness) -> Self:
        """A fresh key."""
        return cls(rng(cls.SIZE))

    def load(self) -> Ed25519PrivateKey:
        """The key as the library wants it; loading computes the public half, so it is done once."""
        try:
            return self._loaded
        except AttributeError:
            loaded = Ed25519PrivateKey.from_private_bytes(self.raw)
            object.__setattr__(self, "_loaded", loaded)
            return loaded


@dataclass(frozen=True, slots=True)
class SenderChain:
    """A position in a chain.

    Attributes:
        key: the current chain key.
        iteration: number of the next message, from 0.
    """

    key: SenderChainKey
    iteration: int = 0

    def step(self) -> tuple[Self, SenderMessageKey]:
        """The chain after one step, and the message key of that step.

        Raises:
            ChainExhausted: every message number is used.
        """
        if self.iteration >= MAX_ITERATION:
            raise ChainExhausted
        message_key = SenderMessageKey(hmac.digest(self.key.raw, _MESSAGE_KEY_CONSTANT, "sha256"))
        return self.forward(1), message_key

    def forward(self, steps: int) -> Self:
        """The chain after so many steps whose message keys nobody will need."""
        key = self.key.raw
        for _ in range(steps):
            key = hmac.digest(key, _CHAIN_KEY_CONSTANT, "sha256")
        return type(self)(SenderChainKey(key), self.iteration + steps)
