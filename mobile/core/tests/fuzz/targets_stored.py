"""Targets: what this device has written for itself, or what was swapped under it. Key files, backups, stored states."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from handshaker_core.errors import (
    BadKey,
    BadSignature,
    MalformedDevice,
    MalformedFrame,
    MalformedState,
    PaddingError,
    UnsupportedVersion,
)
from handshaker_core.protocol.double_ratchet import DoubleRatchetState
from handshaker_core.protocol.padding import pad, unpad
from handshaker_core.protocol.pq_ratchet import PqRatchetState
from handshaker_core.protocol.prekeys import KemPreKey, LastResortKemPreKey, OneTimePreKey, SignedPreKey
from handshaker_core.protocol.root import BackupKey
from handshaker_core.protocol.seal import SealKeyPair
from handshaker_core.protocol.session import SessionState, initiate
from handshaker_core.store import backup, sealed_stream
from handshaker_core.store.backup import Backup, BackupContact, BackupHead, BackupMessage
from handshaker_core.store.errors import (
    BackupDamaged,
    BackupTooNew,
    BackupWrongKey,
    NotABackup,
    StoreCorrupt,
    StoreTooNew,
)
from handshaker_core.store.vault import DatabaseKey, Record, Role, Vault
from protocol.parties import NOW

from .target import Target
from .targets_messages import alice, bob, conversation

KEY = BackupKey(bytes(range(32)))


def _padding(data: bytes) -> bytes:
    content = unpad(data)
    assert pad(content, len(data)) == data
    return content


def with_file(use: Callable[[Path], Any]) -> Any:
    with TemporaryDirectory() as folder:
        return use(Path(folder) / "file")


def open_backup(data: bytes) -> bytes:
    def read(path: Path) -> bytes:
        path.write_bytes(data)
        return sealed_stream.read(path, KEY)

    found: bytes = with_file(read)
    return found


@cache
def lines() -> bytes:
    head = BackupHead(1, 1_800_000_000.0, "https://chat.example", bytes(32), "alice.42", "Alice", 2)
    contact = BackupContact(bytes(32), "Bob", None, None, True, None, 1_800_000_000.0, None, 0, 0)
    message = BackupMessage(bytes(32), "incoming", bytes(16), "text", "hello", 1, 1, 1, "read", None, None)
    return b"".join(backup.encode(Backup(head, (contact, message))))


def sealed() -> bytes:
    def write(path: Path) -> bytes:
        sealed_stream.write(path, KEY, [lines()])
        return path.read_bytes()

    found: bytes = with_file(write)
    return found


def record() -> Record:
    return Record(Role.HOME, 0, DatabaseKey(bytes(range(32))))


def vault() -> bytes:
    made = Vault(uses_keystore=False, keystore_id=bytes(16), salt=bytes(16), slots=tuple(bytes(220) for _ in range(4)))
    return made.encode()


def unanswered() -> SessionState:
    """An initiator's before the first answer, which carries the handshake."""
    return initiate(alice().local, bob().verified_bundle(), now=NOW)[0]


TARGETS = [
    Target(
        "padding",
        _padding,
        (PaddingError,),
        ("protocol.padding.unpad",),
        lambda: [pad(b"", 16), pad(b"content\x80\x00", 32), pad(bytes(15), 16)],
    ),
    Target(
        "session-state",
        SessionState.from_bytes,
        (MalformedState, MalformedFrame, UnsupportedVersion, BadKey, MalformedDevice, BadSignature),
        ("protocol.session.SessionState.from_bytes",),
        lambda: [session.to_bytes() for session in (unanswered(), *conversation()[:2])],
        SessionState.to_bytes,
    ),
    Target(
        "ratchet-state",
        DoubleRatchetState.from_bytes,
        (MalformedState, BadKey),
        (
            "protocol.double_ratchet.DoubleRatchetState.from_bytes",
            "protocol.double_ratchet._decode_chain",
            "protocol.skipped_keys.SkippedMessageKeys.decode",
        ),
        lambda: [session.ratchet.to_bytes() for session in conversation()[:2]],
    ),
    Target(
        "pq-ratchet-state",
        PqRatchetState.from_bytes,
        (MalformedState,),
        (
            "protocol.pq_ratchet.PqRatchetState.from_bytes",
            "protocol.pq_ratchet._read_exchange",
            "protocol.pq_ratchet._read_position",
            "protocol.pq_ratchet._read_role",
            "protocol.pq_chunks.Collected.read",
            "protocol.pq_epoch.EpochKeys.read",
            "protocol.pq_past.PastEpochs.read",
        ),
        lambda: [session.pq.to_bytes() for session in conversation()[:2]],
        PqRatchetState.to_bytes,
    ),
    *(
        Target(
            name,
            kind.from_bytes,
            (MalformedState,),
            covers,
            seeds,
            kind.to_bytes,
        )
        for name, kind, covers, seeds in (
            (
                "signed-prekey",
                SignedPreKey,
                ("protocol.prekeys.SignedPreKey.from_bytes", "protocol.prekeys._open_stored"),
                lambda: [bob().keys.signed_prekey.to_bytes()],
            ),
            (
                "one-time-prekey",
                OneTimePreKey,
                ("protocol.prekeys.OneTimePreKey.from_bytes",),
                lambda: [bob().ec[1].to_bytes()],
            ),
            (
                "kem-prekey",
                KemPreKey,
                ("protocol.prekeys._KemPreKeyPrivate.from_bytes",),
                lambda: [bob().kem[1].to_bytes()],
            ),
            (
                "last-resort-prekey",
                LastResortKemPreKey,
                ("protocol.prekeys._KemPreKeyPrivate.from_bytes",),
                lambda: [bob().keys.last_resort.to_bytes()],
            ),
            (
                "seal-key",
                SealKeyPair,
                ("protocol.seal.SealKeyPair.from_bytes",),
                lambda: [bob().keys.seal.to_bytes()],
            ),
        )
    ),
    Target(
        "vault",
        Vault.read,
        (StoreCorrupt, StoreTooNew),
        ("store.vault.Vault.decode", "store.vault.Vault.read"),
        lambda: [vault() * 2],
    ),
    Target(
        "vault-record",
        lambda data: Record.decode(data.ljust(192, b"\x00")[:192]),  # opened slots always have this size
        (StoreTooNew,),
        ("store.vault.Record.decode",),
        lambda: [record().encode()],
    ),
    Target(
        "backup-file",
        open_backup,
        (NotABackup, BackupTooNew, BackupWrongKey, BackupDamaged),
        ("store.sealed_stream.read", "store.backup.read"),
        lambda: [sealed()],
    ),
    Target(
        "backup-lines",
        backup.decode,
        (BackupTooNew, BackupDamaged),
        ("store.backup.decode",),
        lambda: [lines()],
    ),
]
