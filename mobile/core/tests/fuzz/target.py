"""What a fuzzing target is, and what must hold of it whatever bytes it is given."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CORPUS = Path(__file__).parent / "corpus"


@dataclass(frozen=True)
class Target:
    """A reader of bytes that somebody else made.

    Attributes:
        name: of the target and of its folder in the corpus.
        read: reads the bytes; made so that nothing random is in it.
        raises: the exceptions that the reader's documentation names; any other one is a finding.
        covers: the readers it reaches, as `module.function` or `module.Class.method` below the package.
        seeds: valid inputs to begin from, made anew in every process.
        write: makes the bytes of what was read again; they must be the ones read, for formats of which everything has one
            form. None where a format allows several.
    """

    name: str
    read: Callable[[bytes], Any]
    raises: tuple[type[Exception], ...]
    covers: tuple[str, ...]
    seeds: Callable[[], Sequence[bytes]]
    write: Callable[[Any], bytes] | None = None

    def check(self, data: bytes) -> bool:
        """Read once. Returns whether it was accepted; any undocumented exception passes through."""
        try:
            value = self.read(data)
        except self.raises:
            return False
        if self.write is not None:
            assert self.write(value) == data, f"{self.name} accepts a second form of the same thing"
        return True

    def check_quietly(self, data: bytes) -> None:
        """`check` for libFuzzer, which takes a return value for a mistake."""
        self.check(data)

    def corpus(self) -> list[bytes]:
        """The committed inputs."""
        return [path.read_bytes() for path in sorted((CORPUS / self.name).glob("*"))]


def text(data: bytes) -> str:
    """Bytes as text, for readers of text: whatever bytes become some text."""
    return data.decode("utf-8", "replace")
