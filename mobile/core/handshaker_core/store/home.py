"""A home: the directory with the lock, the vault and the databases, and the thread that they live on."""

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Self, TypeVar

from handshaker_core.protocol.randomness import system_randomness
from handshaker_core.protocol.root import StoreRecoveryKey
from handshaker_core.store import duress, panic, twins, unlocking, vault_file
from handshaker_core.store.connection import Connection
from handshaker_core.store.errors import KeystoreUnavailable, NoRecoveryPhrase, StoreError, WrongPassphrase
from handshaker_core.store.files import explained
from handshaker_core.store.keystore import Keystore, PlatformKeystore
from handshaker_core.store.unlocking import Opened
from handshaker_core.store.vault import KeystoreSecret, Unlocked

T = TypeVar("T")


class Store:
    """An unlocked, open home. Made by `open`, `recover` and `create`; held by one process at a time; closed by `close`.

    Attributes:
        home: the directory.
    """

    def __init__(self, home: Path, opened: Opened, thread: ThreadPoolExecutor, keystore: Keystore) -> None:
        self.home = home
        self._lock = opened.lock
        self._database = opened.database
        self._unlocked = opened.unlocked
        self._thread = thread
        self._keystore = keystore
        self._closed = False

    @staticmethod
    def exists(home: Path) -> bool:
        """Whether the directory holds a store."""
        return unlocking.exists(home)

    @classmethod
    async def open(cls, home: Path, passphrase: str, *, keystore: Keystore | None = None) -> Self:
        """Unlock and open a store.

        Raises:
            NoStore, WrongPassphrase, StoreInUse, StoreCorrupt, StoreTooNew, StoreUnusable.
            KeystoreMissing, KeystoreUnavailable: the vault needs the keystore.
        """
        held = keystore or PlatformKeystore()
        return await cls._on_thread(home, held, lambda: unlocking.open_home(home, passphrase, held))

    @classmethod
    async def recover(
        cls, home: Path, key: StoreRecoveryKey, passphrase: str, *, keystore: Keystore | None = None
    ) -> Self:
        """Open a store by the recovery phrase and give it a new passphrase; a keystore is no longer needed then.

        Raises:
            PhraseDoesNotOpen, PassphraseInUse, and what `open` raises.
        """
        held = keystore or PlatformKeystore()
        return await cls._on_thread(home, held, lambda: unlocking.recover_home(home, key, passphrase))

    @classmethod
    async def create(cls, home: Path, passphrase: str, *, keystore: Keystore | None = None) -> Self:
        """Make a store in a directory that holds none.

        Raises:
            StoreExists, StoreInUse, StoreCorrupt, StoreUnusable.
        """
        return await cls._on_thread(
            home, keystore or PlatformKeystore(), lambda: unlocking.create_home(home, passphrase)
        )

    @classmethod
    async def _on_thread(cls, home: Path, keystore: Keystore, build: Callable[[], Opened]) -> Self:
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="handshaker-store")
        building = thread.submit(build)
        try:
            opened = await asyncio.wrap_future(building)
        except BaseException:
            # Cancelled while the thread worked: what it opens after that is closed by the thread itself.
            thread.submit(_abandon, building)
            thread.shutdown(wait=False)
            raise
        return cls(home, opened, thread, keystore)

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run a unit of work in one transaction on the store's thread, after those that were asked for earlier.

        It commits as a whole, or raises and changes nothing. Cancelling the caller does not stop a unit that has begun.

        Raises:
            StoreError: the store is closed.
        """
        return await self._do(lambda: self._database.transact(work))

    async def fold_log(self) -> None:
        """Move the write-ahead log into the database and empty it: what was deleted is nowhere any more."""
        await self._do(self._database.fold_log)

    # --- What opens it ---------------------------------------------------------------------------------------------

    async def check_passphrase(self, passphrase: str) -> None:
        """Ask again before something grave; as slow as opening. Raises: WrongPassphrase."""

        def check() -> None:
            if not self._unlocked.opened_by(passphrase):
                raise WrongPassphrase

        await self._do(check)

    async def change_passphrase(self, old: str, new: str) -> None:
        """Wrap the key anew.

        Raises:
            WrongPassphrase, PassphraseInUse, StoreUnusable; the old passphrase still opens the store then.
        """

        def change() -> None:
            if not self._unlocked.opened_by(old):
                raise WrongPassphrase
            self._write(self._unlocked.with_passphrase(new))

        await self._do(change)

    async def set_recovery(self, key: StoreRecoveryKey) -> None:
        """Let the recovery phrase open the store; nothing is written where it does already. Raises: StoreUnusable."""

        def change() -> None:
            if self._unlocked.record.recovery != key:
                self._write(self._unlocked.with_recovery(key))

        await self._do(change)

    @property
    def uses_keystore(self) -> bool:
        """Whether the passphrase needs the platform's keystore beside it."""
        return self._unlocked.secret is not None

    async def keystore_on(self) -> None:
        """Let the passphrase open the store only together with a secret in the platform's keystore.

        Raises:
            KeystoreUnavailable: there is none.
            NoRecoveryPhrase: nothing would open the store if the keystore were lost.
            StoreUnusable.
        """

        def change() -> None:
            if self._unlocked.record.recovery is None:
                raise NoRecoveryPhrase
            secret = KeystoreSecret(system_randomness(KeystoreSecret.SIZE))
            self._keystore.put(self._unlocked.keystore_id, secret)
            self._write(self._unlocked.with_secret(secret))

        await self._do(change)

    async def keystore_off(self) -> None:
        """Let the passphrase alone open the store. Raises: StoreUnusable."""

        def change() -> None:
            self._write(self._unlocked.with_secret(None))
            with contextlib.suppress(KeystoreUnavailable):  # what it still keeps opens nothing any more
                self._keystore.delete(self._unlocked.keystore_id)

        await self._do(change)

    async def set_duress(self, other: Path, passphrase: str) -> None:
        """Make another home the decoy of this one: its passphrase opens it from now on *here*, and destroys the wraps of
        this home by doing so. The other directory is destroyed; a decoy that is there already is replaced.

        Raises:
            PassphraseInUse, StoreUnusable, and what `open` raises about the other home; nothing is changed then.
        """

        def change() -> None:
            self._write(duress.adopt(self.home, self._unlocked, other, passphrase, self._keystore))
            panic.destroy(other, keystore=self._keystore)

        await self._do(change)

    async def clear_duress(self) -> None:
        """One passphrase again; no difference where there was no other. Raises: StoreUnusable."""
        await self._do(lambda: self._write(self._unlocked.without_decoy()))

    def _write(self, unlocked: Unlocked) -> None:
        with explained(self.home):
            vault_file.update(self.home / unlocking.VAULT, unlocked.vault())
        self._unlocked = unlocked

    # --- Ending ----------------------------------------------------------------------------------------------------

    async def destroy(self) -> None:
        """Make everything in the home unreadable, then delete it; see `store.panic`. The store is closed after it."""
        self._closed = True
        loop = asyncio.get_running_loop()
        keystore_id = self._unlocked.keystore_id if self.uses_keystore else None
        await loop.run_in_executor(None, panic.destroy_wraps, self.home)
        await loop.run_in_executor(self._thread, self._database.abandon)
        await loop.run_in_executor(None, panic.delete_files, self.home)
        self._thread.shutdown(wait=False)
        self._lock.release()
        if keystore_id is not None:
            await loop.run_in_executor(None, panic.forget_secret, self._keystore, keystore_id)

    async def close(self) -> None:
        """Finish what was asked for, close the files and let others in; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._database.close)
        await loop.run_in_executor(self._thread, _level, self.home)
        self._thread.shutdown(wait=False)
        self._lock.release()

    async def _do(self, work: Callable[[], T]) -> T:
        if self._closed:
            raise StoreError("The store is closed.")
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _level(home: Path) -> None:
    with contextlib.suppress(OSError):  # a full disk: the next opening or closing does it
        twins.level(home)


def _abandon(building: Future[Opened]) -> None:
    if not building.cancelled() and building.exception() is None:
        opened = building.result()
        opened.database.close()
        opened.lock.release()
