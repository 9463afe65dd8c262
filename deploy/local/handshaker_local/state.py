"""The state folder: databases, certificates, secrets and logs of one system, and the lock that keeps others out."""

import contextlib
import errno
import fcntl
import os
import secrets
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from handshaker_local.certificates import write_secret
from handshaker_local.errors import AlreadyRunning, NoSpace, PortBusy, UnusableFolder

LEAST_FREE_BYTES = 200 * 1024 * 1024  # an empty PostgreSQL takes 40 MB, and its first log segments as much
SECRET_BYTES = 32
FULL = {errno.ENOSPC, errno.EDQUOT}
# A killed supervisor's guardian keeps the lock until its processes have ended.
PREDECESSOR_SECONDS = 10
FOR_ROOT = Path("/var/lib/handshaker")


def default_folder(checkout: Path) -> Path:
    """Beside the sources; for root where services keep state, since PostgreSQL cannot enter root's home."""
    return FOR_ROOT if os.geteuid() == 0 else checkout / ".handshaker"


@contextlib.contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turns what the disk says into one sentence.

    Raises:
        NoSpace: the disk or the quota is full.
        UnusableFolder: anything else that it refuses.
    """
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise NoSpace(
                f"The disk that holds {folder} is full. Make room, or choose another folder with --state."
            ) from error
        if error.filename is not None and Path(os.fsdecode(error.filename)).is_relative_to(folder):
            raise UnusableFolder(
                f"The state folder {folder} cannot be used ({error.strerror}: {error.filename}). "
                "Choose another with --state."
            ) from error
        raise


class StateFolder:
    """The folder `path`, made where it is missing."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.certificates = self.path / "certificates"
        self.secrets = self.path / "secrets"
        self.logs = self.path / "logs"
        self.ready = self.path / "ready"
        self._lock: int | None = None

    def open(self) -> int:
        """Makes the folder, sees that it has room, and locks it. The descriptor that it returns holds the lock.

        Raises:
            NoSpace, UnusableFolder: it cannot be used.
            AlreadyRunning: another process has it.
        """
        with explained(self.path):
            # PostgreSQL runs as another user under root and must be able to pass through.
            self.path.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
            for folder in (self.secrets, self.logs, self.ready):
                folder.mkdir(mode=0o700, exist_ok=True)
            free = shutil.disk_usage(self.path).free
            if free < LEAST_FREE_BYTES:
                raise NoSpace(
                    f"The disk that holds {self.path} has {free // 2**20} MB left, and Handshaker needs "
                    f"{LEAST_FREE_BYTES // 2**20} MB. Make room, or choose another folder with --state."
                )
            self._lock = self._take_lock()
        return self._lock

    def _take_lock(self) -> int:
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + PREDECESSOR_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                owner = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
                if _is_alive(owner) or time.monotonic() > deadline:
                    os.close(descriptor)
                    raise AlreadyRunning(
                        f"Handshaker is already running in {self.path} (process {owner or 'unknown'}). "
                        "Stop it first, or choose another folder with --state."
                    ) from None
                time.sleep(0.05)
            else:
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
                return descriptor

    def close(self) -> None:
        """Lets the lock go."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def ensure_secrets(self, names: tuple[str, ...]) -> None:
        """Makes 32 random bytes for each name that has none yet; their owner alone may read them."""
        for name in names:
            if not (self.secrets / name).exists():
                write_secret(self.secrets / name, secrets.token_bytes(SECRET_BYTES))

    def ensure_issuer_key(self, name: str) -> None:
        """Makes the RSA key that anonymous tokens are issued with, where there is none yet."""
        if not (self.secrets / name).exists():
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            write_secret(self.secrets / name, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    def password(self, name: str) -> str:
        """A random password of that name, made where there is none yet."""
        path = self.secrets / name
        if not path.exists():
            write_secret(path, secrets.token_hex(SECRET_BYTES).encode())
        return path.read_text("utf-8")


def _is_alive(owner: str) -> bool:
    try:
        os.kill(int(owner), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


def check_port(host: str, port: int) -> None:
    """Sees that nobody listens on a port that was asked for.

    Raises:
        PortBusy: somebody does, or this user may not.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
            raise PortBusy(f"Port {port} {reason}. Choose another with --port.") from error
