"""How fast one WebSocket may send: too much is met by reading no further, gross abuse by closing."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SocketLimits:
    """What one socket may send; rates are per second. The gateway's limiter registry has the values."""

    bytes_burst: float = 4 * 1024 * 1024
    bytes_rate: float = 4 * 1024 * 1024
    messages_burst: float = 2_000
    messages_rate: float = 2_000
    # Seconds on end that a socket may press against its limit before it is closed.
    patience: float = 60


class Pace:
    """Two token buckets, over bytes and over messages, that may go into debt by one message.

    `now` is any clock that never goes back, in seconds.
    """

    __slots__ = ("_at", "_bytes", "_limits", "_messages", "_pressed_since")

    def __init__(self, limits: SocketLimits, now: float) -> None:
        self._limits = limits
        self._at = now
        self._bytes = limits.bytes_burst
        self._messages = limits.messages_burst
        self._pressed_since: float | None = None

    def spend(self, size: int, now: float) -> float:
        """Takes one message of `size` bytes; returns the seconds to wait before the next is read."""
        limits = self._limits
        passed = now - self._at
        self._at = now
        self._bytes = min(limits.bytes_burst, self._bytes + passed * limits.bytes_rate) - size
        self._messages = min(limits.messages_burst, self._messages + passed * limits.messages_rate) - 1
        if self._bytes >= 0 and self._messages >= 0:
            self._pressed_since = None
            return 0.0
        if self._pressed_since is None:
            self._pressed_since = now
        return max(-self._bytes / limits.bytes_rate, -self._messages / limits.messages_rate)

    def abusive(self, now: float) -> bool:
        """Whether the socket has pressed against its limit for longer than patience allows."""
        return self._pressed_since is not None and now - self._pressed_since > self._limits.patience
