"""A home: the directory with the lock, the vault and the database, and the thread that they live on."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Self, TypeVar

from handshaker_core.protocol.randomness import system_randomness
from handshaker_core.store.connection import Connection
from handshaker_core.store.database import Database
from handshaker_core.store.errors import NoStore, StoreCorrupt, StoreError, StoreExists
from handshaker_core.store.files import LockFile, explained, make_private_directory, sync_directory
from handshaker_core.store.vault import DatabaseKey, Vault

T = TypeVar("T")

_LOCK = "lock"
_VAULT = "vault"
_DATABASE = "messages.db"
_UNFINISHED = "messages.db.new"


class Store:
    """An unlocked, open home. Made by `open` and `create`; held by one process at a time; closed by `close`.

    Attributes:
        home: the directory.
    """

    def __init__(self, home: Path, lock: LockFile, database: Database, thread: ThreadPoolExecutor) -> None:
        self.home = home
        self._lock = lock
        self._database = database
        self._thread = thread
        self._closed = False

    @staticmethod
    def exists(home: Path) -> bool:
        """Whether the directory holds a store."""
        return (home / _VAULT).exists()

    @classmethod
    async def open(cls, home: Path, passphrase: str) -> Self:
        """Unlock and open a store.

        Raises:
            NoStore, WrongPassphrase, StoreInUse, StoreCorrupt, StoreTooNew, StoreUnusable.
        """
        return await cls._on_thread(home, lambda: _open(home, passphrase))

    @classmethod
    async def create(cls, home: Path, passphrase: str) -> Self:
        """Make a store in a directory that holds none.

        Raises:
            StoreExists, StoreInUse, StoreCorrupt, StoreUnusable.
        """
        return await cls._on_thread(home, lambda: _create(home, passphrase))

    @classmethod
    async def _on_thread(cls, home: Path, build: Callable[[], tuple[LockFile, Database]]) -> Self:
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="handshaker-store")
        building = thread.submit(build)
        try:
            lock, database = await asyncio.wrap_future(building)
        except BaseException:
            # Cancelled while the thread worked: what it opens after that is closed by the thread itself.
            thread.submit(_abandon, building)
            thread.shutdown(wait=False)
            raise
        return cls(home, lock, database, thread)

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run a unit of work in one transaction on the store's thread, after those that were asked for earlier.

        It commits as a whole, or raises and changes nothing. Cancelling the caller does not stop a unit that has begun.

        Raises:
            StoreError: the store is closed.
        """
        if self._closed:
            raise StoreError("The store is closed.")
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._database.transact, work)

    async def change_passphrase(self, old: str, new: str) -> None:
        """Wrap the key anew. Raises: WrongPassphrase, StoreUnusable; the old passphrase still opens the store then."""

        def change() -> None:
            path = self.home / _VAULT
            with explained(self.home):
                Vault.read(path).with_changed_passphrase(old, new).write(path)

        await asyncio.get_running_loop().run_in_executor(self._thread, change)

    async def close(self) -> None:
        """Finish what was asked for, close the files and let others in; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(self._thread, self._database.close)
        self._thread.shutdown(wait=False)
        self._lock.release()


def _open(home: Path, passphrase: str) -> tuple[LockFile, Database]:
    if not Store.exists(home):
        if (home / _DATABASE).exists():
            raise StoreCorrupt("The key file of the local store is missing.")
        raise NoStore
    lock = LockFile(home / _LOCK)
    try:
        with explained(home):
            vault = Vault.read(home / _VAULT)
        key = vault.open(passphrase)
        with explained(home):
            _finish_creation(home)
        return lock, Database(home / _DATABASE, key)
    except BaseException:
        lock.release()
        raise


def _create(home: Path, passphrase: str) -> tuple[LockFile, Database]:
    make_private_directory(home)
    lock = LockFile(home / _LOCK)
    try:
        _check_empty(home)
        key = DatabaseKey(system_randomness(DatabaseKey.SIZE))
        with explained(home):
            # The vault is the moment of birth: before it there is nothing, after it everything can be finished.
            for leftover in home.glob(_UNFINISHED + "*"):
                leftover.unlink()
            Database(home / _UNFINISHED, key).close()
            Vault.create(key, passphrase).write(home / _VAULT)
            _finish_creation(home)
        return lock, Database(home / _DATABASE, key)
    except BaseException:
        lock.release()
        raise


def _abandon(building: Future[tuple[LockFile, Database]]) -> None:
    if not building.cancelled() and building.exception() is None:
        lock, database = building.result()
        database.close()
        lock.release()


def _check_empty(home: Path) -> None:
    if Store.exists(home):
        raise StoreExists
    if (home / _DATABASE).exists():
        raise StoreCorrupt("The key file of the local store is missing.")


def _finish_creation(home: Path) -> None:
    if (home / _UNFINISHED).exists():
        (home / _UNFINISHED).replace(home / _DATABASE)
        sync_directory(home)
    elif not (home / _DATABASE).exists():
        raise StoreCorrupt("The database of the local store is missing.")
