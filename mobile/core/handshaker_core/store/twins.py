"""The two database files of every home: one holds the account, the other a decoy or nothing but random bytes.

Which is which stands in the vault alone. Both have the same size, a step of a coarse scale, and the same times, so that
neither a listing nor a copy of the directory tells whether there is a decoy, or which of them a passphrase opened. SQLite
does not look at what follows its last page, so that a file is brought to its size by random bytes at its end.
"""

import os
from pathlib import Path

from handshaker_core.store.files import PRIVATE_FILE

NAMES = ("messages-a.db", "messages-b.db")
SMALLEST = 1 << 20
SIDE_FILES = ("-wal", "-shm", "-journal")
_STEPS_PER_DOUBLING = 8
_PIECE = 1 << 20


def path_of(home: Path, file: int) -> Path:
    """The database file of that number, 0 or 1."""
    return home / NAMES[file]


def padded_size(size: int) -> int:
    """The step of the scale that holds so many bytes: at most an eighth more, 1 MiB at least."""
    if size <= SMALLEST:
        return SMALLEST
    step = (1 << (size.bit_length() - 1)) // _STEPS_PER_DOUBLING
    return -(-size // step) * step


def level(home: Path) -> None:
    """Bring both files to the same size and the same times; one that is missing is made, of random bytes.

    Raises:
        OSError.
    """
    paths = [path_of(home, file) for file in range(2)]
    sizes = [path.stat().st_size if path.exists() else 0 for path in paths]
    target = padded_size(max(sizes))
    for path, size in zip(paths, sizes, strict=True):
        if size < target:
            _append(path, target - size)
    _same_times(paths)


def forget_side_files(home: Path, file: int) -> None:
    """Delete what a process that died may have left beside a database. Raises: OSError."""
    for suffix in SIDE_FILES:
        path = path_of(home, file)
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _append(path: Path, count: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE)
    with os.fdopen(descriptor, "ab") as file:
        while count:
            file.write(os.urandom(min(count, _PIECE)))
            count -= min(count, _PIECE)


def _same_times(paths: list[Path]) -> None:
    latest = max(path.stat().st_mtime_ns for path in paths)
    for path in paths:
        os.utime(path, ns=(latest, latest))
