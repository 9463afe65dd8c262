"""Files in and out: read in pieces; written beside their place, and put there when they are complete."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from handshaker_core.client.openpgp.errors import FileUnusable
from handshaker_core.store.errors import FileExists
from handshaker_core.store.files import PRIVATE_FILE, sync_directory


@contextlib.contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """A file to read. Raises: FileUnusable."""
    with _explained(path), path.open("rb") as file:
        yield file


@contextlib.contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """A new file that only its owner may read; it appears when the block ends, or not at all.

    Raises:
        FileExists: there is one of that name.
        FileUnusable.
    """
    _check_free(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    with _explained(path):
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            _check_free(path)
            temporary.replace(path)
            sync_directory(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def _check_free(path: Path) -> None:
    if path.exists():
        raise FileExists(f"The file {path} is there already; choose another name.")


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FileUnusable(path, error) from error
