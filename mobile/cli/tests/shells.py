"""The `handshaker` command as people run it: a process of its own, with a home of its own."""

import contextlib
import io
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest
from handshaker_cli.main import main

PASSPHRASE = "correct horse battery"
PATIENCE = 60.0
COMMAND = [sys.executable, "-m", "handshaker_cli"]


def clean_environment(**extra: str) -> dict[str, str]:
    """The environment without anything that speaks to the command."""
    return {key: value for key, value in os.environ.items() if not key.startswith("HANDSHAKER_")} | extra


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        """Standard output, one object a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def error(self) -> dict[str, Any]:
        """The error object on standard error, its last line."""
        return json.loads(self.err.splitlines()[-1])

    def succeeded(self) -> Self:
        assert self.code == 0, f"exit code {self.code}\n{self.out}\n{self.err}"
        return self


class Running:
    """A command that stays; its lines can be waited for."""

    def __init__(self, command: Sequence[str], environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.seen: list[str] = []
        self.errors: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._readers = [
            threading.Thread(target=self._read, args=(self.process.stdout, self._lines.put)),
            threading.Thread(target=self._read, args=(self.process.stderr, self.errors.append)),
        ]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _read(stream: Any, take: Any) -> None:
        for line in stream:
            take(line.rstrip("\n"))
        if take.__name__ == "put":
            take(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for reader in self._readers:
            reader.join()

    def wait_for(self, text: str) -> str:
        """The next line of standard output that contains the text."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                line = None
            assert line is not None, f"{text!r} never came; there was {self.seen}, and {self.errors}"
            self.seen.append(line)
            if text in line:
                return line

    def wait_for_error(self, text: str) -> None:
        """Wait until standard error has a line that contains the text."""
        deadline = time.monotonic() + PATIENCE
        while not any(text in line for line in list(self.errors)):
            assert time.monotonic() < deadline, f"{text!r} never came; there was {self.seen}, and {self.errors}"
            assert self.process.poll() is None, f"it ended: {self.seen}, and {self.errors}"
            time.sleep(0.05)

    def stop(self, number: int) -> int:
        """Send a signal; the exit code."""
        self.process.send_signal(number)
        return self.end()

    def end(self) -> int:
        """Wait until it has ended and all of its lines are read; the exit code."""
        code = self.process.wait(PATIENCE)
        for reader in self._readers:
            reader.join()
        while (line := self._lines.get()) is not None:
            self.seen.append(line)
        return code


@dataclass(frozen=True)
class Options:
    """The options that somebody's commands have in common."""

    home: Path
    server: str | None = None
    passphrase_file: Path | None = None

    def line(self, *arguments: str) -> list[str]:
        options = ["--home", str(self.home)]
        if self.passphrase_file is not None:
            options += ["--passphrase-file", str(self.passphrase_file)]
        return [*options, *arguments]

    def run(self, *arguments: str, stdin: bytes = b"") -> Done:
        """Run a command to its end, without a terminal."""
        raise NotImplementedError

    def json(self, *arguments: str, stdin: bytes = b"") -> Done:
        return self.run("--json", *arguments, stdin=stdin)

    def register(self, *arguments: str) -> Done:
        assert self.server is not None
        return self.run("--server", self.server, "register", *arguments).succeeded()


@dataclass(frozen=True)
class Inside(Options):
    """Runs commands in this process, which is quick. For what ends by itself and asks nobody."""

    def run(self, *arguments: str, stdin: bytes = b"") -> Done:
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = main(self.line(*arguments))
        return Done(int(code), out.getvalue(), err.getvalue())


@dataclass(frozen=True)
class Shell(Options):
    """Somebody at a keyboard, with one account. Every command is a process of its own."""

    environment: dict[str, str] = field(default_factory=clean_environment)

    def command(self, *arguments: str) -> list[str]:
        return [*COMMAND, *self.line(*arguments)]

    def run(self, *arguments: str, stdin: bytes = b"") -> Done:
        ended = subprocess.run(
            self.command(*arguments),
            env=self.environment,
            input=stdin,
            capture_output=True,
            timeout=PATIENCE,
            start_new_session=True,
            check=False,
        )
        return Done(ended.returncode, ended.stdout.decode(), ended.stderr.decode())

    def start(self, *arguments: str) -> Running:
        """Start a command that stays."""
        return Running(self.command(*arguments), self.environment)
