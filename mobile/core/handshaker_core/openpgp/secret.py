"""Transferable secret keys (RFC 9580, sections 5.5.3 and 10.2), always protected by a passphrase. Only written, never read."""

import hashlib

from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.ciphers import Cipher as BlockCipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from handshaker_core.errors import HandshakerError
from handshaker_core.openpgp.keys import mpi
from handshaker_core.openpgp.own import OwnKey, check_user_id, default_user_id
from handshaker_core.openpgp.registry import CHUNK, Cipher, Hash, Tag
from handshaker_core.protocol.randomness import Randomness
from handshaker_core.protocol.wire import u8

_SHA1_CHECKED = 254
_ITERATED_AND_SALTED = 3
_SALT_SIZE = 8
_BLOCK_SIZE = 16
_CODED_COUNT = 0xFF
_HASHED_BYTES = (16 + (_CODED_COUNT & 15)) << ((_CODED_COUNT >> 4) + 6)  # 65,011,712: the most that the format has


class NoPassphrase(HandshakerError):
    """A secret key is never written without one."""

    reason = "openpgp_no_passphrase"
    sentence = "A secret key is exported under a passphrase only, and the passphrase must not be empty."


def secret_key(own: OwnKey, passphrase: str, rng: Randomness, user_id: str | None = None) -> bytes:
    """The secret keys with the certificate's statements, encrypted under a passphrase; not armored.

    Args:
        own: the keys.
        passphrase: what opens them, in any OpenPGP program.
        rng: for salts and initialisation vectors.
        user_id: as in `OwnKey.certificate`.

    Raises:
        NoPassphrase, InvalidUserId.
    """
    if not passphrase:
        raise NoPassphrase
    name = default_user_id(own.identity.public) if user_id is None else check_user_id(user_id)
    secrets = (own.primary_seed.raw, _native_scalar(own.encryption_seed.raw))
    protected = [_protected(mpi(secret), passphrase.encode(), rng) for secret in secrets]
    return b"".join(own.packets(name, Tag.SECRET_KEY, Tag.SECRET_SUBKEY, *protected))


def _native_scalar(raw: bytes) -> bytes:
    """An X25519 private key as version 4 writes it: clamped (RFC 7748, section 5), and its bytes in reverse."""
    scalar = bytearray(raw)
    scalar[0] &= 0xF8
    scalar[31] = scalar[31] & 0x7F | 0x40
    return bytes(reversed(scalar))


def _protected(secret: bytes, passphrase: bytes, rng: Randomness) -> bytes:
    """What follows the public half of a key packet: how it is encrypted, and the encrypted integers with their hash."""
    salt, iv = rng(_SALT_SIZE), rng(_BLOCK_SIZE)
    encryptor = BlockCipher(AES(_stretch(passphrase, salt)), CFB(iv)).encryptor()
    checked = secret + hashlib.sha1(secret, usedforsecurity=False).digest()
    s2k = u8(_ITERATED_AND_SALTED) + u8(Hash.SHA256) + salt + u8(_CODED_COUNT)
    return u8(_SHA1_CHECKED) + u8(Cipher.AES256) + s2k + iv + encryptor.update(checked) + encryptor.finalize()


def _stretch(passphrase: bytes, salt: bytes) -> bytes:
    """Section 3.7.1.3: a hash over salt and passphrase, repeated; 32 bytes."""
    once = salt + passphrase
    many = once * (CHUNK // len(once) + 1)
    digest = hashlib.sha256()
    whole, rest = divmod(_HASHED_BYTES, len(many))
    for _ in range(whole):
        digest.update(many)
    digest.update(many[:rest])
    return digest.digest()
