"""Version 4 public keys (RFC 9580, section 5.5) in the one form that is used here: Curve25519, the way GnuPG 2.2 has it."""

import hashlib
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NewType, TypeVar

from handshaker_core.openpgp.errors import MalformedOpenPgp, UnsupportedOpenPgp
from handshaker_core.openpgp.registry import Cipher, Hash, PublicKeyAlgorithm
from handshaker_core.protocol.wire import Reader, u8, u16, u32

Fingerprint = NewType("Fingerprint", bytes)
"""SHA-1 over a version 4 key (20 bytes, section 5.5.4.2). It names keys; nothing here rests on SHA-1 alone."""

KeyId = NewType("KeyId", bytes)
"""The last 8 bytes of a fingerprint. It finds candidates and decides nothing."""

CREATED_AT = 1_767_225_600
"""2026-01-01T00:00:00Z, the creation time of every key that is derived from a root seed.

The time is part of the fingerprint, which has to follow from the seed alone; and a constant tells nobody when an account
was made. It lies before any account, so that no clock that is right takes the key for one from the future.
"""

_E = TypeVar("_E", bound=IntEnum)

KEY_SIZE = 32
KEY_ID_SIZE = 8
FINGERPRINT_SIZE = 20
KEY_VERSION = 4
_NATIVE_POINT = 0x40  # the prefix of points in their native form
_OIDS = {
    PublicKeyAlgorithm.EDDSA_LEGACY: bytes.fromhex("2b06010401da470f01"),
    PublicKeyAlgorithm.ECDH: bytes.fromhex("2b060104019755010501"),
}
_KDF_RESERVED = 1


def mpi(value: bytes) -> bytes:
    """A multiprecision integer (section 3.2): length in bits (2) || bytes without leading zeros."""
    stripped = value.lstrip(b"\0")
    bits = len(stripped) * 8 - (8 - stripped[0].bit_length()) if stripped else 0
    return u16(bits) + stripped


def known(registry: type[_E], number: int) -> _E:
    """The entry of that number. Raises: UnsupportedOpenPgp."""
    try:
        return registry(number)
    except ValueError:
        raise UnsupportedOpenPgp from None


def read_mpi(reader: Reader, size: int) -> bytes:
    """A multiprecision integer as exactly `size` bytes. Raises: MalformedOpenPgp: larger, or not in its one form."""
    bits = reader.u16()
    if bits > size * 8:
        raise MalformedOpenPgp
    value = reader.take((bits + 7) // 8)
    if int.from_bytes(value, "big").bit_length() != bits:
        raise MalformedOpenPgp
    return value.rjust(size, b"\0")


@dataclass(frozen=True, slots=True)
class _PublicKey:
    """A public key. Subclasses give it a role.

    Attributes:
        raw: 32 bytes.
        created_at: seconds since 1970.
        body: the packet's body.
        fingerprint: 20 bytes.
    """

    raw: bytes
    created_at: int
    body: bytes = field(init=False, repr=False, compare=False)
    fingerprint: Fingerprint = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.raw) != KEY_SIZE:
            raise MalformedOpenPgp
        object.__setattr__(self, "body", self._body())
        digest = hashlib.sha1(self.hashed, usedforsecurity=False).digest()
        object.__setattr__(self, "fingerprint", Fingerprint(digest))

    @property
    def key_id(self) -> KeyId:
        """The last 8 bytes of the fingerprint."""
        return KeyId(self.fingerprint[-KEY_ID_SIZE:])

    @property
    def hashed(self) -> bytes:
        """The key as fingerprints and signatures take it in (sections 5.5.4.2 and 5.2.4)."""
        return b"\x99" + u16(len(self.body)) + self.body

    def _body(self) -> bytes:
        raise NotImplementedError

    def _start(self, algorithm: PublicKeyAlgorithm) -> bytes:
        oid = _OIDS[algorithm]
        head = u8(KEY_VERSION) + u32(self.created_at) + u8(algorithm)
        return head + u8(len(oid)) + oid + mpi(u8(_NATIVE_POINT) + self.raw)


@dataclass(frozen=True, slots=True)
class SigningPublicKey(_PublicKey):
    """An Ed25519 key that certifies and signs."""

    def _body(self) -> bytes:
        return self._start(PublicKeyAlgorithm.EDDSA_LEGACY)


@dataclass(frozen=True, slots=True)
class EncryptionPublicKey(_PublicKey):
    """An X25519 key that session keys are encrypted to.

    Attributes:
        kdf_hash, kdf_cipher: how a wrapping key is made of the shared secret (section 11.5).
    """

    kdf_hash: Hash = Hash.SHA256
    kdf_cipher: Cipher = Cipher.AES128

    def _body(self) -> bytes:
        return self._start(PublicKeyAlgorithm.ECDH) + self.kdf_parameters

    @property
    def kdf_parameters(self) -> bytes:
        """Their length, a reserved byte, and the two algorithms."""
        return bytes((3, _KDF_RESERVED, self.kdf_hash, self.kdf_cipher))

    @property
    def curve(self) -> bytes:
        """The curve's object identifier with its length."""
        oid = _OIDS[PublicKeyAlgorithm.ECDH]
        return u8(len(oid)) + oid


class _KeyReader(Reader):
    """Reads what both kinds of key begin with."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body, MalformedOpenPgp)
        if self.u8() != KEY_VERSION:
            raise UnsupportedOpenPgp("Only OpenPGP certificates of version 4 are supported.")
        self.created_at = self.u32()
        self.algorithm = self.u8()

    def point(self, algorithm: PublicKeyAlgorithm) -> bytes:
        """A point of the curve that belongs to the algorithm."""
        if self.algorithm != algorithm or self.take(self.u8()) != _OIDS[algorithm]:
            raise UnsupportedOpenPgp(
                "Only OpenPGP keys on Curve25519 are supported (Ed25519 to sign, X25519 to encrypt); "
                "this one is of another kind."
            )
        point = read_mpi(self, KEY_SIZE + 1)
        if point[0] != _NATIVE_POINT:
            raise MalformedOpenPgp
        return point[1:]


def read_signing_key(body: bytes) -> SigningPublicKey:
    """A public key packet's body as a signing key. Raises: MalformedOpenPgp, UnsupportedOpenPgp."""
    reader = _KeyReader(body)
    key = SigningPublicKey(reader.point(PublicKeyAlgorithm.EDDSA_LEGACY), reader.created_at)
    reader.end()
    return _unambiguous(key, body)


def read_encryption_key(body: bytes) -> EncryptionPublicKey:
    """A public subkey packet's body as an encryption key. Raises: MalformedOpenPgp, UnsupportedOpenPgp."""
    reader = _KeyReader(body)
    raw = reader.point(PublicKeyAlgorithm.ECDH)
    size, reserved, kdf_hash, kdf_cipher = reader.u8(), reader.u8(), reader.u8(), reader.u8()
    reader.end()
    if (size, reserved) != (3, _KDF_RESERVED):
        raise UnsupportedOpenPgp
    kdf = known(Hash, kdf_hash), known(Cipher, kdf_cipher)
    return _unambiguous(EncryptionPublicKey(raw, reader.created_at, *kdf), body)


_K = TypeVar("_K", bound=_PublicKey)


def _unambiguous(key: _K, body: bytes) -> _K:
    """One key has one encoding, so that its fingerprint names it alone."""
    if key.body != body:
        raise MalformedOpenPgp
    return key
