"""From a directory and a passphrase to a database that is open: making a home, opening it, and bringing an old one up.

Everything here is synchronous and runs on the store's thread. Whatever is interrupted is finished by the next opening.
"""

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from handshaker_core.protocol.randomness import system_randomness
from handshaker_core.protocol.root import StoreRecoveryKey
from handshaker_core.store import twins, vault, vault_file, vault_v1
from handshaker_core.store.database import Database
from handshaker_core.store.errors import (
    KeystoreMissing,
    NoRecoveryPhrase,
    NoStore,
    PhraseDoesNotOpen,
    StoreCorrupt,
    StoreExists,
    WrongPassphrase,
)
from handshaker_core.store.files import LockFile, explained, make_private_directory, sync_directory
from handshaker_core.store.keystore import Keystore
from handshaker_core.store.vault import DatabaseKey, Unlocked, Vault

LOCK = "lock"
VAULT = "vault"
DATABASE_V1 = "messages.db"
UNFINISHED = ".new"


@dataclass(frozen=True, slots=True, repr=False)
class Opened:
    """What an open home is made of."""

    lock: LockFile
    database: Database
    unlocked: Unlocked


def exists(home: Path) -> bool:
    """Whether the directory holds a store."""
    return (home / VAULT).exists()


def open_home(home: Path, passphrase: str, keystore: Keystore) -> Opened:
    """Unlock and open.

    Every opening with a passphrase that is right writes the whole vault: if it was the duress passphrase, that destroys
    the wraps of the real home, and nothing about it differs from any other opening.
    """
    with _locked(home) as lock:
        with explained(home):
            data = (home / VAULT).read_bytes()
        if vault_v1.is_v1(data):
            unlocked = _upgrade(home, data, passphrase)
        else:
            parsed = Vault.read(data)
            unlocked = parsed.open(passphrase, _secret_of(parsed, keystore))
            with explained(home):
                vault_file.update(home / VAULT, unlocked.vault())
        return Opened(lock, _open_database(home, unlocked), unlocked)


def recover_home(home: Path, recovery: StoreRecoveryKey, passphrase: str) -> Opened:
    """Open by the recovery phrase and set a new passphrase; the keystore is not needed any more."""
    with _locked(home) as lock:
        with explained(home):
            data = (home / VAULT).read_bytes()
        if vault_v1.is_v1(data):
            raise NoRecoveryPhrase("An earlier version wrote this store: open it once with its passphrase.")
        try:
            unlocked = Vault.read(data).recover(recovery, passphrase)
        except WrongPassphrase:
            raise PhraseDoesNotOpen from None
        with explained(home):
            vault_file.update(home / VAULT, unlocked.vault())
        return Opened(lock, _open_database(home, unlocked), unlocked)


def create_home(home: Path, passphrase: str) -> Opened:
    """Make a store in a directory that holds none."""
    make_private_directory(home)
    lock = LockFile(home / LOCK)
    try:
        _check_empty(home)
        file = secrets.randbelow(len(twins.NAMES))
        unlocked = vault.create(passphrase, DatabaseKey(system_randomness(DatabaseKey.SIZE)), file)
        with explained(home):
            # The vault is the moment of birth: before it there is nothing, after it everything can be finished.
            for leftover in home.glob(f"messages*{UNFINISHED}*"):
                leftover.unlink()
            Database(_unfinished(home, file), unlocked.record.database).close()
            vault_file.create(home / VAULT, unlocked.vault())
        return Opened(lock, _open_database(home, unlocked), unlocked)
    except BaseException:
        lock.release()
        raise


@contextlib.contextmanager
def _locked(home: Path) -> Iterator[LockFile]:
    """Hold the home; given back if what follows fails."""
    if not exists(home):
        if any((home / name).exists() for name in (DATABASE_V1, *twins.NAMES)):
            raise StoreCorrupt("The key file of the local store is missing.")
        raise NoStore
    lock = LockFile(home / LOCK)
    try:
        yield lock
    except BaseException:
        lock.release()
        raise


def _secret_of(parsed: Vault, keystore: Keystore) -> vault.KeystoreSecret | None:
    if not parsed.uses_keystore:
        return None
    secret = keystore.get(parsed.keystore_id)
    if secret is None:
        raise KeystoreMissing
    return secret


def _open_database(home: Path, unlocked: Unlocked) -> Database:
    file = unlocked.record.file
    path = twins.path_of(home, file)
    with explained(home):
        for candidate in (_unfinished(home, file), home / DATABASE_V1):
            if not path.exists() and candidate.exists():
                candidate.replace(path)
                sync_directory(home)
        if not path.exists():
            raise StoreCorrupt("The database of the local store is missing.")
        twins.forget_side_files(home, 1 - file)
        twins.level(home)
    return Database(path, unlocked.record.database)


def _upgrade(home: Path, data: bytes, passphrase: str) -> Unlocked:
    """Version 1 had one database under a fixed name. What was in it stays; a crash anywhere is continued."""
    unlocked = vault_v1.unlock(data, passphrase, secrets.randbelow(len(twins.NAMES)))
    with explained(home):
        old = home / DATABASE_V1
        unfinished = home / (DATABASE_V1 + UNFINISHED)
        if not old.exists() and unfinished.exists():
            unfinished.replace(old)
        if not old.exists():
            raise StoreCorrupt("The database of the local store is missing.")
        # Closing folds the write-ahead log into the file, so that renaming moves everything there is.
        Database(old, unlocked.record.database).close()
        vault_file.create(home / VAULT, unlocked.vault())
    return unlocked


def _check_empty(home: Path) -> None:
    if exists(home):
        raise StoreExists
    if any((home / name).exists() for name in (DATABASE_V1, *twins.NAMES)):
        raise StoreCorrupt("The key file of the local store is missing.")


def _unfinished(home: Path, file: int) -> Path:
    return home / (twins.NAMES[file] + UNFINISHED)
