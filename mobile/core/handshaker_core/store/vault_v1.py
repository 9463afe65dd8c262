"""The first version of the vault, which is only read: one passphrase slot among four, one database.

magic (8) || version 1 (1) || slots (1) || Argon2id salt (16) || slots x (nonce (12) || ciphertext (64) || tag (16))
|| SHA-256 of everything before (32)
"""

import hashlib
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from handshaker_core.store import vault
from handshaker_core.store.errors import StoreCorrupt, StoreTooNew, WrongPassphrase
from handshaker_core.store.vault import KEYSTORE_ID_SIZE, MAGIC, SALT_SIZE, SLOTS, DatabaseKey, Record, Role, Unlocked

VERSION = 1
_PREFIX = MAGIC + bytes((VERSION, SLOTS))
_NONCE_SIZE = 12
_SLOT_SIZE = _NONCE_SIZE + 64 + 16
_SLOTS_START = len(_PREFIX) + SALT_SIZE
_BODY_SIZE = _SLOTS_START + SLOTS * _SLOT_SIZE
VAULT_SIZE = _BODY_SIZE + 32


def is_v1(data: bytes) -> bool:
    """Whether these bytes claim to be of this version."""
    return data[: len(_PREFIX)] == _PREFIX


def unlock(data: bytes, passphrase: str, file: int) -> Unlocked:
    """What the passphrase opens, ready to be written in the present version.

    Args:
        data: the file.
        passphrase: as typed.
        file: which database file the one database is going to be.

    Raises:
        StoreCorrupt, WrongPassphrase, StoreTooNew.
    """
    if len(data) != VAULT_SIZE or hashlib.sha256(data[:_BODY_SIZE]).digest() != data[_BODY_SIZE:]:
        raise StoreCorrupt("The key file of the local store is damaged.")
    salt = data[len(_PREFIX) : _SLOTS_START]
    stretched = vault.stretch(passphrase, salt)
    cipher, authenticated = AESGCM(stretched.raw), data[:_SLOTS_START]
    for start in range(_SLOTS_START, _BODY_SIZE, _SLOT_SIZE):
        slot = data[start : start + _SLOT_SIZE]
        try:
            content = cipher.decrypt(slot[:_NONCE_SIZE], slot[_NONCE_SIZE:], authenticated)
        except InvalidTag:
            continue
        if content[0] != 0:
            raise StoreTooNew
        record = Record(Role.HOME, file, DatabaseKey(content[1 : 1 + DatabaseKey.SIZE]))
        return Unlocked(secrets.token_bytes(KEYSTORE_ID_SIZE), salt, stretched, None, record)
    raise WrongPassphrase
