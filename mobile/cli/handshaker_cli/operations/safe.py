"""Operations that protect an account on this machine."""

from collections.abc import AsyncGenerator, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

from handshaker_core.client import Client, StepProgress

from handshaker_cli.operations import results
from handshaker_cli.operations.resolve import find_contact
from handshaker_cli.operations.results import Result
from handshaker_cli.operations.safe_arguments import (
    ChangePassphrase,
    CheckPhrase,
    ClearDuress,
    CreateBackup,
    Disappear,
    Keystore,
    Panic,
    RestoreBackup,
    SetDuress,
    ShowPhrase,
)
from handshaker_cli.operations.told import Told
from handshaker_cli.operations.watching import flushed


async def show_phrase(client: Client, arguments: ShowPhrase) -> AsyncGenerator[Result, None]:
    """Yields the recovery phrase. Raises: WrongPassphrase, NoRecoveryPhrase."""
    yield results.Phrase(" ".join(await client.safe.recovery_phrase(arguments.passphrase)))


async def check_phrase(client: Client, arguments: CheckPhrase) -> AsyncGenerator[Result, None]:
    """Yields that the words are right. Raises: InvalidPhrase, NoRecoveryPhrase."""
    client.safe.check_phrase(arguments.words)
    yield results.Done("phrase_right", "That is the recovery phrase of this account. Keep it where only you find it.")


async def change_passphrase(client: Client, arguments: ChangePassphrase) -> AsyncGenerator[Result, None]:
    """Yields that it is changed. Raises: WrongPassphrase, PassphraseInUse, EmptyPassphrase."""
    await client.safe.change_passphrase(arguments.old, arguments.new)
    yield results.Done("passphrase_changed", "The passphrase is changed.")


async def keystore(client: Client, arguments: Keystore) -> AsyncGenerator[Result, None]:
    """Yields how it stands with the keystore now. Raises: KeystoreUnavailable, NoRecoveryPhrase."""
    if arguments.action == "on":
        await client.safe.keystore_on()
    elif arguments.action == "off":
        await client.safe.keystore_off()
    if client.safe.uses_keystore:
        yield results.Done(
            "keystore_on",
            "On: the passphrase opens this account only together with the keystore of this computer. If the keystore is "
            "lost, the recovery phrase opens it: handshaker passphrase --forgotten",
        )
    else:
        yield results.Done("keystore_off", "Off: the passphrase alone opens this account.")


async def set_duress(client: Client, arguments: SetDuress) -> AsyncGenerator[Result, None]:
    """Yields that there is a decoy. Raises: PassphraseInUse, and what is wrong with the other home."""
    if arguments.other is not None:
        await client.safe.set_duress(Path(arguments.other), arguments.passphrase)
    else:

        def make(told: StepProgress) -> Coroutine[Any, Any, None]:
            return client.safe.make_decoy(arguments.passphrase, told)

        async with Told(make) as work:
            async for progress in work:
                yield progress
            work.result()
    yield results.Done(
        "duress_set",
        "From now on the duress passphrase opens the other account here, and destroys this one beyond recovery by doing "
        "so. Try it only on a copy.",
    )


async def clear_duress(client: Client, arguments: ClearDuress) -> AsyncGenerator[Result, None]:
    """Yields that there is no decoy. Raises: WrongPassphrase."""
    await client.safe.clear_duress(arguments.passphrase)
    yield results.Done("duress_off", "There is no duress passphrase now.")


async def create_backup(client: Client, arguments: CreateBackup) -> AsyncGenerator[Result, None]:
    """Yields the file. Raises: FileExists, NoRecoveryPhrase, StoreUnusable."""
    path = Path(arguments.file)

    async def write(told: StepProgress) -> int:
        return await client.safe.back_up(path, partial(told, "backup"))

    async with Told(write) as work:
        async for progress in work:
            yield progress
        yield results.Written(file=str(path), kind="backup", bytes=work.result())


async def restore_backup(client: Client, arguments: RestoreBackup) -> AsyncGenerator[Result, None]:
    """Yields what came back. Raises: InvalidPhrase, NotABackup, BackupTooNew, BackupWrongKey, BackupDamaged."""
    path = Path(arguments.file)

    async def read(told: StepProgress) -> int:
        return await client.safe.restore(path, arguments.words, partial(told, "restore"))

    async with Told(read) as work:
        async for progress in work:
            yield progress
        count = work.result()
    yield results.Restored(messages=count, contacts=len(await client.contacts(include_all=True)))


async def disappear(client: Client, arguments: Disappear) -> AsyncGenerator[Result, None]:
    """Yields the timer that is in force. Raises: UnknownContact, AmbiguousContact, InvalidTimer, NotConnected."""
    contact = find_contact(await client.contacts(include_all=True), arguments.to)
    if arguments.seconds is not None:
        await client.safe.disappear(contact.id, arguments.seconds or None)
        async for notice in flushed(client):
            yield notice
    yield results.Timer(contact.id, contact.name, await client.safe.disappears_after(contact.id))


async def panic(client: Client, _: Panic) -> AsyncGenerator[Result, None]:
    """Yields what was destroyed. Raises: StoreUnusable: the keys are gone, a file is not."""
    yield results.Panicked((await client.safe.panic()).server_told)
