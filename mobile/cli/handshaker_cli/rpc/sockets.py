"""Unix sockets in an account's directory, however long its path is."""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from handshaker_core.store.files import PRIVATE_FILE, explained

from handshaker_cli.rpc.protocol import SOCKET_NAME

# The kernel's limit is 107 bytes, 103 on some systems. Longer paths are reached from within their directory.
_LONGEST_PATH = 100


def listen(home: Path) -> socket.socket:
    """A listening socket that only the directory's owner can reach. Replaces what a dead process left behind.

    Only the process that holds the store's lock may call this: that is why nobody can be listening on the old socket.

    Raises:
        StoreUnusable: the directory does not allow it.
    """
    path = home / SOCKET_NAME
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with explained(home):
            path.unlink(missing_ok=True)
            before = os.umask(0o777 & ~PRIVATE_FILE)
            try:
                with _reachable(path) as address:
                    listener.bind(address)
            finally:
                os.umask(before)
            listener.listen()
    except BaseException:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def connect(home: Path) -> socket.socket | None:
    """A socket to the process that serves the directory; None when there is none."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _reachable(home / SOCKET_NAME) as address:
            client.connect(address)
    except OSError:
        client.close()
        return None
    client.setblocking(False)
    return client


def somebody_listens(home: Path) -> bool:
    """Whether a process serves the directory."""
    client = connect(home)
    if client is None:
        return False
    client.close()
    return True


def remove(home: Path) -> None:
    """Take the socket away."""
    (home / SOCKET_NAME).unlink(missing_ok=True)


@contextlib.contextmanager
def _reachable(path: Path) -> Iterator[str]:
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        yield str(path)
    else:
        with contextlib.chdir(path.parent):
            yield path.name
