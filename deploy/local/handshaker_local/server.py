"""One server process with a folder that outlives it: what PostgreSQL, Redis, Mosquitto and the services share."""

import contextlib
import os
import pwd
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from handshaker_local.errors import LocalError, NoSpace, StartFailed
from handshaker_local.guardian import Guardian, process_guardian

READY_SECONDS = 60
STOP_SECONDS = 20
POLL_SECONDS = 0.01
NO_SPACE = re.compile(r"No space left on device|Disk quota exceeded")
LOG_LIMIT = 8 * 1024 * 1024  # bytes; a longer log of an earlier run is put aside


class Server:
    """One server process.

    `start` returns when it accepts connections, `stop` when it has ended cleanly, `kill` ends it at once without a
    chance to tidy up; `start` works again after either. It never outlives this process (see `guardian`).
    """

    name = "server"
    stop_signal = signal.SIGTERM
    metrics_url: str | None = None

    def __init__(self, home: Path, guardian: Guardian | None = None) -> None:
        self.home = home
        self.process: subprocess.Popen[bytes] | None = None
        self._guardian = guardian
        self._log_start = 0

    @property
    def log_path(self) -> Path:
        """Where its output goes."""
        return self.home / "log"

    @property
    def pid(self) -> int:
        """The number of its (first) process."""
        if self.process is None:
            raise StartFailed(f"{self.name} is not running.")
        return self.process.pid

    @property
    def pids(self) -> list[int]:
        """The numbers of all its processes."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return [self.pid, *(child.pid for child in psutil.Process(self.pid).children(recursive=True))]
        return []

    @property
    def exit_status(self) -> int | None:
        """None while it runs; afterwards the exit status, or the number of a signal as a negative number."""
        return None if self.process is None else self.process.poll()

    def start(self) -> None:
        """Starts it and waits until it accepts connections.

        Raises:
            StartFailed: it ended, or took too long; the sentence quotes what it said last.
        """
        raise NotImplementedError

    def stop(self) -> None:
        """Ends it cleanly; by force after 20 seconds."""
        self.ask_to_stop()
        if self.process is not None:
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def ask_to_stop(self) -> None:
        """Begins what `stop` ends."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(self.stop_signal)

    def kill(self) -> None:
        """SIGKILL."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.process = None

    def restart(self) -> None:
        """Ends it cleanly where it runs, and starts it."""
        self.stop()
        self.start()

    def spawn(
        self, command: Sequence[str | Path], *, env: Mapping[str, str] | None = None, user: str | None = None
    ) -> None:
        """Starts the process in the guardian's group, with its output in the log."""
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        if self.log_path.exists() and self.log_path.stat().st_size > LOG_LIMIT:
            self.log_path.replace(self.log_path.with_name(f"{self.log_path.name}.old"))
        with self.log_path.open("ab") as output:
            self._log_start = output.tell()
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.home,
                env=env,
                user=user,
                group=None if user is None else pwd.getpwnam(user).pw_gid,
                extra_groups=None if user is None else [],
                process_group=(self._guardian or process_guardian()).group,
            )

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Waits for a condition, for as long as the process runs."""
        deadline = time.monotonic() + READY_SECONDS
        while not self.is_past(ready, deadline):
            time.sleep(POLL_SECONDS)

    def is_past(self, ready: Callable[[], bool], deadline: float) -> bool:
        """Whether a condition holds now.

        Raises:
            StartFailed: the process has ended, or the deadline (of the monotonic clock) has passed.
        """
        if ready():
            return True
        if self.exit_status is not None:
            raise self.failure()
        if time.monotonic() > deadline:
            raise StartFailed(f"{self.name} was not ready after {READY_SECONDS} seconds; its log is {self.log_path}.")
        return False

    def failure(self) -> LocalError:
        """Why it has ended, from what it wrote."""
        return explained_failure(self.name, self.home, self.last_words())

    def last_words(self) -> str:
        """The last line of its log since it was started; empty when it said nothing."""
        lines = self.log_lines()
        return lines[-1] if lines else ""

    def log_lines(self) -> list[str]:
        """What it has written since it was started, without empty lines."""
        with contextlib.suppress(FileNotFoundError), self.log_path.open("rb") as log:
            log.seek(self._log_start)
            return [line for line in log.read().decode("utf-8", "replace").splitlines() if line.strip()]
        return []


def explained_failure(name: str, home: Path, words: str) -> LocalError:
    """What somebody's last words before a start failed mean."""
    if NO_SPACE.search(words):
        return NoSpace(f"{name} could not start: the disk that holds {home} is full.")
    return StartFailed(f"{name} did not start: {words or 'it said nothing.'}")


def as_root() -> bool:
    """Whether this process may start others as another user."""
    return os.geteuid() == 0
