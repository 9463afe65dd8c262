"""The vault on the disk: written in place, one copy after the other, so that what it replaces is overwritten.

Renaming a new file over the old one would leave the old wraps in blocks that nobody owns. Here every write goes to the
same 8,192 bytes (as far as file system and disk allow, see `docs/local-store.md`), and between any two steps one copy is
whole.
"""

import os
from pathlib import Path

from handshaker_core.store.files import write_atomically
from handshaker_core.store.vault import COPIES, COPY_SIZE, VAULT_SIZE, Vault


def create(path: Path, vault: Vault) -> None:
    """Make the file, or replace one of an earlier version and overwrite what that held. Raises: OSError."""
    before = _existing(path)
    try:
        write_atomically(path, b"".join(vault.encode() for _ in range(COPIES)))
        if before is not None:
            _overwrite(before, os.fstat(before).st_size)
    finally:
        if before is not None:
            os.close(before)


def update(path: Path, vault: Vault) -> None:
    """Write both copies in place. A crash leaves the vault as it was or as it is to be. Raises: OSError."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        for copy in range(COPIES):
            write_at(descriptor, vault.encode(), copy * COPY_SIZE)
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def destroy(path: Path) -> None:
    """Overwrite every copy with random bytes: nothing opens the databases any more. The file stays. Raises: OSError."""
    descriptor = _existing(path)
    if descriptor is None:
        return
    try:
        _overwrite(descriptor, max(VAULT_SIZE, os.fstat(descriptor).st_size))
    finally:
        os.close(descriptor)


def _existing(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None


def _overwrite(descriptor: int, size: int) -> None:
    write_at(descriptor, os.urandom(size), 0)
    os.fsync(descriptor)


def write_at(descriptor: int, content: bytes, offset: int) -> None:
    """Write all of it. Raises: OSError."""
    os.lseek(descriptor, offset, os.SEEK_SET)
    while content:
        content = content[os.write(descriptor, content) :]
