"""Session keys, encrypted to X25519 keys (RFC 9580, sections 5.1.5 and 11.5; RFC 6637)."""

import hashlib
from dataclasses import dataclass, field
from typing import Self

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from handshaker_core.openpgp.errors import MalformedOpenPgp, UnsupportedOpenPgp
from handshaker_core.openpgp.keys import KEY_ID_SIZE, KEY_SIZE, EncryptionPublicKey, KeyId, known, mpi, read_mpi
from handshaker_core.openpgp.packets import packet
from handshaker_core.openpgp.registry import Cipher, PublicKeyAlgorithm, Tag
from handshaker_core.protocol.randomness import Randomness
from handshaker_core.protocol.root import OpenPgpEncryptionSeed
from handshaker_core.protocol.wire import Reader, u8, u16

PKESK_VERSION = 3
ANYBODY = KeyId(bytes(KEY_ID_SIZE))
_POINT = b"\x40"
_SENDER = b"Anonymous Sender    "
_PADDED_SIZE = 40
_MAX_WRAPPED = 64


@dataclass(frozen=True, slots=True)
class SessionKey:
    """What a message is encrypted with."""

    cipher: Cipher
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class EncryptedSessionKey:
    """A public-key encrypted session key packet."""

    key_id: KeyId
    ephemeral: bytes
    wrapped: bytes = field(repr=False)

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read the packet's body. Raises: MalformedOpenPgp, UnsupportedOpenPgp: to another kind of key."""
        reader = Reader(body, MalformedOpenPgp)
        version = reader.u8()
        key_id = KeyId(reader.take(KEY_ID_SIZE))
        if version != PKESK_VERSION or reader.u8() != PublicKeyAlgorithm.ECDH:
            raise UnsupportedOpenPgp
        point = read_mpi(reader, KEY_SIZE + 1)
        wrapped = reader.take(reader.u8())
        reader.end()
        if point[:1] != _POINT or len(wrapped) > _MAX_WRAPPED:
            raise UnsupportedOpenPgp
        return cls(key_id, point[1:], wrapped)

    def open(self, public: EncryptionPublicKey, secret: OpenPgpEncryptionSeed) -> SessionKey | None:
        """The session key; None where it was not encrypted to this key, or was altered."""
        private = X25519PrivateKey.from_private_bytes(secret.raw)
        try:
            shared = private.exchange(X25519PublicKey.from_public_bytes(self.ephemeral))
            padded = aes_key_unwrap(_wrapping_key(public, shared), self.wrapped)
            return _unpadded(padded)
        except (ValueError, InvalidUnwrap, MalformedOpenPgp, UnsupportedOpenPgp):
            return None


def encrypt_session_key(session: SessionKey, public: EncryptionPublicKey, rng: Randomness) -> bytes:
    """The packet that gives the session key to one recipient. Raises: UnsupportedOpenPgp: the key gives no secrecy."""
    ephemeral = X25519PrivateKey.from_private_bytes(rng(KEY_SIZE))
    try:
        shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(public.raw))
    except ValueError:
        raise UnsupportedOpenPgp("The certificate's encryption key gives no secrecy, and was refused.") from None
    content = u8(session.cipher) + session.key + u16(sum(session.key) % 65_536)
    padding = _PADDED_SIZE - len(content)
    wrapped = aes_key_wrap(_wrapping_key(public, shared), content + u8(padding) * padding)
    head = u8(PKESK_VERSION) + public.key_id + u8(PublicKeyAlgorithm.ECDH)
    point = mpi(_POINT + ephemeral.public_key().public_bytes_raw())
    return packet(Tag.PKESK, head + point + u8(len(wrapped)) + wrapped)


def _wrapping_key(public: EncryptionPublicKey, shared: bytes) -> bytes:
    """The key derivation of section 11.5, which names the recipient's key."""
    algorithm = u8(PublicKeyAlgorithm.ECDH)
    parameters = public.curve + algorithm + public.kdf_parameters + _SENDER + public.fingerprint
    digest = hashlib.new(public.kdf_hash.name.lower(), b"\0\0\0\1" + shared + parameters).digest()
    return digest[: public.kdf_cipher.key_size]


def _unpadded(padded: bytes) -> SessionKey:
    size = padded[-1]
    if not 1 <= size <= len(padded) or padded[-size:] != u8(size) * size:
        raise MalformedOpenPgp
    reader = Reader(padded[:-size], MalformedOpenPgp)
    cipher = known(Cipher, reader.u8())
    key, checksum = reader.take(cipher.key_size), reader.u16()
    reader.end()
    if sum(key) % 65_536 != checksum:
        raise MalformedOpenPgp
    return SessionKey(cipher, key)
