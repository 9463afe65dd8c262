"""Processor time and memory of a running system, and load generators as child processes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
from handshaker_local.system import System

from load.mailboxes import LoadError

TESTS = Path(__file__).parents[1]
COMPONENTS = ("gateway", "signaling", "blobstore", "notify", "auth", "keys", "postgres", "redis")


def _family(pids: list[int]) -> list[psutil.Process]:
    found = []
    for pid in pids:
        process = psutil.Process(pid)
        found += [process, *process.children(recursive=True)]
    return found


def cpu_seconds(system: System) -> dict[str, float]:
    """Processor seconds that each component has used so far, its children's included."""
    used = {}
    for name in COMPONENTS:
        total = 0.0
        for process in _family(system.component(name).pids):
            times = process.cpu_times()
            total += times.user + times.system
        used[name] = total
    return used


def resident_bytes(system: System, name: str) -> int:
    """Resident memory of a component."""
    return sum(int(process.memory_info().rss) for process in _family(system.component(name).pids))


class Child:
    """A load generator: a module of this package in a process of its own."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=TESTS,
        )

    def read(self) -> str:
        """Its next line.

        Raises:
            LoadError: it ended instead; the message is its last words.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            assert self._process.stderr is not None
            raise LoadError(self._process.stderr.read().strip() or "The load generator ended without a word.")
        return line.strip()

    def read_json(self) -> dict[str, Any]:
        """Its next line, as an object."""
        found: dict[str, Any] = json.loads(self.read())
        return found

    def write(self, line: str) -> None:
        """Sends it a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def stop(self) -> None:
        """Ends it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
