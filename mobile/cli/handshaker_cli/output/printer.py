"""Where each thing goes: results to standard output, everything else to standard error."""

import json
import os
import sys
from collections.abc import Callable
from typing import Protocol, TextIO

import click

from handshaker_cli.exits import Failure
from handshaker_cli.operations.results import Notice, Progress, Result, to_object
from handshaker_cli.output import human

_CLEAR_LINE = "\r\x1b[2K"


class Printer(Protocol):
    """Shows what a command yields."""

    def show(self, result: Result) -> None: ...

    def nothing(self, sentence: str) -> None:
        """Say that there were no results."""

    def fail(self, failure: Failure) -> None: ...

    def end(self) -> None:
        """Tidy the terminal up."""


class JsonPrinter:
    """One object a line: results on standard output, notices and errors on standard error.

    ASCII alone, so that the line is one line everywhere and nothing in it acts on a terminal.
    """

    def show(self, result: Result) -> None:
        if isinstance(result, Progress):
            return
        _write(sys.stderr if isinstance(result, Notice) else sys.stdout, json.dumps(to_object(result)))

    def nothing(self, sentence: str) -> None:
        """No line is the answer."""

    def fail(self, failure: Failure) -> None:
        _write(sys.stderr, json.dumps({"error": failure.reason, "message": failure.message}))

    def end(self) -> None:
        """There is nothing to tidy up."""


class HumanPrinter:
    """Text. Progress is one line that is written over, on terminals only.

    Args:
        render: turns a result into text; the usual form by default.
    """

    def __init__(self, render: Callable[[Result], str] = human.render) -> None:
        self._render = render
        self._line_open = False

    def show(self, result: Result) -> None:
        if isinstance(result, Progress):
            self._progress(result)
            return
        self.end()
        if isinstance(result, Notice):
            _write(sys.stderr, human.render(result))
        else:
            _write(sys.stdout, self._render(result))

    def nothing(self, sentence: str) -> None:
        self.end()
        _write(sys.stderr, sentence)

    def fail(self, failure: Failure) -> None:
        self.end()
        _write(sys.stderr, f"{click.style('Error:', fg='red')} {failure.message}")

    def end(self) -> None:
        if self._line_open:
            sys.stderr.write(_CLEAR_LINE)
            sys.stderr.flush()
            self._line_open = False

    def _progress(self, progress: Progress) -> None:
        if sys.stderr.isatty():
            share = "" if progress.share is None else f" {min(0.99, progress.share):.0%}"
            sys.stderr.write(f"{_CLEAR_LINE}{progress.message}{share}")
            sys.stderr.flush()
            self._line_open = True


def reader_left() -> None:
    """Nobody reads standard output any more: what is still to be flushed at the end goes nowhere, and no error comes."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _write(stream: TextIO, text: str) -> None:
    """One line, seen at once by whoever reads a pipe; colours only on terminals and where nobody asked for none."""
    click.echo(text, file=stream, color=_colour(stream))


def _colour(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
