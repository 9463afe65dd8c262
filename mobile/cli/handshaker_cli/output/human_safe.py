"""Results about what protects an account, as text for people."""

from handshaker_cli.operations.results import Done, Panicked, Phrase, Restored, Result, Timer, Written
from handshaker_cli.output import human
from handshaker_cli.output.human import bold

_WORDS_PER_LINE = 4


def render(result: Result) -> str:
    """Any result."""
    match result:
        case Phrase():
            return _phrase(result.words.split(" "))
        case Done():
            return result.message
        case Written():
            return (
                f"Backup written: {result.file} ({result.bytes:,} bytes). Only the recovery phrase opens it; it holds "
                "contacts and messages, and no keys."
            )
        case Restored():
            return f"Restored: {result.messages} messages; there are {result.contacts} contacts now."
        case Timer():
            return _timer(result)
        case Panicked():
            return panicked(told=result.server_told)
    return human.render(result)


def panicked(*, told: bool) -> str:
    """After panic."""
    if told:
        return "Everything on this machine is destroyed, and the server has deleted the account."
    return (
        "Everything on this machine is destroyed. The server could not be told: the account there lives on without this "
        "device, and holds no message that anybody can read."
    )


def spelled(seconds: int) -> str:
    """A length of time: "1 week", "90 minutes"."""
    for size, name in ((604_800, "week"), (86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        if seconds % size == 0:
            return f"{seconds // size} {name}{'' if seconds == size else 's'}"
    raise AssertionError(seconds)


def _phrase(words: list[str]) -> str:
    numbered = [f"{number:2}. {word:10}" for number, word in enumerate(words, start=1)]
    rows = len(numbered) // _WORDS_PER_LINE
    lines = ["  ".join(numbered[row::rows]).rstrip() for row in range(rows)]
    return "\n".join(
        [
            "Your recovery phrase. Whoever has these words IS you: they can take over your account and read your backups.",
            "Write them on paper, in this order, and keep it where only you find it. No photo, no file, no message.",
            "",
            *(f"    {line}" for line in lines),
            "",
            "To see whether you wrote it down right: handshaker phrase check",
        ]
    )


def _timer(timer: Timer) -> str:
    name = bold(timer.name)
    if timer.seconds is None:
        return f"Messages with {name} stay."
    return (
        f"New messages with {name} disappear {spelled(timer.seconds)} after they are read, on both sides. Nothing keeps "
        "people from copying what they read."
    )
