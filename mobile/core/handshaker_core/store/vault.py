"""The vault: the databases' random keys, wrapped in a fixed number of slots. Version 2; `docs/local-store.md` is normative.

    copy     = magic (8) || version (1) || slots (1) || keystore (1) || reserved (1) || keystore id (16)
               || Argon2id salt (16) || slots x (nonce (12) || ciphertext (192) || tag (16)) || SHA-256 of all that (32)
               || random bytes up to 4,096
    file     = copy || copy

Every slot has the same size and an unused one holds random bytes, so that the file does not tell how many ways there are
to open it; every attempt tries all of them, so that the time does not tell which one opened. Whoever opens writes the
whole vault anew, slots in another order and not a byte of them as before: the file does not tell what the opening changed.

The checksum is no protection (whoever writes the file can compute it): it tells damage from a wrong passphrase. There are
two copies so that writing in place, which is what destroys a wrap, can be interrupted anywhere.
"""

import hashlib
import secrets
import unicodedata
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from handshaker_core.protocol.keys import SecretBytes
from handshaker_core.protocol.labels import Label
from handshaker_core.protocol.root import StoreRecoveryKey
from handshaker_core.store.errors import PassphraseInUse, StoreCorrupt, StoreTooNew, WrongPassphrase

MAGIC = b"HSKVAULT"
VERSION = 2
SLOTS = 4
ARGON2ID_MEMORY_KIB = 64 * 1024
ARGON2ID_ITERATIONS = 3
ARGON2ID_LANES = 1

COPY_SIZE = 4_096
"""A sector of every disk, so that a torn write damages one copy at most."""
COPIES = 2
VAULT_SIZE = COPIES * COPY_SIZE

KEYSTORE_ID_SIZE = 16
SALT_SIZE = 16
_NONCE_SIZE = 12
_TAG_SIZE = 16
_CONTENT_SIZE = 192
_SLOT_SIZE = _NONCE_SIZE + _CONTENT_SIZE + _TAG_SIZE
_CHECKSUM_SIZE = 32
_FIXED_SIZE = len(MAGIC) + 4
_HEADER_SIZE = _FIXED_SIZE + KEYSTORE_ID_SIZE + SALT_SIZE
_BODY_SIZE = _HEADER_SIZE + SLOTS * _SLOT_SIZE
_DAMAGED = "The key file of the local store is damaged."


class DatabaseKey(SecretBytes):
    """The random 256-bit key of a database file."""

    __slots__ = ()


class Stretched(SecretBytes):
    """What Argon2id makes of a passphrase."""

    __slots__ = ()


class KeystoreSecret(SecretBytes):
    """256 random bits that the platform's keystore holds, without which a passphrase opens nothing."""

    __slots__ = ()


class _WrapKey(SecretBytes):
    """AES-256 key of a slot."""

    __slots__ = ()


class Role(IntEnum):
    """What opening a slot means."""

    HOME = 1
    DECOY = 2
    """Opening it destroys everything else."""


@dataclass(frozen=True, slots=True, repr=False)
class Decoy:
    """What the home knows of its decoy, so that it can be wrapped anew at every opening."""

    stretched: Stretched
    database: DatabaseKey
    recovery: StoreRecoveryKey | None


@dataclass(frozen=True, slots=True, repr=False)
class Record:
    """What a slot holds.

    Attributes:
        file: which of the two database files the key belongs to, 0 or 1; the decoy's is the other one.
        recovery: what opens the home besides the passphrase.
    """

    role: Role
    file: int
    database: DatabaseKey
    recovery: StoreRecoveryKey | None = None
    decoy: Decoy | None = None

    def encode(self) -> bytes:
        """Always 192 bytes; a key that is not there is zeros."""
        keys: list[SecretBytes | None] = [self.database, self.recovery]
        keys += [None] * 3 if self.decoy is None else [self.decoy.stretched, self.decoy.database, self.decoy.recovery]
        raw = b"".join(bytes(32) if key is None else key.raw for key in keys)
        return (bytes((self.role, self.file, 0, 0)) + raw).ljust(_CONTENT_SIZE, b"\0")

    @classmethod
    def decode(cls, content: bytes) -> Self:
        """Raises: StoreTooNew: authentic, and of a form that this version does not know."""
        role, file = content[0], content[1]
        if role not in tuple(Role) or file > 1 or any(content[2:4]):
            raise StoreTooNew
        database, recovery, stretched, decoy_database, decoy_recovery = (
            content[start : start + 32] for start in range(4, 4 + 5 * 32, 32)
        )
        decoy = None
        if any(stretched):
            decoy = Decoy(Stretched(stretched), DatabaseKey(decoy_database), _recovery(decoy_recovery))
        return cls(Role(role), file, DatabaseKey(database), _recovery(recovery), decoy)


@dataclass(frozen=True, slots=True, repr=False)
class Vault:
    """The parsed file. Immutable: a change makes a new vault, which is written as a whole.

    Attributes:
        uses_keystore: whether a passphrase opens a slot only together with the keystore's secret.
        keystore_id: random; names the secret in the keystore.
    """

    uses_keystore: bool
    keystore_id: bytes
    salt: bytes
    slots: tuple[bytes, ...]

    def __repr__(self) -> str:
        return "Vault(<redacted>)"

    def encode(self) -> bytes:
        """One copy, always `COPY_SIZE` bytes."""
        body = _header(self) + b"".join(self.slots)
        content = body + hashlib.sha256(body).digest()
        return content + secrets.token_bytes(COPY_SIZE - len(content))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read one copy.

        Raises:
            StoreTooNew: a later version of the format.
            StoreCorrupt: damaged, cut or no vault at all.
        """
        if data[: len(MAGIC)] != MAGIC or len(data) < _BODY_SIZE + _CHECKSUM_SIZE:
            raise StoreCorrupt(_DAMAGED)
        body, checksum = data[:_BODY_SIZE], data[_BODY_SIZE : _BODY_SIZE + _CHECKSUM_SIZE]
        intact = secrets.compare_digest(hashlib.sha256(body).digest(), checksum)
        version, slots, keystore, reserved = data[len(MAGIC) : _FIXED_SIZE]
        if version > VERSION:
            raise StoreTooNew
        if not intact or (version, slots, reserved) != (VERSION, SLOTS, 0) or keystore > 1:
            raise StoreCorrupt(_DAMAGED)
        salt_start = _FIXED_SIZE + KEYSTORE_ID_SIZE
        starts = range(_HEADER_SIZE, _BODY_SIZE, _SLOT_SIZE)
        return cls(
            bool(keystore),
            data[_FIXED_SIZE:salt_start],
            data[salt_start:_HEADER_SIZE],
            tuple(data[start : start + _SLOT_SIZE] for start in starts),
        )

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Read the file's bytes: the first copy that is whole.

        Raises:
            StoreTooNew, StoreCorrupt: neither is.
        """
        try:
            return cls.decode(data[:COPY_SIZE])
        except StoreCorrupt:
            return cls.decode(data[COPY_SIZE:])

    def open(self, passphrase: str, secret: KeystoreSecret | None = None) -> "Unlocked":
        """What the passphrase opens; takes about a third of a second and 64 MiB, on purpose.

        Args:
            passphrase: as typed.
            secret: the keystore's, where `uses_keystore`.

        Raises:
            WrongPassphrase: no slot opens.
            StoreTooNew: a slot opens to something this version does not know.
        """
        stretched = stretch(passphrase, self.salt)
        record = self._find(_passphrase_key(stretched, secret))
        if record.role is Role.DECOY:
            record = replace(record, role=Role.HOME)
        return Unlocked(self.keystore_id, self.salt, stretched, secret if self.uses_keystore else None, record)

    def recover(self, recovery: StoreRecoveryKey, passphrase: str) -> "Unlocked":
        """What the recovery phrase opens, ready to be written with a new passphrase and without a keystore.

        Raises:
            WrongPassphrase: no slot opens.
            PassphraseInUse: the new one.
        """
        record = self._find(_recovery_key(recovery))
        opened = Unlocked(self.keystore_id, self.salt, Stretched(bytes(32)), None, record)
        return opened.with_passphrase(passphrase)

    def _find(self, key: _WrapKey) -> Record:
        opened = [_unwrap(key, _header(self), slot) for slot in self.slots]
        for content in opened:
            if content is not None:
                return Record.decode(content)
        raise WrongPassphrase


@dataclass(frozen=True, slots=True, repr=False)
class Unlocked:
    """An opened vault: what is needed to write it anew, without the passphrase."""

    keystore_id: bytes
    salt: bytes
    stretched: Stretched
    secret: KeystoreSecret | None
    record: Record

    def __repr__(self) -> str:
        return "Unlocked(<redacted>)"

    def vault(self) -> Vault:
        """A vault with fresh nonces, slots in random places and nothing but what this record knows.

        What opened as the decoy knows of nothing else: that is how the wraps of the real home come to an end.
        """
        empty = Vault(self.secret is not None, self.keystore_id, self.salt, ())
        header, record = _header(empty), self.record
        slots = [_wrap(_passphrase_key(self.stretched, self.secret), header, record)]
        if record.recovery is not None:
            slots.append(_wrap(_recovery_key(record.recovery), header, record))
        if record.decoy is not None:
            decoy = Record(Role.DECOY, 1 - record.file, record.decoy.database, record.decoy.recovery)
            slots.append(_wrap(_passphrase_key(record.decoy.stretched, self.secret), header, decoy))
        slots += [secrets.token_bytes(_SLOT_SIZE) for _ in range(SLOTS - len(slots))]
        secrets.SystemRandom().shuffle(slots)
        return replace(empty, slots=tuple(slots))

    def opened_by(self, passphrase: str) -> bool:
        """Whether this is the passphrase of this home; as slow as opening."""
        return secrets.compare_digest(stretch(passphrase, self.salt).raw, self.stretched.raw)

    def with_passphrase(self, passphrase: str) -> "Unlocked":
        """Opened by another passphrase from now on. Raises: PassphraseInUse: it opens the decoy."""
        stretched = stretch(passphrase, self.salt)
        if self.record.decoy is not None and stretched == self.record.decoy.stretched:
            raise PassphraseInUse
        return replace(self, stretched=stretched)

    def with_secret(self, secret: KeystoreSecret | None) -> "Unlocked":
        """With or without a keystore."""
        return replace(self, secret=secret)

    def with_recovery(self, recovery: StoreRecoveryKey | None) -> "Unlocked":
        """Opened by this phrase as well."""
        return replace(self, record=replace(self.record, recovery=recovery))

    def with_decoy(self, passphrase: str, database: DatabaseKey, recovery: StoreRecoveryKey | None) -> "Unlocked":
        """With a second passphrase that opens another database and destroys the rest. Raises: PassphraseInUse."""
        stretched = stretch(passphrase, self.salt)
        if stretched == self.stretched:
            raise PassphraseInUse
        return replace(self, record=replace(self.record, decoy=Decoy(stretched, database, recovery)))

    def without_decoy(self) -> "Unlocked":
        """With one passphrase."""
        return replace(self, record=replace(self.record, decoy=None))


def create(passphrase: str, database: DatabaseKey, file: int) -> Unlocked:
    """A new vault's content, in which `passphrase` opens the key of that database file."""
    salt = secrets.token_bytes(SALT_SIZE)
    return Unlocked(
        secrets.token_bytes(KEYSTORE_ID_SIZE), salt, stretch(passphrase, salt), None, Record(Role.HOME, file, database)
    )


def stretch(passphrase: str, salt: bytes) -> Stretched:
    """Argon2id (RFC 9106) over the passphrase in NFC, so that the same characters typed differently are the same."""
    derived = Argon2id(
        salt=salt,
        length=Stretched.SIZE,
        iterations=ARGON2ID_ITERATIONS,
        lanes=ARGON2ID_LANES,
        memory_cost=ARGON2ID_MEMORY_KIB,
    ).derive(unicodedata.normalize("NFC", passphrase).encode(errors="surrogatepass"))
    return Stretched(derived)


def _passphrase_key(stretched: Stretched, secret: KeystoreSecret | None) -> _WrapKey:
    if secret is None:
        return _derive(stretched.raw, Label.STORE_PASSPHRASE_WRAP)
    return _derive(stretched.raw + secret.raw, Label.STORE_KEYSTORE_WRAP)


def _recovery_key(recovery: StoreRecoveryKey) -> _WrapKey:
    return _derive(recovery.raw, Label.STORE_RECOVERY_WRAP)


def _derive(material: bytes, label: Label) -> _WrapKey:
    return _WrapKey(HKDF(SHA256(), _WrapKey.SIZE, None, label.value).derive(material))


def _recovery(raw: bytes) -> StoreRecoveryKey | None:
    return StoreRecoveryKey(raw) if any(raw) else None


def _header(vault: Vault) -> bytes:
    return MAGIC + bytes((VERSION, SLOTS, vault.uses_keystore, 0)) + vault.keystore_id + vault.salt


def _wrap(key: _WrapKey, header: bytes, record: Record) -> bytes:
    nonce = secrets.token_bytes(_NONCE_SIZE)
    return nonce + AESGCM(key.raw).encrypt(nonce, record.encode(), header)


def _unwrap(key: _WrapKey, header: bytes, slot: bytes) -> bytes | None:
    try:
        return AESGCM(key.raw).decrypt(slot[:_NONCE_SIZE], slot[_NONCE_SIZE:], header)
    except InvalidTag:
        return None
