"""Ends what a killed supervisor leaves behind: see docs/adr/0004-guardian-process.md.

`Guardian()` starts this same file as a process that leads a process group; children join it with
`process_group=guardian.group`. The process waits on a pipe whose other end this process alone holds.
"""

import contextlib
import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

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
        """Ends the group, which is at once where every child has ended."""
        if self._process.returncode is None:
            os.close(self._pipe)
            self._process.wait()


@functools.cache
def process_guardian() -> Guardian:
    """The guardian of whatever this process starts without naming another one."""
    return Guardian()


def _processes() -> Iterator[tuple[int, int, str]]:
    """Number, group and state of every process; by `ps` where there is no /proc."""
    if not Path("/proc/self/stat").exists():
        command = ["/bin/ps", "-A", "-o", "pid=,pgid=,state="]
        for line in subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines():
            number, group, state = line.split()
            yield int(number), int(group), state
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            # After the name in brackets, which may hold anything: state, parent, group.
            state, _, group = entry.read_text(errors="replace").rpartition(")")[2].split()[:3]
            yield int(entry.parent.name), int(group), state


def _others_run() -> bool:
    """Whether another process of our group still runs; one that only waits to be buried does not."""
    me, ours = os.getpid(), os.getpgrp()
    return any(group == ours and number != me and state[0] != "Z" for number, group, state in _processes())


def main() -> None:
    """Waits for the end of the pipe, then ends the group."""
    for number in {signal.SIGHUP, *(number for number, _ in ESCALATION)} - {signal.SIGKILL}:
        signal.signal(number, signal.SIG_IGN)
    os.read(0, 1)
    if not _others_run():
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
