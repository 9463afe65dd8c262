"""What a backup holds, as typed values, and its form: one JSON object a line, in an encrypted file.

It holds what a person has made: names, contacts and how they were verified, where contacts receive, what was said. It
holds no key of the account (the recovery phrase makes those) and nothing that moves on with every message: ratchet
states, device keys, one-time prekeys. Going back to an old one of those would use a key twice. Messages that disappear
are left out, or the backup would keep them.
"""

import base64
import binascii
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

from handshaker_core.protocol.root import BackupKey
from handshaker_core.store import sealed_stream
from handshaker_core.store.errors import BackupDamaged, BackupTooNew
from handshaker_core.store.sealed_stream import Progress, no_progress

VERSION = 1


@dataclass(frozen=True, slots=True, repr=False)
class BackupHead:
    """The first line.

    Attributes:
        version: of these lines.
        created_at: seconds since 1970.
        records: how many lines follow, so that nothing can be missing unseen.
    """

    type: ClassVar[str] = "backup"
    version: int
    created_at: float
    server: str
    identity: bytes
    username: str | None
    display_name: str
    records: int


@dataclass(frozen=True, slots=True, repr=False)
class BackupSetting:
    """A setting that was changed."""

    type: ClassVar[str] = "setting"
    name: str
    value: str


@dataclass(frozen=True, slots=True, repr=False)
class BackupContact:
    """Somebody, by identity; times are seconds since 1970.

    Attributes:
        timer: seconds after which messages disappear; 0 where that was switched off, None where it never was on.
    """

    type: ClassVar[str] = "contact"
    identity: bytes
    display_name: str
    username: str | None
    claimed_username: str | None
    connected: bool
    verified_at: float | None
    created_at: float
    device_list: bytes | None
    timer: int | None
    timer_changed_at_ms: int


@dataclass(frozen=True, slots=True, repr=False)
class BackupDevice:
    """A contact's device: what is sealed to it, and where it receives."""

    type: ClassVar[str] = "device"
    identity: bytes
    device_id: bytes
    certificate: bytes | None
    seal_key: bytes | None
    send_id: bytes | None
    send_secret: bytes | None


@dataclass(frozen=True, slots=True, repr=False)
class BackupMessage:
    """A line of the conversation with the contact of that identity."""

    type: ClassVar[str] = "message"
    identity: bytes
    direction: str
    message_id: bytes
    kind: str
    text: str
    sent_at_ms: int
    created_at_ms: int
    position: int
    state: str
    failure: str | None
    notice: str | None


Record = BackupSetting | BackupContact | BackupDevice | BackupMessage
_RECORDS: tuple[type[Record], ...] = (BackupSetting, BackupContact, BackupDevice, BackupMessage)


@dataclass(frozen=True, slots=True, repr=False)
class Backup:
    """A whole backup; the records are in the order in which they can be put into a store."""

    head: BackupHead
    records: tuple[Record, ...]

    def of(self, kind: type[Any]) -> list[Any]:
        """All records of one kind."""
        return [record for record in self.records if isinstance(record, kind)]


def write(path: Path, key: BackupKey, backup: Backup, progress: Progress = no_progress) -> int:
    """Write a backup into a new file. Returns: its size. Raises: FileExists, StoreUnusable."""
    return sealed_stream.write(path, key, _counted(backup, progress), progress)


def read(path: Path, key: BackupKey, progress: Progress = no_progress) -> Backup:
    """Read a backup; either all of it, or an error.

    Raises:
        NotABackup, BackupTooNew, BackupWrongKey, BackupDamaged, StoreUnusable.
    """
    return decode(sealed_stream.read(path, key, progress))


def encode(backup: Backup) -> Iterator[bytes]:
    """The lines."""
    yield _line(backup.head)
    for record in backup.records:
        yield _line(record)


def decode(content: bytes) -> Backup:
    """Read the lines, which are authentic but may be of another version. Raises: BackupTooNew, BackupDamaged."""
    lines = content.split(b"\n")
    head = _object(lines[0])
    if head.get("type") != BackupHead.type:
        raise BackupDamaged
    if head.get("version") != VERSION:
        raise BackupTooNew
    kinds = {kind.type: kind for kind in _RECORDS}
    records = []
    for line in lines[1:-1]:
        found = _object(line)
        kind = kinds.get(str(found.get("type")))
        if kind is None:
            raise BackupDamaged
        records.append(_typed(kind, found))
    first = _typed(BackupHead, head)
    if lines[-1] or len(records) != first.records:
        raise BackupDamaged
    return Backup(first, tuple(records))


def _counted(backup: Backup, progress: Progress) -> Iterable[bytes]:
    total = len(backup.records) + 2
    for number, line in enumerate(encode(backup)):
        if number % 1_000 == 0:
            progress(number / total)
        yield line


def _line(record: Any) -> bytes:
    values = {field.name: getattr(record, field.name) for field in fields(record)}
    plain = {
        name: base64.b64encode(value).decode() if isinstance(value, bytes) else value for name, value in values.items()
    }
    return (
        json.dumps({"type": record.type, **plain}, ensure_ascii=False, separators=(",", ":")).encode(
            errors="surrogatepass"
        )
        + b"\n"
    )


def _object(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line.decode(errors="surrogatepass"))
    except (ValueError, RecursionError):
        raise BackupDamaged from None
    if not isinstance(found, dict):
        raise BackupDamaged
    return found


def _typed(kind: type[Any], found: dict[str, Any]) -> Any:
    wanted = {field.name: str(field.type) for field in fields(kind)}
    if set(found) != {"type", *wanted}:
        raise BackupDamaged
    return kind(**{name: _value(annotation, found[name]) for name, annotation in wanted.items()})


def _value(annotation: str, value: Any) -> Any:
    name, _, rest = annotation.removeprefix("<class '").removesuffix("'>").partition(" | ")
    if value is None and rest == "None":
        return None
    if name == "bytes" and isinstance(value, str):
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise BackupDamaged from None
    if name == "float" and type(value) in (int, float):
        return float(value)
    if type(value).__name__ != name:
        raise BackupDamaged
    return value
