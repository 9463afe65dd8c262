"""Prekeys: what a device publishes so that others can start a session while it is offline (PQXDH, section 3.2).

Each kind has a public half, which travels in a bundle, and a private half with a byte form for the encrypted store.
Signatures cover type byte || key id || public key, so that no key can be passed off as one of another kind or id.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar, Self

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM1024PrivateKey, MLKEM1024PublicKey

from handshaker_core.errors import BadKey, MalformedState
from handshaker_core.protocol.curve25519 import KEY_SIZE
from handshaker_core.protocol.keys import (
    SIGNATURE_SIZE,
    DeviceIdentityKeyPair,
    DeviceIdentityPublicKey,
    KeyType,
    RatchetKeyPair,
    SecretBytes,
    X25519PrivateKey,
    X25519PublicKey,
    check_key_id,
)
from handshaker_core.protocol.labels import Label
from handshaker_core.protocol.randomness import Randomness
from handshaker_core.protocol.wire import Reader, u8, u32

KEM_PUBLIC_SIZE = 1568
KEM_CIPHERTEXT_SIZE = 1568
KEM_SEED_SIZE = 64


def signed_content(key_type: KeyType, key_id: int, public: bytes) -> bytes:
    """What a device signs for a public key: type byte || key id (4 bytes) || public key."""
    return u8(key_type) + u32(key_id) + public


def _check_signature_size(signature: bytes) -> None:
    if len(signature) != SIGNATURE_SIZE:
        raise BadKey("A signature must have 64 bytes.")


@dataclass(frozen=True, slots=True)
class SignedPreKeyPublic:
    """The medium-term X25519 prekey as published. Its form is checked here, its signature by `verify`."""

    key_id: int
    public: X25519PublicKey
    signature: bytes

    def __post_init__(self) -> None:
        check_key_id(self.key_id)
        _check_signature_size(self.signature)

    def verify(self, device: DeviceIdentityPublicKey) -> None:
        """Raises: BadSignature."""
        content = signed_content(KeyType.SIGNED_PREKEY, self.key_id, self.public.raw)
        device.verify(Label.PREKEY_SIGNATURE, content, self.signature)


@dataclass(frozen=True, slots=True)
class OneTimePreKeyPublic:
    """A one-time X25519 prekey as published; unsigned, as in the specification."""

    key_id: int
    public: X25519PublicKey

    def __post_init__(self) -> None:
        check_key_id(self.key_id)


@lru_cache(maxsize=8)
def loaded_kem_key(public: bytes) -> MLKEM1024PublicKey:
    """An ML-KEM-1024 key (1,568 bytes), checked and expanded once for reading a bundle and using it. Raises: BadKey."""
    try:
        return MLKEM1024PublicKey.from_public_bytes(public)
    except ValueError:
        raise BadKey from None


@dataclass(frozen=True, slots=True)
class KemPreKeyPublic:
    """An ML-KEM-1024 prekey as published (1,568 bytes), one-time or last-resort; the signature covers which."""

    key_id: int
    public: bytes
    signature: bytes
    last_resort: bool

    def __post_init__(self) -> None:
        check_key_id(self.key_id)
        _check_signature_size(self.signature)
        loaded_kem_key(self.public)

    @property
    def key_type(self) -> KeyType:
        """The type byte under which it is signed and authenticated."""
        return KeyType.LAST_RESORT_KEM_PREKEY if self.last_resort else KeyType.KEM_PREKEY

    def verify(self, device: DeviceIdentityPublicKey) -> None:
        """Raises: BadSignature."""
        device.verify(Label.PREKEY_SIGNATURE, signed_content(self.key_type, self.key_id, self.public), self.signature)


@dataclass(frozen=True, slots=True)
class SignedPreKey:
    """The private half of the medium-term X25519 prekey; replaced on a schedule, the old one kept for a while."""

    key_id: int
    pair: RatchetKeyPair
    signature: bytes

    def __post_init__(self) -> None:
        check_key_id(self.key_id)
        _check_signature_size(self.signature)

    @classmethod
    def generate(cls, device: DeviceIdentityKeyPair, key_id: int, rng: Randomness) -> Self:
        """A fresh prekey signed by `device`."""
        check_key_id(key_id)
        pair = RatchetKeyPair.generate(rng)
        content = signed_content(KeyType.SIGNED_PREKEY, key_id, pair.public.raw)
        return cls(key_id, pair, device.sign(Label.PREKEY_SIGNATURE, content))

    @property
    def public(self) -> SignedPreKeyPublic:
        """What is published."""
        return SignedPreKeyPublic(self.key_id, self.pair.public, self.signature)

    def to_bytes(self) -> bytes:
        """Type byte || key id || private key || signature (101 bytes), for the encrypted store."""
        return u8(KeyType.SIGNED_PREKEY) + u32(self.key_id) + self.pair.private.raw + self.signature

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Raises: MalformedState."""
        reader = _open_stored(data, KeyType.SIGNED_PREKEY)
        key_id = _stored_key_id(reader)
        private = X25519PrivateKey(reader.take(KEY_SIZE))
        signature = reader.take(SIGNATURE_SIZE)
        reader.end()
        return cls(key_id, RatchetKeyPair(private, private.public()), signature)


@dataclass(frozen=True, slots=True)
class OneTimePreKey:
    """The private half of a one-time X25519 prekey; deleted when a handshake has used it."""

    key_id: int
    private: X25519PrivateKey

    def __post_init__(self) -> None:
        check_key_id(self.key_id)

    @classmethod
    def generate(cls, key_id: int, rng: Randomness) -> Self:
        """A fresh prekey."""
        return cls(key_id, X25519PrivateKey.generate(rng))

    @property
    def public(self) -> OneTimePreKeyPublic:
        """What is published."""
        return OneTimePreKeyPublic(self.key_id, self.private.public())

    def to_bytes(self) -> bytes:
        """Type byte || key id || private key (37 bytes), for the encrypted store."""
        return u8(KeyType.ONE_TIME_PREKEY) + u32(self.key_id) + self.private.raw

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Raises: MalformedState."""
        reader = _open_stored(data, KeyType.ONE_TIME_PREKEY)
        key_id = _stored_key_id(reader)
        private = X25519PrivateKey(reader.take(KEY_SIZE))
        reader.end()
        return cls(key_id, private)


class KemSeed(SecretBytes):
    """The seed (d || z of FIPS 203, 64 bytes) from which an ML-KEM key pair is made."""

    __slots__ = ()
    SIZE = KEM_SEED_SIZE


@dataclass(frozen=True, slots=True)
class _KemPreKeyPrivate:
    """What the two kinds of private ML-KEM-1024 prekey share; neither kind is accepted where the other is asked for."""

    key_id: int
    seed: KemSeed
    signature: bytes
    public_bytes: bytes = field(init=False, repr=False, compare=False)

    KEY_TYPE: ClassVar[KeyType]

    def __post_init__(self) -> None:
        check_key_id(self.key_id)
        _check_signature_size(self.signature)
        object.__setattr__(self, "public_bytes", _kem_public(self.seed))

    @classmethod
    def generate(cls, device: DeviceIdentityKeyPair, key_id: int, rng: Randomness) -> Self:
        """A fresh prekey signed by `device`."""
        check_key_id(key_id)
        seed = KemSeed(rng(KEM_SEED_SIZE))
        content = signed_content(cls.KEY_TYPE, key_id, _kem_public(seed))
        return cls(key_id, seed, device.sign(Label.PREKEY_SIGNATURE, content))

    @property
    def public(self) -> KemPreKeyPublic:
        """What is published."""
        last_resort = self.KEY_TYPE is KeyType.LAST_RESORT_KEM_PREKEY
        return KemPreKeyPublic(self.key_id, self.public_bytes, self.signature, last_resort)

    def to_bytes(self) -> bytes:
        """Type byte || key id || seed || signature (133 bytes), for the encrypted store."""
        return u8(self.KEY_TYPE) + u32(self.key_id) + self.seed.raw + self.signature

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Raises: MalformedState."""
        reader = _open_stored(data, cls.KEY_TYPE)
        key_id = _stored_key_id(reader)
        seed, signature = KemSeed(reader.take(KEM_SEED_SIZE)), reader.take(SIGNATURE_SIZE)
        reader.end()
        return cls(key_id, seed, signature)


class KemPreKey(_KemPreKeyPrivate):
    """The private half of a one-time ML-KEM-1024 prekey; deleted when a handshake has used it."""

    __slots__ = ()
    KEY_TYPE = KeyType.KEM_PREKEY


class LastResortKemPreKey(_KemPreKeyPrivate):
    """The ML-KEM-1024 prekey that serves when no one-time one is left; replaced on a schedule, not on use."""

    __slots__ = ()
    KEY_TYPE = KeyType.LAST_RESORT_KEM_PREKEY


def _kem_public(seed: KemSeed) -> bytes:
    return MLKEM1024PrivateKey.from_seed_bytes(seed.raw).public_key().public_bytes_raw()


def _open_stored(data: bytes, expected: KeyType) -> Reader:
    reader = Reader(data, MalformedState)
    if reader.u8() != expected:
        raise MalformedState
    return reader


def _stored_key_id(reader: Reader) -> int:
    key_id = reader.u32()
    if key_id == 0:
        raise MalformedState
    return key_id
