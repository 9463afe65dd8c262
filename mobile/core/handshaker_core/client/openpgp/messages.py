"""Encrypting, decrypting, signing and verifying files. Synchronous: it runs in a thread, and a piece at a time."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, TypeAlias

from handshaker_core.client.openpgp.files import reading, writing
from handshaker_core.client.openpgp.people import Known, Signers
from handshaker_core.client.openpgp.values import CheckedFile, SignatureState
from handshaker_core.openpgp.armor import ArmorType, ArmorWriter, armor
from handshaker_core.openpgp.certificate import Certificate
from handshaker_core.openpgp.reading import GoodSignature, UnknownSigner, read_message, verify_detached
from handshaker_core.openpgp.registry import CHUNK, MAX_CERTIFICATE
from handshaker_core.openpgp.writing import Encryptor, sign_detached
from handshaker_core.protocol.randomness import Randomness

Progress: TypeAlias = Callable[[float], None]
"""Told the share that is done."""

_ARMOR_OVERHEAD = 2


class MessageFile:
    """An encrypted file that is being written.

    Args:
        file: where it goes.
        known: who signs.
        recipients: who can read it.
        armored: as text.
        now: seconds since 1970.
        rng: randomness.
    """

    def __init__(
        self,
        file: BinaryIO,
        known: Known,
        recipients: Sequence[Certificate],
        *,
        armored: bool,
        now: float,
        rng: Randomness,
    ) -> None:
        self._file = file
        self._encryptor = Encryptor(recipients, known.own, now=now, rng=rng)
        self._armor = ArmorWriter(ArmorType.MESSAGE) if armored else None
        self.size = 0

    def write(self, content: bytes) -> None:
        """Add content."""
        self._out(self._encryptor.update(content))

    def finish(self) -> None:
        """End the message."""
        self._out(self._encryptor.finish())
        if self._armor is not None:
            self._put(self._armor.finish())

    def _out(self, data: bytes) -> None:
        self._put(data if self._armor is None else self._armor.update(data))

    def _put(self, data: bytes) -> None:
        self.size += len(data)
        self._file.write(data)


def encrypt(
    source: Path,
    target: Path,
    known: Known,
    recipients: Sequence[Certificate],
    *,
    armored: bool,
    now: float,
    rng: Randomness,
    progress: Progress,
) -> int:
    """Encrypt and sign a file. Returns: bytes written. Raises: OpenPgpError, FileExists, FileUnusable."""
    with reading(source) as plain, writing(target) as file:
        total = max(1, source.stat().st_size)
        done = 0
        message = MessageFile(file, known, recipients, armored=armored, now=now, rng=rng)
        while piece := plain.read(CHUNK):
            message.write(piece)
            done += len(piece)
            progress(done / total)
        message.finish()
        return message.size


def decrypt(source: Path, target: Path, known: Known, *, now: float, progress: Progress) -> CheckedFile:
    """Decrypt and verify a file; nothing is left of one that was altered. Raises: OpenPgpError, FileExists, FileUnusable."""
    with reading(source) as message, writing(target) as file:
        total = max(1, source.stat().st_size)

        def keep(content: bytes) -> None:
            file.write(content)
            progress(message.tell() / total)

        opened = read_message(message, keep, known.own, known.signers.find, now=now)
    return _checked(known.signers, opened.signature, written=target, size=opened.size, encrypted=opened.encrypted)


def sign(source: Path, target: Path, known: Known, *, now: float) -> int:
    """Sign a file; the signature goes to a file of its own. Returns: bytes. Raises: FileExists, FileUnusable."""
    with reading(source) as content, writing(target) as file:
        return file.write(armor(ArmorType.SIGNATURE, sign_detached(content, known.own, now=now)).encode())


def verify(source: Path, signature: Path, signers: Signers, *, now: float) -> CheckedFile:
    """Verify a file with its separate signature. Raises: OpenPgpError, FileUnusable."""
    with reading(signature) as file:
        data = file.read(_ARMOR_OVERHEAD * MAX_CERTIFICATE)
    with reading(source) as content:
        judged = verify_detached(content, data, signers.find, now=now)
        size = content.tell()
    return _checked(signers, judged, written=None, size=size, encrypted=False)


def _checked(
    signers: Signers,
    signature: GoodSignature | UnknownSigner | None,
    *,
    written: Path | None,
    size: int,
    encrypted: bool,
) -> CheckedFile:
    if not isinstance(signature, GoodSignature):
        state = SignatureState.NONE if signature is None else SignatureState.UNKNOWN
        return CheckedFile(written, size, encrypted, state)
    return CheckedFile(
        written=written,
        size=size,
        encrypted=encrypted,
        signature=SignatureState.GOOD,
        signer=signature.signer.fingerprint.hex().upper(),
        own=signature.signer is signers.own,
        contact_id=signers.owner(signature.signer),
        signed_at=signature.made_at,
    )
