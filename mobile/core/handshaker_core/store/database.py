"""The SQLCipher database: opened with the raw key, migrated, and used one transaction at a time.

Everything here is synchronous and belongs to one thread; `home.Store` provides the thread.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sqlcipher3 import dbapi2

from handshaker_core.store.connection import Connection
from handshaker_core.store.errors import StoreCorrupt, StoreUnusable
from handshaker_core.store.files import PRIVATE_FILE
from handshaker_core.store.migrations import migrate
from handshaker_core.store.vault import DatabaseKey

T = TypeVar("T")

# memory_security: SQLCipher wipes and locks the memory it frees. secure_delete: deleted rows are overwritten. FULL: a
# commit is on the disk before anything is acknowledged to the server. temp_store: no plaintext in temporary files.
_PRAGMAS = (
    "PRAGMA cipher_memory_security = ON",
    "PRAGMA secure_delete = ON",
    "PRAGMA foreign_keys = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA synchronous = FULL",
    "PRAGMA busy_timeout = 0",
    "PRAGMA journal_mode = WAL",
    "PRAGMA journal_size_limit = 4194304",
)


_LEAST_FREE = 65_536
"""With less than this, the shared memory beside the log cannot be made, and SQLite speaks of an I/O error only."""


class Database:
    """An open database.

    Args:
        path: the file; made when it is missing.
        key: its key.

    Raises:
        StoreCorrupt: the file is damaged, or has another key.
        StoreTooNew: a newer client migrated it.
        StoreUnusable: the operating system refused.
    """

    def __init__(self, path: Path, key: DatabaseKey) -> None:
        self._folder = path.parent
        try:
            self._connection = dbapi2.connect(str(path), isolation_level=None, check_same_thread=True)
        except dbapi2.Error as error:
            raise StoreUnusable(f"The database in {path.parent} cannot be opened.") from error
        try:
            path.chmod(PRIVATE_FILE)
            self._connection.execute(f"PRAGMA key = \"x'{key.raw.hex()}'\"")
            for pragma in _PRAGMAS:
                self._connection.execute(pragma)
            migrate(self._connection)
        except dbapi2.OperationalError as error:
            self._connection.close()
            raise _explain(error, self._folder) from error
        except dbapi2.DatabaseError as error:
            self._connection.close()
            raise StoreCorrupt from error
        except BaseException:
            self._connection.close()
            raise

    def transact(self, work: Callable[[Connection], T]) -> T:
        """Run a unit of work in one transaction: it commits as a whole, or an exception leaves everything as it was.

        Raises:
            StoreUnusable, StoreCorrupt: the disk is full or damaged.
            Whatever `work` raises.
        """
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                result = work(self._connection)
                self._commit()
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        except dbapi2.IntegrityError:
            raise
        except dbapi2.OperationalError as error:
            raise _explain(error, self._folder) from error
        except dbapi2.DatabaseError as error:
            raise StoreCorrupt from error
        return result

    def _commit(self) -> None:
        self._connection.execute("COMMIT")

    def fold_log(self) -> None:
        """Move the write-ahead log into the file and empty it, so that it keeps nothing that was deleted."""
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def abandon(self) -> None:
        """Close without writing anything: what there was is to be destroyed."""
        self._connection.close()

    def close(self) -> None:
        """Fold the write-ahead log into the file and close it."""
        try:
            self._connection.execute("PRAGMA optimize")
            self.fold_log()
        except dbapi2.DatabaseError:
            pass  # the log stays beside the file and is folded in at the next opening
        finally:
            self._connection.close()


def _explain(error: Exception, folder: Path) -> Exception:
    text = str(error)
    if "full" in text or ("disk I/O" in text and shutil.disk_usage(folder).free < _LEAST_FREE):
        return StoreUnusable("The disk is full; nothing was changed.")
    if "readonly" in text or "unable to open" in text:
        return StoreUnusable("The database cannot be written to.")
    if "locked" in text:
        return StoreUnusable("Another program has the database open.")
    if "disk I/O" in text or "malformed" in text or "not a database" in text:
        return StoreCorrupt()
    return error
