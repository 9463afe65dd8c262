"""Epochs of the sparse post-quantum ratchet: their keys, and the ML-KEM-768 exchange that leads to the next one."""

from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from typing import ClassVar, Self

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.constant_time import bytes_eq
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from handshaker_core.errors import BadKey
from handshaker_core.protocol.keys import SecretBytes, SharedSecret
from handshaker_core.protocol.labels import Label
from handshaker_core.protocol.pq_chunks import PAYLOAD_SIZE
from handshaker_core.protocol.randomness import Randomness
from handshaker_core.protocol.wire import Reader, u32

ENCAPSULATION_KEY_SIZE = 1_184
CIPHERTEXT_SIZE = 1_088
CONFIRMATION_SIZE = 32

MAX_EPOCH = 2**32 - 1


class Role(IntEnum):
    """Which side of PQXDH a side of the session was."""

    INITIATOR = 1
    RESPONDER = 2

    @property
    def other(self) -> "Role":
        """The peer's role."""
        return Role.RESPONDER if self is Role.INITIATOR else Role.INITIATOR


def begins_after(epoch: int) -> Role:
    """Who begins the exchange that ends this epoch: the sides take turns, so each brings fresh secrets of its own."""
    return Role.RESPONDER if epoch % 2 else Role.INITIATOR


class PqRoot(SecretBytes):
    """Chains an epoch to the next: whoever lacks one of them lacks all that follow, until an exchange is unknown."""

    __slots__ = ()


class PqMessageSalt(SecretBytes):
    """One direction's key of an epoch: the HKDF salt that every message key of the Double Ratchet is expanded with."""

    __slots__ = ()


class PqSharedSecret(SecretBytes):
    """What an ML-KEM-768 encapsulation agreed on."""

    __slots__ = ()


class PqDecapsulationSeed(SecretBytes):
    """The ML-KEM-768 private key of one exchange (d || z of FIPS 203)."""

    __slots__ = ()
    SIZE: ClassVar[int] = 64


@dataclass(frozen=True, slots=True)
class EpochKeys:
    """Everything secret of one epoch.

    Attributes:
        root: input to the next epoch's derivation.
        initiator: salt of what the initiator sends.
        responder: salt of what the responder sends.
    """

    root: PqRoot
    initiator: PqMessageSalt
    responder: PqMessageSalt

    def salt(self, sender: Role) -> PqMessageSalt:
        """The salt of what this side sends."""
        return self.initiator if sender is Role.INITIATOR else self.responder

    def encode(self) -> bytes:
        """Root || the initiator's salt || the responder's salt (96 bytes); secret."""
        return self.root.raw + self.initiator.raw + self.responder.raw

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """The inverse of `encode`."""
        return cls(
            PqRoot(reader.take(PqRoot.SIZE)),
            PqMessageSalt(reader.take(PqMessageSalt.SIZE)),
            PqMessageSalt(reader.take(PqMessageSalt.SIZE)),
        )


_KEYS_SIZE = PqRoot.SIZE + 2 * PqMessageSalt.SIZE


def first_epoch(secret: SharedSecret) -> EpochKeys:
    """Epoch 0: HKDF-SHA256(salt 0^32, SK, PQ_RATCHET_START, 96), post-quantum because PQXDH is."""
    output = HKDF(SHA256(), _KEYS_SIZE, None, Label.PQ_RATCHET_START.value).derive(secret.raw)
    return _split(output)


@dataclass(frozen=True, slots=True, repr=False)
class KeyPair:
    """The beginner's key pair of one exchange.

    Attributes:
        seed: the private half.
        public: the encapsulation key, 1,184 bytes; kept, since making it again costs as much as an encapsulation.
    """

    seed: PqDecapsulationSeed
    public: bytes

    @classmethod
    def generate(cls, rng: Randomness) -> Self:
        """A fresh pair."""
        seed = PqDecapsulationSeed(rng(PqDecapsulationSeed.SIZE))
        return cls(seed, MLKEM768PrivateKey.from_seed_bytes(seed.raw).public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return "KeyPair(<redacted>)"


def check_encapsulation_key(public: bytes) -> None:
    """Raises: BadKey, if this is no encapsulation key (FIPS 203, section 7.2: its coefficients have to be reduced)."""
    try:
        MLKEM768PublicKey.from_public_bytes(public)
    except ValueError:
        raise BadKey from None


def answer(root: PqRoot, epoch: int, public: bytes) -> tuple[EpochKeys, bytes]:
    """Encapsulate to the beginner's key.

    Args:
        root: of the current epoch.
        epoch: the one to come.
        public: an encapsulation key that `check_encapsulation_key` has let pass.

    Returns:
        The coming epoch's keys, and the payload that lets the beginner derive them: ciphertext (1,088 bytes) ||
        confirmation (32) || zeros (64).
    """
    shared, ciphertext = MLKEM768PublicKey.from_public_bytes(public).encapsulate()
    keys, confirmation = _derive(root, epoch, PqSharedSecret(shared), public, ciphertext)
    return keys, (ciphertext + confirmation).ljust(PAYLOAD_SIZE, b"\x00")


def complete(root: PqRoot, epoch: int, pair: KeyPair, payload: bytes) -> EpochKeys | None:
    """Decapsulate what the peer answered.

    Returns:
        The coming epoch's keys; None if the peer does not have the same ones. ML-KEM rejects implicitly, so only the
        confirmation tells, and without it both ends would go on with different keys and never understand each other.
    """
    ciphertext, rest = payload[:CIPHERTEXT_SIZE], payload[CIPHERTEXT_SIZE:]
    shared = PqSharedSecret(MLKEM768PrivateKey.from_seed_bytes(pair.seed.raw).decapsulate(ciphertext))
    keys, confirmation = _derive(root, epoch, shared, pair.public, ciphertext)
    return keys if bytes_eq(rest, confirmation.ljust(len(rest), b"\x00")) else None


def _derive(
    root: PqRoot, epoch: int, shared: PqSharedSecret, public: bytes, ciphertext: bytes
) -> tuple[EpochKeys, bytes]:
    """HKDF-SHA256(salt root, SS, PQ_RATCHET_EPOCH || epoch || SHA-256(ek) || SHA-256(ct), 128): keys, confirmation."""
    info = Label.PQ_RATCHET_EPOCH.value + u32(epoch) + sha256(public).digest() + sha256(ciphertext).digest()
    output = HKDF(SHA256(), _KEYS_SIZE + CONFIRMATION_SIZE, root.raw, info).derive(shared.raw)
    return _split(output[:_KEYS_SIZE]), output[_KEYS_SIZE:]


def _split(output: bytes) -> EpochKeys:
    root, initiator, responder = output[:32], output[32:64], output[64:]
    return EpochKeys(PqRoot(root), PqMessageSalt(initiator), PqMessageSalt(responder))
