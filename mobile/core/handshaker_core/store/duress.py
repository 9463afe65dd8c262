"""The decoy behind the duress passphrase: a second database in the place where every home has one."""

from collections.abc import Callable
from pathlib import Path

from handshaker_core.protocol.randomness import system_randomness
from handshaker_core.protocol.root import StoreRecoveryKey
from handshaker_core.store import twins
from handshaker_core.store.connection import Connection
from handshaker_core.store.database import Database
from handshaker_core.store.files import explained
from handshaker_core.store.vault import DatabaseKey, Unlocked


def prepare(
    home: Path,
    unlocked: Unlocked,
    passphrase: str,
    recovery: StoreRecoveryKey | None,
    furnish: Callable[[Connection], None],
) -> Unlocked:
    """Make the decoy's database beside the home's own, and the vault's content that leads to it.

    Nothing leads to the decoy before the vault is written; what a crash leaves is random bytes for everybody.

    Raises:
        PassphraseInUse: before anything is done.
        StoreUnusable.
    """
    key = DatabaseKey(system_randomness(DatabaseKey.SIZE))
    changed = unlocked.with_decoy(passphrase, key, recovery)

    def build(path: Path) -> None:
        database = Database(path, key)
        try:
            database.transact(furnish)
        finally:
            database.close()

    with explained(home):
        twins.replace_twin(home, 1 - unlocked.record.file, build)
    return changed
