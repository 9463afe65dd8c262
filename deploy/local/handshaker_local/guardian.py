"""Ends what a killed supervisor leaves behind: see docs/adr/0004-guardian-process.md.

`Guardian()` starts this same file as a process that leads a process group; children join it with
`process_group=guardian.group`. The process waits on a pipe whose other end this process alone holds.
"""

import atexit
import contextlib
import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

GOODBYE = b"q"
# Services and Redis end on SIGTERM, PostgreSQL waits for its clients until it gets SIGINT; nothing survives SIGKILL.
ESCALATION = ((signal.SIGTERM, 3.0), (signal.SIGINT, 4.0), (signal.SIGKILL, 1.0))
POLL_SECONDS = 0.02


class Guardian:
    """A process group that does not outlive this process. `hold` are file descriptors that it keeps open till then."""

    def __init__(self, hold: Sequence[int] = ()) -> None:
        read, self._pipe = os.pipe()
        command = [sys.executable, "-I", "-S", __file__]
        self._process = subprocess.Popen(
            command, stdin=read, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, pass_fds=hold, process_group=0
        )
        os.close(read)

    @property
    def group(self) -> int:
        """The process group to start children in."""
        return self._process.pid

    def close(self) -> None:
        """Lets the guardian go, once every child has ended."""
        if self._process.returncode is None:
            with contextlib.suppress(BrokenPipeError):  # somebody has killed it
                os.write(self._pipe, GOODBYE)
            os.close(self._pipe)
            self._process.wait()


@functools.cache
def process_guardian() -> Guardian:
    """The guardian of whatever this process starts without naming another one."""
    guardian = Guardian()
    atexit.register(guardian.close)
    return guardian


def _others_run() -> bool:
    """Whether another process of our group still runs. Without /proc nobody can tell, so the answer is yes."""
    if not Path("/proc/self/stat").exists():
        return True
    me, group = os.getpid(), os.getpgrp()
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # After the name, which may hold anything, in brackets: state, parent, group.
            state, _, its_group = entry.read_text(errors="replace").rpartition(")")[2].split()[:3]
            if int(its_group) == group and int(entry.parent.name) != me and state != "Z":
                return True
    return False


def main() -> None:
    """Waits for a goodbye or for the end of the supervisor, and ends the group after the latter."""
    for number in {signal.SIGHUP, *(number for number, _ in ESCALATION)} - {signal.SIGKILL}:
        signal.signal(number, signal.SIG_IGN)
    if os.read(0, 1) == GOODBYE:
        return
    for number, seconds in ESCALATION:
        deadline = time.monotonic() + seconds
        os.killpg(0, number)
        while time.monotonic() < deadline:
            if not _others_run():
                return
            time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    main()
