"""Sealing to a device's long-term hybrid key: HPKE (RFC 9180) base mode with X25519 + ML-KEM-768.

Suite: KEM MLKEM768-X25519, KDF HKDF-SHA256, AEAD AES-256-GCM. The output is encapsulated key || ciphertext.
"""

from dataclasses import dataclass, field
from functools import cache
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from handshaker_core.errors import BadKey, MalformedState, UndecryptableMessage
from handshaker_core.protocol.curve25519 import KEY_SIZE, check_x25519_public
from handshaker_core.protocol.keys import DeviceIdentityKeyPair, DeviceIdentityPublicKey, KeyType, SecretBytes
from handshaker_core.protocol.labels import Label
from handshaker_core.protocol.prekeys import KEM_SEED_SIZE, signed_content
from handshaker_core.protocol.randomness import Randomness
from handshaker_core.protocol.wire import Reader, u8

MLKEM768_PUBLIC_SIZE = 1184
SEAL_PUBLIC_SIZE = MLKEM768_PUBLIC_SIZE + KEY_SIZE
SEAL_PRIVATE_SIZE = KEM_SEED_SIZE + KEY_SIZE
ENCAPSULATED_SIZE = 1120
SEAL_OVERHEAD = ENCAPSULATED_SIZE + 16

# A seal key has no id of its own: there is one, replaced as a whole. Zero stands in the signed content.
_SEAL_KEY_ID = 0


@cache
def _suite() -> hpke.Suite:
    return hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


@dataclass(frozen=True, slots=True)
class SealPublicKey:
    """ML-KEM-768 public key (1,184 bytes) || X25519 public key (32 bytes).

    Raises:
        BadKey, LowOrderPoint.
    """

    raw: bytes
    _loaded: hpke.MLKEM768X25519PublicKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.raw) != SEAL_PUBLIC_SIZE:
            raise BadKey
        check_x25519_public(self.raw[MLKEM768_PUBLIC_SIZE:])
        kem, curve = self.raw[:MLKEM768_PUBLIC_SIZE], self.raw[MLKEM768_PUBLIC_SIZE:]
        try:
            loaded = hpke.MLKEM768X25519PublicKey(
                MLKEM768PublicKey.from_public_bytes(kem), X25519PublicKey.from_public_bytes(curve)
            )
        except ValueError:
            raise BadKey from None
        object.__setattr__(self, "_loaded", loaded)

    def verify(self, device: DeviceIdentityPublicKey, signature: bytes) -> None:
        """Raises: BadSignature."""
        content = signed_content(KeyType.SEAL_KEY, _SEAL_KEY_ID, self.raw)
        device.verify(Label.PREKEY_SIGNATURE, content, signature)

    def seal(self, plaintext: bytes, info: bytes) -> bytes:
        """Encrypt for the holder of the private key; anonymous, 1,136 bytes longer than the plaintext."""
        return _suite().encrypt(plaintext, self._loaded, info)


class _SealPrivate(SecretBytes):
    """ML-KEM-768 seed (64 bytes) || X25519 private key (32 bytes)."""

    __slots__ = ()
    SIZE = SEAL_PRIVATE_SIZE


@dataclass(frozen=True, slots=True)
class SealKeyPair:
    """A device's long-term key: every frame for the device is sealed to it."""

    private: _SealPrivate
    public: SealPublicKey
    _loaded: hpke.MLKEM768X25519PrivateKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # OpenSSL expands the seed on loading, which costs more than opening a frame: once per key is enough.
        object.__setattr__(self, "_loaded", hpke.MLKEM768X25519PrivateKey(*_load_private(self.private)))

    @classmethod
    def generate(cls, rng: Randomness) -> Self:
        """A fresh pair."""
        return cls._from_private(rng(SEAL_PRIVATE_SIZE))

    @classmethod
    def _from_private(cls, raw: bytes) -> Self:
        private = _SealPrivate(raw)
        kem, curve = _load_private(private)
        public = SealPublicKey(kem.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw())
        return cls(private, public)

    def sign(self, device: DeviceIdentityKeyPair) -> bytes:
        """The device's signature over the public key (64 bytes)."""
        content = signed_content(KeyType.SEAL_KEY, _SEAL_KEY_ID, self.public.raw)
        return device.sign(Label.PREKEY_SIGNATURE, content)

    def open(self, sealed: bytes, info: bytes) -> bytes:
        """Raises: UndecryptableMessage."""
        try:
            return _suite().decrypt(sealed, self._loaded, info)
        except (InvalidTag, ValueError):
            raise UndecryptableMessage from None

    def to_bytes(self) -> bytes:
        """Type byte || private key (97 bytes), for the encrypted store."""
        return u8(KeyType.SEAL_KEY) + self.private.raw

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Raises: MalformedState."""
        reader = Reader(data, MalformedState)
        if reader.u8() != KeyType.SEAL_KEY:
            raise MalformedState
        raw = reader.take(SEAL_PRIVATE_SIZE)
        reader.end()
        return cls._from_private(raw)


def _load_private(private: _SealPrivate) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
    seed, curve = private.raw[:KEM_SEED_SIZE], private.raw[KEM_SEED_SIZE:]
    return MLKEM768PrivateKey.from_seed_bytes(seed), X25519PrivateKey.from_private_bytes(curve)
