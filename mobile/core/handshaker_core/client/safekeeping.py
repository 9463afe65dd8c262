"""What protects an account on this device: passphrases, recovery phrase, keystore, decoy, backups, disappearing messages."""

import asyncio
from functools import partial
from pathlib import Path

from handshaker_core.client import conversations, decoy, disappearing, introducing, opening
from handshaker_core.client.core import Core, StepProgress
from handshaker_core.client.core import no_progress as no_steps
from handshaker_core.client.sessions import Sessions
from handshaker_core.client.unit import Unit
from handshaker_core.client.wiping import SERVER_SECONDS, Panicked, panic
from handshaker_core.protocol import phrase
from handshaker_core.protocol.phrase import InvalidPhrase
from handshaker_core.protocol.root import RootSeed
from handshaker_core.store import Store, backup, snapshot, timers
from handshaker_core.store.errors import NoRecoveryPhrase
from handshaker_core.store.sealed_stream import Progress, no_progress


class Safekeeping:
    """Reached as `Client.safe`."""

    def __init__(self, core: Core) -> None:
        self._core = core

    # --- What opens the store --------------------------------------------------------------------------------------

    async def change_passphrase(self, old: str, new: str) -> None:
        """Unlock with another passphrase from now on. Raises: WrongPassphrase, PassphraseInUse, EmptyPassphrase."""
        opening.check_passphrase(new)
        await self._core.store.change_passphrase(old, new)

    @staticmethod
    async def reset_passphrase(home: Path, words: str, new: str) -> None:
        """Set a new passphrase by the recovery phrase, in a home that nobody has open; a keystore is not needed after it.

        Raises:
            InvalidPhrase, PhraseDoesNotOpen, PassphraseInUse, EmptyPassphrase, and what `Client.open` raises.
        """
        opening.check_passphrase(new)
        seed = phrase.decode(words)
        store = await Store.recover(home, seed.store_recovery(), new)
        await store.close()

    async def recovery_phrase(self, passphrase: str) -> list[str]:
        """The 24 words of this account; the passphrase is asked for once more.

        Raises:
            WrongPassphrase, NoRecoveryPhrase (on linked devices).
        """
        await self._core.store.check_passphrase(passphrase)
        return phrase.encode(self._root)

    def check_phrase(self, words: str) -> None:
        """See whether somebody has written the phrase down right.

        Raises:
            NoRecoveryPhrase.
            InvalidPhrase: names the word, or says that it is the phrase of something else.
        """
        if phrase.decode(words) != self._root:
            raise InvalidPhrase("This is a recovery phrase, but not the one of this account.")

    @property
    def uses_keystore(self) -> bool:
        """Whether the passphrase opens the store only together with the platform's keystore."""
        return self._core.store.uses_keystore

    async def keystore_on(self) -> None:
        """Keep half of what opens the store in the platform's keystore. Raises: KeystoreUnavailable, NoRecoveryPhrase."""
        await self._core.store.keystore_on()

    async def keystore_off(self) -> None:
        """Let the passphrase alone open the store."""
        await self._core.store.keystore_off()

    async def set_duress(self, other: Path, duress: str) -> None:
        """Make another home, which nobody has open, the decoy that its passphrase opens here.

        Raises:
            PassphraseInUse, and what `Client.open` raises about the other home; nothing is changed then.
        """
        await self._core.store.set_duress(other, duress)

    async def make_decoy(self, duress: str, progress: StepProgress = no_steps) -> None:
        """Make a small account on the same server the decoy, with a little conversation in it; see `decoy`.

        Raises:
            PassphraseInUse, EmptyPassphrase, NetworkError, RefusedByServer: nothing is changed then.
        """
        opening.check_passphrase(duress)
        await decoy.make(self._core, duress, progress)

    async def clear_duress(self, passphrase: str) -> None:
        """Give the decoy up; no difference where there was none. Raises: WrongPassphrase."""
        await self._core.store.check_passphrase(passphrase)
        await self._core.store.clear_duress()

    # --- Backups ---------------------------------------------------------------------------------------------------

    async def back_up(self, path: Path, progress: Progress = no_progress) -> int:
        """Write an encrypted backup that the recovery phrase opens. Returns: its size in bytes.

        Raises:
            NoRecoveryPhrase, FileExists, StoreUnusable.
        """
        key = self._root.backup_key()
        collected = await self._core.run(lambda u: snapshot.collect(u.c, u.keys.identity_key, u.now))
        return await asyncio.to_thread(backup.write, path, key, collected, progress)

    async def restore(self, path: Path, words: str | None = None, progress: Progress = no_progress) -> int:
        """Put a backup's contacts and messages beside what is here. Returns: how many messages the backup held.

        Args:
            path: the file.
            words: the recovery phrase of the account that made it; this account's own by default.
            progress: told the share of the file that was read.

        Raises:
            InvalidPhrase, NoRecoveryPhrase, NotABackup, BackupTooNew, BackupWrongKey, BackupDamaged, StoreUnusable.
        """
        root = self._root if words is None else phrase.decode(words)
        read = await asyncio.to_thread(backup.read, path, root.backup_key(), progress)
        await self._core.run(partial(_restore, read=read))
        return len(read.of(backup.BackupMessage))

    # --- Disappearing messages -------------------------------------------------------------------------------------

    async def disappear(self, contact: int | str, seconds: int | None) -> None:
        """Let new messages with a contact disappear, on both sides, so long after they are read; None lets them stay.

        Raises:
            InvalidTimer, NotConnected, NoSuchContact, AmbiguousContact.
            NoSession, NetworkError: the session was ended, and a new one cannot be had now.
        """
        await Sessions(self._core).ensure(contact)
        await self._core.run(lambda u: disappearing.change(u, conversations.resolve(u, contact).id, seconds))

    async def disappears_after(self, contact: int | str) -> int | None:
        """Seconds that new messages with a contact live; None for ever. Raises: NoSuchContact, AmbiguousContact."""
        return await self._core.run(lambda u: timers.get(u.c, conversations.resolve(u, contact).id))

    # --- Panic -----------------------------------------------------------------------------------------------------

    async def panic(self, seconds: float = SERVER_SECONDS) -> Panicked:
        """Destroy everything on this machine, then end the account on the server if it answers in time. The client can
        only be closed after it.

        Raises:
            StoreUnusable: the keys are destroyed, but a file could not be deleted.
        """
        return await panic(self._core, seconds)

    @property
    def _root(self) -> RootSeed:
        if self._core.keys.root is None:
            raise NoRecoveryPhrase
        return self._core.keys.root


def _restore(u: Unit, read: backup.Backup) -> None:
    snapshot.restore(u.c, read)
    introducing.introduce_to_everybody(u)  # they know other devices of this person; this one needs sessions with them
