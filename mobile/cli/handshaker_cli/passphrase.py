"""The passphrase: asked for on the terminal, or read from a file that is the user's own. Never an argument."""

import getpass
import os
import stat
import sys
from pathlib import Path

from handshaker_cli.errors import PassphraseNeeded, PassphrasesDiffer, UnusablePassphrase

MAXIMUM_BYTES = 1024


def read_file(path: Path) -> str:
    """The passphrase in a file: its only line, without the line's end.

    Raises:
        UnusablePassphrase: it cannot be read, everybody may read it, or it is no single line of text.
    """
    try:
        with path.open("rb") as file:
            readable_by_all = bool(os.fstat(file.fileno()).st_mode & stat.S_IROTH)
            content = file.read(MAXIMUM_BYTES + 3)
    except OSError as error:
        raise UnusablePassphrase(f"The passphrase file {path} cannot be read: {error.strerror}.") from None
    if readable_by_all:
        raise UnusablePassphrase(
            f"Everybody on this machine can read the passphrase file {path}. Run: chmod 600 {path}"
        )
    return _only_line(content, path)


def _only_line(content: bytes, path: Path) -> str:
    try:
        line = content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise UnusablePassphrase(f"The passphrase file {path} is not UTF-8 text.") from None
    if len(line.encode()) > MAXIMUM_BYTES:
        raise UnusablePassphrase(f"The passphrase in {path} is longer than {MAXIMUM_BYTES} bytes.")
    if "\n" in line or "\0" in line:
        raise UnusablePassphrase(f"The passphrase file {path} has more than one line.")
    if not line:
        raise UnusablePassphrase(
            f"The passphrase file {path} is empty. To do without a passphrase, say so: --no-passphrase"
        )
    return line


def ask() -> str:
    """Ask for the passphrase of an account that exists. Raises: PassphraseNeeded."""
    return _ask("Passphrase: ")


def ask_twice() -> str:
    """Ask for the passphrase of a new account.

    Raises:
        PassphraseNeeded: there is no terminal.
        PassphrasesDiffer: the second was not the first.
    """
    _say("Choose a passphrase. It locks this account's keys and messages on this machine; nobody can reset it for you.")
    first = _ask("New passphrase: ")
    while not first:
        _say(
            "Without a passphrase, whoever copies the directory reads your messages. If you want that: --no-passphrase"
        )
        first = _ask("New passphrase: ")
    if _ask("The same again: ") != first:
        raise PassphrasesDiffer
    return first


def ask_again(prompt: str) -> str:
    """Ask for a passphrase by another prompt, twice, so that a slip is noticed. Raises: PassphraseNeeded, PassphrasesDiffer."""
    first = _ask(prompt)
    if _ask("The same again: ") != first:
        raise PassphrasesDiffer
    return first


def ask_or_none(prompt: str) -> str | None:
    """Ask, where nothing is an answer too. Raises: PassphraseNeeded."""
    return _ask(prompt) or None


def _ask(prompt: str) -> str:
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        raise PassphraseNeeded from None
    os.close(terminal)  # getpass opens it again, without ever falling back to showing what is typed
    try:
        return getpass.getpass(prompt)
    except EOFError:
        raise PassphraseNeeded from None


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)  # noqa: T201 - beside the prompt, which is not on stdout either
