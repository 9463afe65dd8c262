"""OpenPGP for a person: the own certificate, those of contacts, files, and the encrypted export of all conversations.

Conversations never travel this way. An OpenPGP message can be read for as long as its keys exist; there is no forward
secrecy. It serves to prove an identity outside of the messenger, and for files that have to be read by other programs.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from handshaker_core.client import conversations
from handshaker_core.client.core import Core, StepProgress, no_progress
from handshaker_core.client.openpgp import history, messages, people
from handshaker_core.client.openpgp.errors import (
    FileUnusable,
    ForeignCertificate,
    NoCertificate,
    NoOpenPgpKey,
    NotPublished,
)
from handshaker_core.client.openpgp.files import reading, writing
from handshaker_core.client.openpgp.people import Known
from handshaker_core.client.openpgp.values import CertificateInfo, CheckedFile, ExportedHistory, SignatureState
from handshaker_core.client.tokens import Session
from handshaker_core.client.unit import Unit
from handshaker_core.model import Contact, ContactId
from handshaker_core.openpgp.armor import ArmorType, armor
from handshaker_core.openpgp.certificate import Certificate
from handshaker_core.openpgp.errors import CertificateRevoked, OpenPgpTooLarge
from handshaker_core.openpgp.own import OwnKey
from handshaker_core.openpgp.registry import MAX_CERTIFICATE
from handshaker_core.openpgp.secret import secret_key
from handshaker_core.protocol.address import BundleId
from handshaker_core.store import devices
from handshaker_core.store.errors import FileExists
from handshaker_core.store.openpgp import Source

__all__ = [
    "CertificateInfo",
    "CheckedFile",
    "ExportedHistory",
    "FileExists",
    "FileUnusable",
    "ForeignCertificate",
    "NoCertificate",
    "NoOpenPgpKey",
    "NotPublished",
    "OpenPgp",
    "SignatureState",
]

_LARGEST_FILE = 2 * MAX_CERTIFICATE  # armored, with headers


class OpenPgp:
    """What a client can do with OpenPGP; had from `Client.openpgp`.

    Everything that needs the own key raises `PrimaryDeviceOnly` on a linked device, and `NoOpenPgpKey` for an account
    without a root seed. Files appear complete or not at all, never over an existing one (`FileExists`, `FileUnusable`).
    """

    def __init__(self, core: Core, session: Session) -> None:
        self._core = core
        self._session = session

    # --- Certificates --------------------------------------------------------------------------------------------

    async def certificate(self, name: str | None = None) -> CertificateInfo:
        """The own certificate: always the same, and without a name unless one is given. Raises: InvalidUserId."""
        return people.info(self._own().certificate(name), None)

    async def export_certificate(self, target: Path, name: str | None = None) -> int:
        """Write the own certificate to a new file, armored. Returns: bytes. Raises: InvalidUserId, FileExists, FileUnusable."""
        certificate = await self.certificate(name)
        return await asyncio.to_thread(_write, target, certificate.armored)

    async def export_secret(self, target: Path, passphrase: str, name: str | None = None) -> int:
        """Write the secret key to a new file, armored, protected by a passphrase alone. Returns: bytes.

        Whoever has both can sign as this person and read everything that was ever encrypted to the certificate.

        Raises:
            NoPassphrase, InvalidUserId, FileExists, FileUnusable.
        """
        secret = await asyncio.to_thread(secret_key, self._own(), passphrase, self._core.rng, name)
        return await asyncio.to_thread(_write, target, armor(ArmorType.PRIVATE_KEY, secret))

    async def publish(self) -> CertificateInfo:
        """Have the server give the own certificate, without a name, to those who know the contact address.

        Raises:
            LoggedOut, NetworkError.
        """
        encoded = self._own().certificate().encoded
        await self._session.call(
            lambda token: self._core.api.publish_openpgp(token, self._core.keys.bundle_id, encoded)
        )
        return await self.certificate()

    async def unpublish(self) -> None:
        """Have the server forget the certificate; copies that others have stay. Raises: LoggedOut, NetworkError."""
        await self._session.call(lambda token: self._core.api.unpublish_openpgp(token, self._core.keys.bundle_id))

    async def fetch(self, contact: int | str, progress: StepProgress = no_progress) -> CertificateInfo:
        """Ask the server for a contact's certificate, check that it is theirs, and keep it.

        Raises:
            NotPublished, ForeignCertificate, OpenPgpError, NetworkError, NoSuchContact, AmbiguousContact.
            CertificateRevoked: the contact has taken it back; the one that was here is forgotten.
        """
        who, bundles = await self._core.run(lambda u: _bundles(u, contact))
        for bundle_id in bundles:
            found = await self._core.api.fetch_openpgp(bundle_id, lambda share: progress("certificate", share))
            if found is not None:
                return await self._keep(who.id, found, Source.SERVER)
        raise NotPublished

    async def import_certificate(self, contact: int | str, file: Path) -> CertificateInfo:
        """Read a certificate from a file, check that it belongs to exactly this contact, and keep it.

        It proves that whoever holds the contact's identity also holds the OpenPGP key. It does not prove who that is:
        the contact is verified afterwards if it was before.

        Raises:
            ForeignCertificate, OpenPgpError, FileUnusable, NoSuchContact, AmbiguousContact.
            CertificateRevoked: the contact has taken it back; the one that was here is forgotten.
        """
        data = await asyncio.to_thread(_small, file)
        who = await self._core.run(lambda u: conversations.resolve(u, contact))
        return await self._keep(who.id, data, Source.FILE)

    async def certificate_of(self, contact: int | str) -> CertificateInfo:
        """The certificate of a contact that is here. Raises: NoCertificate, NoSuchContact, AmbiguousContact."""

        def find(u: Unit) -> CertificateInfo:
            who = conversations.resolve(u, contact)
            return people.info(people.of_contact(u, who), who.id)

        return await self._core.run(find)

    # --- Files ---------------------------------------------------------------------------------------------------

    async def encrypt(
        self,
        source: Path,
        target: Path,
        to: Sequence[int | str],
        *,
        armored: bool = False,
        progress: StepProgress = no_progress,
    ) -> int:
        """Encrypt a file to contacts and to oneself, and sign it. Returns: bytes written.

        Raises:
            NoCertificate, OpenPgpExpired, FileExists, FileUnusable, NoSuchContact, AmbiguousContact.
        """
        known, recipients = await self._recipients(to)
        work = partial(
            messages.encrypt,
            source,
            target,
            known,
            recipients,
            armored=armored,
            now=self._core.clock(),
            rng=self._core.rng,
            progress=_from_a_thread(progress, "encrypt"),
        )
        return await asyncio.to_thread(work)

    async def decrypt(self, source: Path, target: Path, *, progress: StepProgress = no_progress) -> CheckedFile:
        """Decrypt a file, or open one that is only signed, and say who has signed it.

        Raises:
            OpenPgpError: it was altered, is not for us, or cannot be read; nothing was written.
            FileExists, FileUnusable.
        """
        known = await self._core.run(people.known)
        told = _from_a_thread(progress, "decrypt")
        work = partial(messages.decrypt, source, target, known, now=self._core.clock(), progress=told)
        return await asyncio.to_thread(work)

    async def sign(self, source: Path, target: Path) -> int:
        """Sign a file; the signature goes to a file of its own, armored. Raises: FileExists, FileUnusable."""
        known = await self._core.run(people.known)
        return await asyncio.to_thread(partial(messages.sign, source, target, known, now=self._core.clock()))

    async def verify(self, source: Path, signature: Path) -> CheckedFile:
        """Verify a file with its separate signature; linked devices can do that too. Raises: OpenPgpError, FileUnusable."""
        signers = await self._core.run(people.signers)
        return await asyncio.to_thread(partial(messages.verify, source, signature, signers, now=self._core.clock()))

    async def export_history(
        self, target: Path, to: Sequence[int | str] = (), *, progress: StepProgress = no_progress
    ) -> ExportedHistory:
        """Write all conversations to a new file, encrypted to oneself, and to contacts if wanted.

        Raises:
            NoCertificate, OpenPgpExpired, FileExists, FileUnusable, NoSuchContact, AmbiguousContact.
        """
        known, recipients = await self._recipients(to)
        return await history.export(self._core, target, known, recipients, lambda share: progress("history", share))

    async def _keep(self, contact: ContactId, data: bytes, source: Source) -> CertificateInfo:
        try:
            return await self._core.run(partial(people.keep, contact=contact, data=data, source=source))
        except CertificateRevoked as revoked:
            await self._core.run(partial(people.forget_revoked, contact=contact, revoked=revoked))
            raise

    def _own(self) -> OwnKey:
        return people.own_key(self._core.keys)

    async def _recipients(self, to: Sequence[int | str]) -> tuple[Known, list[Certificate]]:
        def find(u: Unit) -> tuple[Known, list[Certificate]]:
            known = people.known(u)
            chosen = {who.id: who for who in (conversations.resolve(u, reference) for reference in to)}
            return known, [known.certificate, *(people.of_contact(u, who) for who in chosen.values())]

        return await self._core.run(find)


def _bundles(u: Unit, reference: int | str) -> tuple[Contact, list[BundleId]]:
    """Where a contact may have published; the device that was there first is the one that can."""
    who = conversations.resolve(u, reference)
    certificates = [device.certificate for device in devices.of_contact(u.c, who.id)]
    return who, [found.bundle_id for found in sorted(certificates, key=lambda each: each.issued_at)]


def _from_a_thread(progress: StepProgress, step: str) -> Callable[[float], None]:
    """Progress is told on the event loop, wherever the work is done."""
    loop = asyncio.get_running_loop()

    def tell(share: float) -> None:
        loop.call_soon_threadsafe(progress, step, share)

    return tell


def _write(target: Path, text: str) -> int:
    with writing(target) as file:
        return file.write(text.encode())


def _small(path: Path) -> bytes:
    with reading(path) as file:
        data = file.read(_LARGEST_FILE + 1)
    if len(data) > _LARGEST_FILE:
        raise OpenPgpTooLarge
    return data
