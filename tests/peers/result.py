"""What a comparison run returns, and how it fails."""

from collections.abc import Sequence
from dataclasses import dataclass


class PeerError(Exception):
    """A comparison run could not be completed; the text says why."""


class MissingPeer(PeerError):
    """The other server is not installed; the text names the Debian package."""


@dataclass(frozen=True)
class PeerResult:
    """One run of one server.

    `messages` counts messages that were delivered, intact, once and in order, and acknowledged on both legs; `rate` is
    messages per second over `seconds`, the measured time from the first send to the last acknowledgement.
    `p50_ms` and `p99_ms` are milliseconds from sender to receiver in a live run, and from the send to the server's
    acknowledgement in a stored run. `server_cpu_us` and `client_cpu_us` are user plus system CPU microseconds per
    message of the server's processes and of the process that generates the load.
    """

    name: str
    pairs: int
    window: int
    payload: int
    seconds: float
    messages: int
    rate: float
    p50_ms: float
    p99_ms: float
    server_cpu_us: float
    client_cpu_us: float


def percentile(ordered: Sequence[float], fraction: float) -> float:
    """The value below which `fraction` of the ascending, non-empty sequence `ordered` lies (nearest rank)."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * fraction))]
