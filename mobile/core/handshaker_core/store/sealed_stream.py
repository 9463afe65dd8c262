"""One encrypted file: AES-256-GCM in segments of 64 KiB, whose order and end are authenticated (STREAM, Hoang et al. 2015).

    file    = header || segments
    header  = magic (8) || version (1) || salt (32) || key check (16)
    keys    = HKDF-SHA256(key, salt, label || magic || version) -> segment key (32) || nonce prefix (7) || key check (16)
    segment = AES-256-GCM(segment key, nonce prefix || u32 index || u8 last, plaintext, associated data = header)

Every segment but the last holds 65,536 bytes of plaintext, the last one between 1 and 65,536. The plaintext is the content, one byte
0x80, and zeros up to a Padmé size (Nikitin et al. 2019) of at least 64 KiB, so that the file's length says little.

The check tells a wrong key from damage; it says nothing else, as it comes out of the same HKDF.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from handshaker_core.protocol.keys import SecretBytes
from handshaker_core.protocol.labels import Label
from handshaker_core.store.errors import (
    BackupDamaged,
    BackupTooNew,
    BackupWrongKey,
    FileExists,
    NotABackup,
    StoreUnusable,
)
from handshaker_core.store.files import PRIVATE_FILE, explained, sync_directory

MAGIC = b"HSBACKUP"
VERSION = 1
SEGMENT_SIZE = 65_536
MOST_SEGMENTS = 2**32
_TAG_SIZE = 16
_SALT_SIZE = 32
_CHECK_SIZE = 16
_PREFIX_SIZE = 7
_KEY_SIZE = 32
_HEADER_SIZE = len(MAGIC) + 1 + _SALT_SIZE + _CHECK_SIZE
_END = b"\x80"

Progress: TypeAlias = Callable[[float], None]
"""Told the share that is done."""


def no_progress(_share: float) -> None:
    """Nobody looks."""


@dataclass(frozen=True, slots=True, repr=False)
class _Keys:
    cipher: AESGCM
    prefix: bytes
    check: bytes

    @classmethod
    def derive(cls, key: SecretBytes, salt: bytes) -> "_Keys":
        length = _KEY_SIZE + _PREFIX_SIZE + _CHECK_SIZE
        info = Label.BACKUP_FILE_KEY.value + MAGIC + bytes((VERSION,))
        okm = HKDF(SHA256(), length, salt, info).derive(key.raw)
        return cls(AESGCM(okm[:_KEY_SIZE]), okm[_KEY_SIZE : _KEY_SIZE + _PREFIX_SIZE], okm[_KEY_SIZE + _PREFIX_SIZE :])

    def nonce(self, index: int, *, last: bool) -> bytes:
        return self.prefix + index.to_bytes(4) + bytes((last,))


def padme(size: int) -> int:
    """The Padmé size that holds so many bytes: at most 12 % more, and few sizes there are."""
    size = max(size, SEGMENT_SIZE)
    exponent = size.bit_length() - 1
    mask = (1 << (exponent - exponent.bit_length())) - 1
    return (size + mask) & ~mask


def write(path: Path, key: SecretBytes, content: Iterable[bytes], progress: Progress = no_progress) -> int:
    """Encrypt pieces of content into a new file, which is there as a whole or not at all.

    Args:
        path: where; nothing may be there.
        key: 32 bytes; the salt makes another one of it for every file.
        content: in order.
        progress: told 1.0 at the end.

    Returns:
        The file's size in bytes.

    Raises:
        FileExists, StoreUnusable.
    """
    if path.exists():
        raise FileExists
    part = path.with_name(path.name + ".part")
    with explained(path.parent):
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_FILE)
        try:
            with os.fdopen(descriptor, "wb") as file:
                _write_segments(file, key, _padded(content))
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        sync_directory(path.parent)
        progress(1.0)
        return path.stat().st_size


def read(path: Path, key: SecretBytes, progress: Progress = no_progress) -> bytes:
    """Decrypt a whole file. Nothing is returned before its end is authenticated.

    Raises:
        NotABackup, BackupTooNew, BackupWrongKey, BackupDamaged, StoreUnusable.
    """
    try:
        opened = path.open("rb")
    except OSError as error:
        raise StoreUnusable(f"The file {path} cannot be read: {error.strerror or 'unknown cause'}.") from error
    with explained(path.parent), opened as file:
        total = max(1, os.fstat(file.fileno()).st_size)
        plaintext = bytearray()
        for segment in _read_segments(file, key):
            plaintext += segment
            progress(min(1.0, file.tell() / total))
    content = plaintext.rstrip(b"\0")
    if not content.endswith(_END):
        raise BackupDamaged
    return bytes(content[: -len(_END)])


def _padded(content: Iterable[bytes]) -> Iterator[bytes]:
    size = 0
    for piece in content:
        size += len(piece)
        yield piece
    yield _END
    missing = padme(size + len(_END)) - size - len(_END)
    while missing:
        yield bytes(min(missing, SEGMENT_SIZE))
        missing -= min(missing, SEGMENT_SIZE)


def _write_segments(file: BinaryIO, key: SecretBytes, content: Iterable[bytes]) -> None:
    salt = os.urandom(_SALT_SIZE)
    keys = _Keys.derive(key, salt)
    header = MAGIC + bytes((VERSION,)) + salt + keys.check
    file.write(header)
    index, waiting = 0, bytearray()
    for piece in content:
        waiting += piece
        while len(waiting) > SEGMENT_SIZE:  # one segment always stays, to be the last
            _write_segment(file, keys, header, index, waiting[:SEGMENT_SIZE], last=False)
            del waiting[:SEGMENT_SIZE]
            index += 1
    _write_segment(file, keys, header, index, waiting, last=True)


def _write_segment(file: BinaryIO, keys: _Keys, header: bytes, index: int, content: bytearray, *, last: bool) -> None:
    file.write(keys.cipher.encrypt(keys.nonce(index, last=last), bytes(content), header))


def _read_segments(file: BinaryIO, key: SecretBytes) -> Iterator[bytes]:
    header = file.read(_HEADER_SIZE)
    if header[: len(MAGIC)] != MAGIC:
        raise NotABackup
    if len(header) != _HEADER_SIZE:
        raise BackupDamaged
    if header[len(MAGIC)] != VERSION:
        raise BackupTooNew
    salt = header[len(MAGIC) + 1 : len(MAGIC) + 1 + _SALT_SIZE]
    keys = _Keys.derive(key, salt)
    if header[-_CHECK_SIZE:] != keys.check:
        raise BackupWrongKey
    segment, index = file.read(SEGMENT_SIZE + _TAG_SIZE), 0
    while True:
        following = file.read(SEGMENT_SIZE + _TAG_SIZE)
        try:
            yield keys.cipher.decrypt(keys.nonce(index, last=not following), segment, header)
        except (InvalidTag, ValueError):
            raise BackupDamaged from None
        if not following:
            return
        segment, index = following, index + 1
