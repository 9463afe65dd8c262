"""On a terminal: the passphrase is asked for and never shown, Ctrl-C works, and there is colour."""

import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from shells import PATIENCE, Shell

NOBODY = "http://127.0.0.1:9"
SECRET = "hunter2 hunter2"
TAKE_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Terminal:
    """A command with a terminal of its own; standard output goes elsewhere, as in a pipe."""

    def __init__(self, shell: Shell, *arguments: str) -> None:
        self._ours, theirs = os.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", TAKE_TERMINAL, *shell.command(*arguments)],
            env=shell.environment | {"TERM": "xterm"},
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.shown = ""
        self._position = 0

    def wait_for(self, text: str) -> None:
        """Wait until the text is shown, after what was waited for before."""
        deadline = time.monotonic() + PATIENCE
        while (found := self.shown.find(text, self._position)) < 0:
            assert self._read(deadline), f"{text!r} was never shown; there was {self.shown!r}"
        self._position = found + len(text)

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def end(self) -> int:
        """Read what is left; the exit code."""
        deadline = time.monotonic() + PATIENCE
        while self._read(deadline):
            pass
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        os.close(self._ours)

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return False
        try:
            data = os.read(self._ours, 4096)
        except OSError:  # the other side has closed the terminal
            return False
        self.shown += data.decode()
        return bool(data)


@contextmanager
def terminal(shell: Shell, *arguments: str) -> Iterator[Terminal]:
    opened = Terminal(shell, *arguments)
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture
def shell(tmp_path) -> Shell:
    return Shell(tmp_path / "home")


def test_a_new_account_asks_twice_and_an_existing_one_once_and_nothing_typed_is_shown(shell):
    with terminal(shell, "--server", NOBODY, "register") as asked:
        asked.wait_for("nobody can reset it for you")
        asked.wait_for("New passphrase: ")
        asked.type("\n")
        asked.wait_for("--no-passphrase")
        asked.wait_for("New passphrase: ")
        asked.type(f"{SECRET}\n")
        asked.wait_for("The same again: ")
        asked.type(f"{SECRET}\n")
        assert asked.end() == 4
        assert SECRET not in asked.shown
    with terminal(shell, "contacts") as asked:
        asked.wait_for("Passphrase: ")
        asked.type(f"{SECRET}\n")
        assert asked.end() == 0
        assert SECRET not in asked.shown
        assert "You have no contacts yet" in asked.shown


def test_two_different_passphrases_make_nothing(shell):
    with terminal(shell, "--server", NOBODY, "register") as asked:
        asked.wait_for("New passphrase: ")
        asked.type("one thing\n")
        asked.wait_for("The same again: ")
        asked.type("another thing\n")
        assert asked.end() == 2
        assert "The two passphrases differ; nothing was made." in asked.shown
    assert not shell.home.exists()


def test_ctrl_c_at_the_prompt_ends_it(shell):
    with terminal(shell, "--server", NOBODY, "register") as asked:
        asked.wait_for("New passphrase: ")
        asked.type("\x03")
        assert asked.end() == 130
        assert "Interrupted." in asked.shown
        assert "Traceback" not in asked.shown
    assert not shell.home.exists()


def test_errors_are_coloured_on_a_terminal_unless_nobody_wants_it(shell):
    with terminal(shell, "contacts") as told:
        assert told.end() == 2
        assert re.search(r"\x1b\[31mError:\x1b\[0m There is no account", told.shown)
    plain = Shell(shell.home, environment=shell.environment | {"NO_COLOR": "1"})
    with terminal(plain, "contacts") as told:
        assert told.end() == 2
        assert "Error: There is no account" in told.shown
