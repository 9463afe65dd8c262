"""The table: ours, libsignal's, the ratio and its aim."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Row:
    """One line.

    Attributes:
        name: for people.
        measure, part: which figure of which benchmark.
        stored: with sessions kept as bytes.
        aim: the highest ratio that is wanted; None for a line that only informs.
    """

    name: str
    measure: str
    part: str
    stored: bool
    aim: float | None


ROWS = (
    Row("session set-up with first message, initiator", "set_up", "initiator", stored=False, aim=1.5),
    Row("session set-up with first message, responder", "set_up", "responder", stored=False, aim=1.5),
    Row("one-way, encrypt", "one_way", "encrypt", stored=False, aim=1.0),
    Row("one-way, decrypt", "one_way", "decrypt", stored=False, aim=1.0),
    Row("ping-pong, encrypt and decrypt", "ping_pong", "both", stored=False, aim=1.5),
    Row("sealed envelope, seal", "sealed", "seal", stored=False, aim=1.5),
    Row("sealed envelope, open", "sealed", "open", stored=False, aim=1.5),
    Row("one-way, encrypt, session kept as bytes", "one_way", "encrypt", stored=True, aim=None),
    Row("one-way, decrypt, session kept as bytes", "one_way", "decrypt", stored=True, aim=None),
    Row("ping-pong, session kept as bytes", "ping_pong", "both", stored=True, aim=None),
    Row("all of a message, session kept as bytes", "whole", "both", stored=True, aim=None),
)


@dataclass(frozen=True)
class Figure:
    """A row with its medians in microseconds."""

    row: Row
    ours: float
    theirs: float

    @property
    def ratio(self) -> float:
        """Ours by libsignal's."""
        return self.ours / self.theirs

    @property
    def met(self) -> bool | None:
        """Whether the aim is met; None where there is none."""
        return None if self.row.aim is None else self.ratio <= self.row.aim

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        return asdict(self.row) | {"ours_us": self.ours, "libsignal_us": self.theirs, "ratio": self.ratio}


def figure(row: Row, ours: Sequence[Mapping[str, float]], theirs: Sequence[Mapping[str, float]]) -> Figure:
    """Medians over the rounds."""
    return Figure(row, *(statistics.median(one[row.part] for one in rounds) for rounds in (ours, theirs)))


def table(figures: Sequence[Figure]) -> str:
    """As text."""
    lines = [f"{'microseconds of processor time':46} {'ours':>7} {'libsignal':>10} {'ratio':>7}  {'aim':>5}"]
    for one in figures:
        aim = "" if one.row.aim is None else f"{one.row.aim:5.1f}  {'met' if one.met else 'MISSED'}"
        lines.append(f"{one.row.name:46} {one.ours:7.0f} {one.theirs:10.0f} {one.ratio:6.2f}x  {aim}")
    return "\n".join(lines)


def sizes(ours: Mapping[str, int], theirs: Mapping[int, Mapping[str, int]]) -> str:
    """What a message needs on the wire beside its content."""
    overhead = ours["ordinary"] - ours["content_of_small"]
    small, large = (f"{ours[name]:,} bytes" for name in ("ordinary", "first"))
    lines = [
        f"On the wire, ours: {small} with up to {ours['content_of_small']:,} of content (overhead {overhead:,}),",
        f"or {large} with up to {ours['content_of_large']:,}; a first one {large} with up to {ours['content_of_first']:,}.",
    ]
    for size, of in theirs.items():
        first = f"a first one {of['first']:,}"
        lines.append(f"libsignal, {size} bytes of content: {of['ordinary']}, sealed {of['sealed']}, {first}.")
    return "\n".join(lines)
