"""Files that are either old or new, never half-written, and a lock that a dead process cannot keep."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from handshaker_core.store.errors import StoreInUse, StoreUnusable

PRIVATE_FILE = 0o600
PRIVATE_DIRECTORY = 0o700


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn an error of the operating system into one sentence that names the cause and the directory.

    Raises:
        StoreUnusable.
    """
    try:
        yield
    except OSError as error:
        cause = error.strerror or "unknown cause"
        raise StoreUnusable(f"The directory {path} cannot be used: {cause}.") from error


def make_private_directory(path: Path) -> None:
    """Create a directory that only its owner can enter; tighten one that exists.

    Raises:
        StoreUnusable.
    """
    with explained(path):
        path.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
        path.chmod(PRIVATE_DIRECTORY)


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file so that a crash at any point leaves the old content or the new one.

    Raises:
        OSError.
    """
    temporary = path.with_name(path.name + ".tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_FILE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make renames in a directory durable."""
    if sys.platform == "win32":
        return  # directories cannot be opened there; NTFS journals the rename
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class LockFile:
    """Exclusive use of a home. The kernel releases it when the process ends, however it ends.

    Raises:
        StoreInUse: another open `LockFile` holds it.
        StoreUnusable: the file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        with explained(path.parent):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
        try:
            _lock(descriptor)
        except OSError:
            os.close(descriptor)
            raise StoreInUse from None
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Let others in; a second call does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
