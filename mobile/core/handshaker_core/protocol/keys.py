"""Distinct, frozen types for keys, so that the type checker refuses a key in a role that is not its own.

Private ones never show their bytes in a repr. Comparing them is for tests and stores; no decision depends on it.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import ClassVar, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from handshaker_core.errors import BadKey, BadSignature, LowOrderPoint
from handshaker_core.protocol import curve25519
from handshaker_core.protocol.labels import Label
from handshaker_core.protocol.randomness import Randomness, system_randomness

SIGNATURE_SIZE = 64
MAX_KEY_ID = 2**32 - 1


class KeyType(IntEnum):
    """The type byte that stands before a public key wherever it is signed or authenticated."""

    IDENTITY = 1
    SIGNED_PREKEY = 2
    ONE_TIME_PREKEY = 3
    KEM_PREKEY = 4
    LAST_RESORT_KEM_PREKEY = 5
    SEAL_KEY = 6
    DEVICE_IDENTITY = 7


@dataclass(frozen=True, slots=True, repr=False)
class SecretBytes:
    """A secret of a fixed number of bytes. Subclasses give it a role.

    Raises:
        BadKey: the length is wrong.
    """

    raw: bytes
    SIZE: ClassVar[int] = 32

    def __post_init__(self) -> None:
        if len(self.raw) != self.SIZE:
            raise BadKey

    def __repr__(self) -> str:
        return f"{type(self).__name__}(<redacted>)"


class RootKey(SecretBytes):
    """Key of the root chain (Double Ratchet, section 2.3)."""

    __slots__ = ()


class ChainKey(SecretBytes):
    """Key of a sending or receiving chain (Double Ratchet, section 2.2)."""

    __slots__ = ()


class MessageKey(SecretBytes):
    """Seed of one message's AEAD key; the optional post-quantum salt is mixed in when it is used."""

    __slots__ = ()


class SharedSecret(SecretBytes):
    """Output of PQXDH, the first root key of a session."""

    __slots__ = ()


class ExportedSecret(SecretBytes):
    """What both ends of one message export from its message key, for a purpose outside the conversation."""

    __slots__ = ()


class X25519PrivateKey(SecretBytes):
    """An X25519 private key of the role given by the object that holds it."""

    __slots__ = ("_loaded",)
    _loaded: x25519.X25519PrivateKey

    @classmethod
    def generate(cls, rng: Randomness) -> Self:
        """A fresh private key."""
        return cls(rng(curve25519.KEY_SIZE))

    def public(self) -> "X25519PublicKey":
        """Its public half."""
        return X25519PublicKey(self._load().public_key().public_bytes_raw())

    def agree(self, public: "X25519PublicKey") -> bytes:
        """The shared secret (32 bytes), RFC 7748 section 6.1.

        Raises:
            LowOrderPoint: the shared secret would be zero.
        """
        try:
            return self._load().exchange(x25519.X25519PublicKey.from_public_bytes(public.raw))
        except ValueError:
            raise LowOrderPoint from None

    def _load(self) -> x25519.X25519PrivateKey:
        # OpenSSL computes the public half on loading, which costs as much as an agreement: once per key is enough.
        try:
            return self._loaded
        except AttributeError:
            loaded = x25519.X25519PrivateKey.from_private_bytes(self.raw)
            object.__setattr__(self, "_loaded", loaded)
            return loaded


@dataclass(frozen=True, slots=True)
class X25519PublicKey:
    """A public key for key agreement (32 bytes), reduced and not of low order.

    Raises:
        BadKey, LowOrderPoint.
    """

    raw: bytes

    def __post_init__(self) -> None:
        curve25519.check_x25519_public(self.raw)


@dataclass(frozen=True, slots=True)
class RatchetKeyPair:
    """One side's current key pair of the Diffie-Hellman ratchet, or PQXDH's ephemeral base key."""

    private: X25519PrivateKey
    public: X25519PublicKey

    @classmethod
    def generate(cls, rng: Randomness) -> Self:
        """A fresh pair."""
        private = X25519PrivateKey.generate(rng)
        return cls(private, private.public())


@dataclass(frozen=True, slots=True)
class _SigningPublicKey:
    """An Ed25519 public key (32 bytes) and its X25519 image. Subclasses give it a role.

    Raises:
        BadKey, LowOrderPoint.
    """

    raw: bytes
    x25519: X25519PublicKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "x25519", X25519PublicKey(curve25519.x25519_public_from_ed25519(self.raw)))

    def verify(self, label: Label, content: bytes, signature: bytes) -> None:
        """Check the key's signature (64 bytes) over label || content.

        Raises:
            BadSignature.
        """
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, label.value + content)
        except (InvalidSignature, ValueError):
            raise BadSignature from None


class IdentityPublicKey(_SigningPublicKey):
    """A person's long-term public key: what safety numbers compare and contact addresses name."""

    __slots__ = ()


class DeviceIdentityPublicKey(_SigningPublicKey):
    """The long-term public key of one device of a person; means something only with a certificate of the identity."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, repr=False)
class _SigningSeed:
    """An Ed25519 seed (32 bytes) that also agrees on keys by its X25519 image. Subclasses give it a role."""

    seed: bytes
    x25519_private: X25519PrivateKey = field(init=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.seed) != curve25519.KEY_SIZE:
            raise BadKey
        agreement = X25519PrivateKey(curve25519.x25519_private_from_ed25519_seed(self.seed))
        object.__setattr__(self, "x25519_private", agreement)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(<redacted>)"

    @classmethod
    def generate(cls, rng: Randomness = system_randomness) -> Self:
        """A fresh pair."""
        return cls(rng(curve25519.KEY_SIZE))

    def sign(self, label: Label, content: bytes) -> bytes:
        """Signature (64 bytes) over label || content."""
        return Ed25519PrivateKey.from_private_bytes(self.seed).sign(label.value + content)

    def _public_bytes(self) -> bytes:
        return Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw()


@dataclass(frozen=True, slots=True, repr=False)
class IdentityKeyPair(_SigningSeed):
    """A person's long-term key pair. It certifies devices and signs addresses; it never agrees on a session's keys."""

    public: IdentityPublicKey = field(init=False, compare=False)

    def __post_init__(self) -> None:
        _SigningSeed.__post_init__(self)
        object.__setattr__(self, "public", IdentityPublicKey(self._public_bytes()))


@dataclass(frozen=True, slots=True, repr=False)
class DeviceIdentityKeyPair(_SigningSeed):
    """The long-term key pair of one device: IK of PQXDH, signs the device's prekeys, never leaves the device."""

    public: DeviceIdentityPublicKey = field(init=False, compare=False)

    def __post_init__(self) -> None:
        _SigningSeed.__post_init__(self)
        object.__setattr__(self, "public", DeviceIdentityPublicKey(self._public_bytes()))


def check_key_id(key_id: int) -> None:
    """A key id is 1 ... 2**32-1; 0 means "none" in protobuf and is refused.

    Raises:
        BadKey.
    """
    if not 1 <= key_id <= MAX_KEY_ID:
        raise BadKey("A key id must be between 1 and 4,294,967,295.")
