"""Operations with OpenPGP."""

from collections.abc import AsyncGenerator, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from handshaker_core.client import Client, StepProgress
from handshaker_core.client.openpgp import CertificateInfo, CheckedFile

from handshaker_cli import passphrase
from handshaker_cli.operations import results
from handshaker_cli.operations.pgp_arguments import (
    PgpDecrypt,
    PgpEncrypt,
    PgpExport,
    PgpExportSecret,
    PgpFetch,
    PgpHistory,
    PgpImport,
    PgpPublish,
    PgpShow,
    PgpSign,
    PgpUnpublish,
    PgpVerify,
)
from handshaker_cli.operations.resolve import find_contact
from handshaker_cli.operations.results import Notice, Result
from handshaker_cli.operations.told import Told

_SECRET = Notice(
    "secret_key",
    "Careful: whoever has this file and its passphrase can sign as you and read every file that was ever encrypted to "
    "your OpenPGP key, and you cannot take that back. Messages with your contacts are not affected.",
)


async def export(client: Client, arguments: PgpExport) -> AsyncGenerator[Result, None]:
    """Yields the own certificate, or the file it is in. Raises: InvalidUserId, FileExists, FileUnusable."""
    if arguments.file is None:
        yield await _certificate(client, await client.openpgp.certificate(arguments.name))
    else:
        size = await client.openpgp.export_certificate(Path(arguments.file), arguments.name)
        yield results.Written(file=arguments.file, kind="certificate", bytes=size)


async def export_secret(client: Client, arguments: PgpExportSecret) -> AsyncGenerator[Result, None]:
    """Yields a warning, then the file. Raises: UnusablePassphrase, InvalidUserId, FileExists, FileUnusable."""
    yield _SECRET
    protection = passphrase.read_file(Path(arguments.protect_with))
    size = await client.openpgp.export_secret(Path(arguments.file), protection, arguments.name)
    yield results.Written(file=arguments.file, kind="secret_key", bytes=size)


async def import_(client: Client, arguments: PgpImport) -> AsyncGenerator[Result, None]:
    """Yields the contact's certificate. Raises: UnknownContact, ForeignCertificate, OpenPgpError, FileUnusable."""
    contact = find_contact(await client.contacts(include_all=True), arguments.to)
    yield await _certificate(client, await client.openpgp.import_certificate(contact.id, Path(arguments.file)))


async def fetch(client: Client, arguments: PgpFetch) -> AsyncGenerator[Result, None]:
    """Yields the contact's certificate. Raises: UnknownContact, NotPublished, OpenPgpError, NetworkError."""
    contact = find_contact(await client.contacts(include_all=True), arguments.to)
    async with Told(lambda told: client.openpgp.fetch(contact.id, told)) as work:
        async for progress in work:
            yield progress
        found = work.result()
    yield await _certificate(client, found)


async def show(client: Client, arguments: PgpShow) -> AsyncGenerator[Result, None]:
    """Yields the contact's certificate. Raises: UnknownContact, NoCertificate."""
    contact = find_contact(await client.contacts(include_all=True), arguments.to)
    yield await _certificate(client, await client.openpgp.certificate_of(contact.id))


async def publish(client: Client, _: PgpPublish) -> AsyncGenerator[Result, None]:
    """Yields the own certificate, as the server has it now. Raises: NetworkError."""
    await client.whoami()
    yield await _certificate(client, await client.openpgp.publish())


async def unpublish(client: Client, _: PgpUnpublish) -> AsyncGenerator[Result, None]:
    """Yields a notice. Raises: NetworkError."""
    await client.whoami()
    await client.openpgp.unpublish()
    yield Notice("unpublished", "The server does not give your certificate out any more. Copies that others have stay.")


async def encrypt(client: Client, arguments: PgpEncrypt) -> AsyncGenerator[Result, None]:
    """Yields the encrypted file. Raises: UnknownContact, NoCertificate, FileExists, FileUnusable."""
    to = await _contacts(client, arguments.to)
    source, output = Path(arguments.file), Path(arguments.output)

    def work(told: StepProgress) -> Coroutine[Any, Any, int]:
        return client.openpgp.encrypt(source, output, to, armored=arguments.armor, progress=told)

    async with Told(work) as working:
        async for progress in working:
            yield progress
        size = working.result()
    yield results.Written(file=str(output), kind="encrypted", bytes=size)


async def decrypt(client: Client, arguments: PgpDecrypt) -> AsyncGenerator[Result, None]:
    """Yields the decrypted file, and who signed it. Raises: OpenPgpError, FileExists, FileUnusable."""
    source, output = Path(arguments.file), Path(arguments.output)
    async with Told(lambda told: client.openpgp.decrypt(source, output, progress=told)) as work:
        async for progress in work:
            yield progress
        checked = work.result()
    yield await _checked(client, checked)


async def sign(client: Client, arguments: PgpSign) -> AsyncGenerator[Result, None]:
    """Yields the file of the signature. Raises: FileExists, FileUnusable."""
    size = await client.openpgp.sign(Path(arguments.file), Path(arguments.output))
    yield results.Written(file=arguments.output, kind="signature", bytes=size)


async def verify(client: Client, arguments: PgpVerify) -> AsyncGenerator[Result, None]:
    """Yields who signed the file. Raises: OpenPgpError, FileUnusable."""
    yield await _checked(client, await client.openpgp.verify(Path(arguments.file), Path(arguments.signature)))


async def history(client: Client, arguments: PgpHistory) -> AsyncGenerator[Result, None]:
    """Yields the file of the export. Raises: UnknownContact, NoCertificate, FileExists, FileUnusable."""
    to = await _contacts(client, arguments.to)
    async with Told(lambda told: client.openpgp.export_history(Path(arguments.output), to, progress=told)) as work:
        async for progress in work:
            yield progress
        exported = work.result()
    yield results.Written(file=str(exported.written), kind="history", bytes=exported.size, messages=exported.messages)


async def _contacts(client: Client, lines: str) -> list[int]:
    everybody = await client.contacts(include_all=True)
    return [find_contact(everybody, line).id for line in lines.splitlines()]


async def _certificate(client: Client, found: CertificateInfo) -> results.Certificate:
    contact = None if found.contact_id is None else await client.contact(found.contact_id)
    return results.Certificate(
        fingerprint=found.fingerprint,
        user_id=", ".join(found.user_ids),
        contact=None if contact is None else contact.id,
        name=None if contact is None else contact.name,
        verified=None if contact is None else contact.verified,
        armored=found.armored,
    )


async def _checked(client: Client, checked: CheckedFile) -> results.Checked:
    contact = None if checked.contact_id is None else await client.contact(checked.contact_id)
    return results.Checked(
        file=None if checked.written is None else str(checked.written),
        bytes=checked.size,
        encrypted=checked.encrypted,
        signature=checked.signature.value,
        fingerprint=checked.signer,
        own=checked.own,
        contact=None if contact is None else contact.id,
        name=None if contact is None else contact.name,
        verified=None if contact is None else contact.verified,
        at=None if checked.signed_at is None else datetime.fromtimestamp(checked.signed_at, UTC),
    )
