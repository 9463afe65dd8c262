"""The recovery phrase as people enter it: typed on the terminal, or read from a file. Never an argument."""

import sys
from pathlib import Path

from handshaker_cli.errors import PassphraseNeeded, UnusablePassphrase

_MOST_BYTES = 4_096
_WORDS = 24


def read_file(path: Path) -> str:
    """The words in a file, or on standard input for `-`. Raises: UnusablePassphrase."""
    try:
        if str(path) == "-":
            content = sys.stdin.buffer.read(_MOST_BYTES + 1)
        else:
            with path.open("rb") as file:
                content = file.read(_MOST_BYTES + 1)
        text = content.decode()
    except OSError as error:
        raise UnusablePassphrase(f"The file {path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise UnusablePassphrase(f"The file {path} is not text.") from None
    if len(content) > _MOST_BYTES:
        raise UnusablePassphrase(f"The file {path} is too long for a recovery phrase.")
    return text


def ask() -> str:
    """Ask for the 24 words, in as many lines as people like. They are seen as they are typed.

    Raises:
        PassphraseNeeded: there is no terminal.
    """
    if not sys.stdin.isatty():
        raise PassphraseNeeded(
            "The recovery phrase is needed and there is no terminal to ask on: use --phrase-file FILE."
        )
    print(f"Type the {_WORDS} words of the recovery phrase, in order; first letters are enough.", file=sys.stderr)  # noqa: T201 - a prompt
    words: list[str] = []
    while len([word for word in words if not word.rstrip(".):").isdigit()]) < _WORDS:
        print(f"{len(words) + 1:2}: ", end="", file=sys.stderr, flush=True)  # noqa: T201 - a prompt
        line = sys.stdin.readline()
        if not line.strip():
            break
        words += line.split()
    return " ".join(words)
