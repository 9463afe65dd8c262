"""The decoy behind the duress passphrase: an ordinary home's database, moved to where every home has a second one."""

import os
import shutil
from pathlib import Path

from handshaker_core.store import twins, unlocking
from handshaker_core.store.files import PRIVATE_FILE, explained
from handshaker_core.store.keystore import Keystore
from handshaker_core.store.vault import Unlocked


def adopt(home: Path, unlocked: Unlocked, other: Path, passphrase: str, keystore: Keystore) -> Unlocked:
    """Put the database of another home in place of this one's second.

    Nothing leads to it before the vault is written; what a crash leaves is random bytes for everybody.

    Args:
        home: this home.
        unlocked: its vault's content.
        other: a whole home that nobody has open.
        passphrase: the other home's; it becomes the duress passphrase.
        keystore: where the other one may have a secret.

    Returns:
        The vault's content that leads to both.

    Raises:
        PassphraseInUse: the two homes have the same passphrase; before anything is done.
        NoStore, WrongPassphrase, StoreInUse, StoreCorrupt, StoreTooNew, StoreUnusable: of the other one.
    """
    opened = unlocking.open_home(other, passphrase, keystore)
    try:
        opened.database.close()
        record = opened.unlocked.record
        changed = unlocked.with_decoy(passphrase, record.database, record.recovery)
        source, target = twins.path_of(other, record.file), twins.path_of(home, 1 - unlocked.record.file)
        fresh = target.with_name(target.name + unlocking.UNFINISHED)
        with explained(home):
            fresh.unlink(missing_ok=True)
            _copy(source, fresh)
            fresh.replace(target)
            twins.forget_side_files(home, 1 - unlocked.record.file)
            twins.level(home)
    finally:
        opened.lock.release()
    return changed


def _copy(source: Path, target: Path) -> None:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
    with source.open("rb") as original, os.fdopen(descriptor, "wb") as copy:
        shutil.copyfileobj(original, copy, 1 << 20)
        copy.flush()
        os.fsync(copy.fileno())
