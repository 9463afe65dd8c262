"""What a failed command tells its caller: a stable reason, one sentence, and an exit code."""

from dataclasses import dataclass
from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of `handshaker`. They stay as they are: scripts depend on them."""

    DONE = 0
    FAILED = 1
    """This machine failed: a damaged store, a full disk, a mistake in the program."""
    USAGE = 2
    """The command, an argument, the passphrase or the directory is not right; nothing was changed."""
    REFUSED = 3
    """The server understood and said no."""
    UNREACHABLE = 4
    """The server, or the process that serves this directory, gave no answer."""
    NOT_VERIFIED = 5
    """Somebody's keys could not be proved to be theirs."""
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a command ended without success."""

    reason: str
    message: str
    exit: ExitCode
