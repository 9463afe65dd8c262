"""The vault: the database's random key, wrapped under a passphrase in one of a fixed number of slots.

Layout of the file, version 1 (all of it looks random but for the first ten bytes):

    magic (8) || version (1) || slots (1) || Argon2id salt (16) || slots x (nonce (12) || ciphertext (64) || tag (16))
    || SHA-256 of everything before (32)

Every slot has the same size and an unused one holds random bytes, so that the file does not tell how many passphrases
there are; every attempt tries all of them, so that the time does not tell which one opened. One salt serves all slots: an
attempt costs one Argon2id, whatever the number of slots. The opened content names what it opens, which leaves room for
other kinds of wrap and for a second database behind a second passphrase.

The checksum is no protection (whoever writes the file can compute it): it tells damage from a wrong passphrase.
"""

import hashlib
import secrets
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from handshaker_core.protocol.keys import SecretBytes
from handshaker_core.store.errors import StoreCorrupt, StoreTooNew, WrongPassphrase
from handshaker_core.store.files import write_atomically

MAGIC = b"HSKVAULT"
VERSION = 1
SLOTS = 4
ARGON2ID_MEMORY_KIB = 64 * 1024
ARGON2ID_ITERATIONS = 3
ARGON2ID_LANES = 1

_SALT_SIZE = 16
_NONCE_SIZE = 12
_TAG_SIZE = 16
_CONTENT_SIZE = 64
_SLOT_SIZE = _NONCE_SIZE + _CONTENT_SIZE + _TAG_SIZE
_CHECKSUM_SIZE = 32
_PREFIX_SIZE = len(MAGIC) + 2
_SLOTS_START = _PREFIX_SIZE + _SALT_SIZE
VAULT_SIZE = _SLOTS_START + SLOTS * _SLOT_SIZE + _CHECKSUM_SIZE

_MAIN_DATABASE = 0


class DatabaseKey(SecretBytes):
    """The random 256-bit key of the database file."""

    __slots__ = ()


class _WrapKey(SecretBytes):
    """AES-256 key that a passphrase stretches to."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, repr=False)
class Vault:
    """The parsed file. Immutable: a change makes a new vault, which is written as a whole."""

    salt: bytes
    slots: tuple[bytes, ...]

    def __repr__(self) -> str:
        return "Vault(<redacted>)"

    @classmethod
    def create(cls, key: DatabaseKey, passphrase: str) -> Self:
        """A vault in which `passphrase` opens `key`; takes about a third of a second and 64 MiB, on purpose."""
        salt = secrets.token_bytes(_SALT_SIZE)
        slots = [secrets.token_bytes(_SLOT_SIZE) for _ in range(SLOTS)]
        slots[secrets.randbelow(SLOTS)] = _wrap(_stretch(passphrase, salt), salt, key)
        return cls(salt, tuple(slots))

    def open(self, passphrase: str) -> DatabaseKey:
        """The key that the passphrase opens; as slow as `create`.

        Raises:
            WrongPassphrase: no slot opens.
            StoreTooNew: a slot opens to something this version does not know.
        """
        return self._find(passphrase)[1]

    def with_changed_passphrase(self, old: str, new: str) -> Self:
        """The same vault with the slot of `old` wrapped under `new` instead.

        Raises:
            WrongPassphrase: `old` opens no slot.
        """
        index, key = self._find(old)
        slots = list(self.slots)
        slots[index] = _wrap(_stretch(new, self.salt), self.salt, key)
        return type(self)(self.salt, tuple(slots))

    def _find(self, passphrase: str) -> tuple[int, DatabaseKey]:
        wrap_key = _stretch(passphrase, self.salt)
        opened = [(index, _unwrap(wrap_key, self.salt, slot)) for index, slot in enumerate(self.slots)]
        for index, content in opened:
            if content is not None:
                if content[0] != _MAIN_DATABASE:
                    raise StoreTooNew
                return index, DatabaseKey(content[1 : 1 + DatabaseKey.SIZE])
        raise WrongPassphrase

    def encode(self) -> bytes:
        """The file's bytes, always `VAULT_SIZE` of them."""
        body = _prefix() + self.salt + b"".join(self.slots)
        return body + hashlib.sha256(body).digest()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the file's bytes.

        Raises:
            StoreTooNew: a later version of the format.
            StoreCorrupt: damaged, cut or no vault at all.
        """
        if data[: len(MAGIC)] != MAGIC or len(data) < _PREFIX_SIZE:
            raise StoreCorrupt("The key file of the local store is damaged.")
        if data[len(MAGIC)] > VERSION:
            raise StoreTooNew
        body, checksum = data[:-_CHECKSUM_SIZE], data[-_CHECKSUM_SIZE:]
        if (
            len(data) != VAULT_SIZE
            or data[:_PREFIX_SIZE] != _prefix()
            or not secrets.compare_digest(hashlib.sha256(body).digest(), checksum)
        ):
            raise StoreCorrupt("The key file of the local store is damaged.")
        starts = range(_SLOTS_START, _SLOTS_START + SLOTS * _SLOT_SIZE, _SLOT_SIZE)
        return cls(data[_PREFIX_SIZE:_SLOTS_START], tuple(data[start : start + _SLOT_SIZE] for start in starts))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises: StoreTooNew, StoreCorrupt, OSError."""
        return cls.decode(path.read_bytes())

    def write(self, path: Path) -> None:
        """Replace the file at once; a crash leaves the old one or the new one. Raises: OSError."""
        write_atomically(path, self.encode())


def _prefix() -> bytes:
    return MAGIC + bytes((VERSION, SLOTS))


def _stretch(passphrase: str, salt: bytes) -> _WrapKey:
    derived = Argon2id(
        salt=salt,
        length=_WrapKey.SIZE,
        iterations=ARGON2ID_ITERATIONS,
        lanes=ARGON2ID_LANES,
        memory_cost=ARGON2ID_MEMORY_KIB,
    ).derive(unicodedata.normalize("NFC", passphrase).encode(errors="surrogatepass"))
    return _WrapKey(derived)


def _wrap(wrap_key: _WrapKey, salt: bytes, key: DatabaseKey) -> bytes:
    nonce = secrets.token_bytes(_NONCE_SIZE)
    content = (bytes((_MAIN_DATABASE,)) + key.raw).ljust(_CONTENT_SIZE, b"\x00")
    return nonce + AESGCM(wrap_key.raw).encrypt(nonce, content, _prefix() + salt)


def _unwrap(wrap_key: _WrapKey, salt: bytes, slot: bytes) -> bytes | None:
    try:
        return AESGCM(wrap_key.raw).decrypt(slot[:_NONCE_SIZE], slot[_NONCE_SIZE:], _prefix() + salt)
    except InvalidTag:
        return None
