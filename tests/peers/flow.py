"""One sender and one receiver: the closed loop, its clock, and the proof that every message arrives once, in order."""

import asyncio
import base64
import os
import time
from collections import deque
from collections.abc import Callable

from .result import PeerError

SEQUENCE_DIGITS = 12
"""Every payload starts with its decimal sequence number in this many digits."""

_TEXTS = 32
"""Different random texts per flow: enough that nothing between the two ends can profit from repetition."""


class Flow:
    """The state of one pair.

    `window` messages are in flight: the next one is sent when the receiver got one or, with `stored` (the receiver is
    offline while the messages are sent), when the server acknowledged one. A flow sends until `stop` is called or
    `limit` messages are sent. `payload` is the length in bytes of each message, as text that XML need not escape.
    """

    def __init__(self, *, window: int, payload: int, stored: bool = False, limit: int | None = None) -> None:
        if window < 1:
            raise ValueError("the window must be at least 1 message")
        if payload < SEQUENCE_DIGITS:
            raise ValueError(f"the payload must be at least {SEQUENCE_DIGITS} bytes, to hold its sequence number")
        self.sent = 0
        self.received = 0
        self.acknowledged_to_sender = 0
        self.acknowledged_by_receiver = 0
        self.latencies: list[float] = []
        self.error: PeerError | None = None
        self._window, self._stored, self._limit = window, stored, limit
        room = payload - SEQUENCE_DIGITS
        self._texts = [base64.b64encode(os.urandom(room))[:room] for _ in range(_TEXTS)]
        self._sent_at: deque[float] = deque()
        self._send: Callable[[list[bytes]], None] | None = None
        self._stopped = False
        self._accepted = asyncio.Event()
        self._finished = asyncio.Event()

    def message(self, sequence: int) -> bytes:
        """The payload with this sequence number, counted from 0."""
        return b"%012d" % sequence + self._texts[sequence % _TEXTS]

    def start(self, send: Callable[[list[bytes]], None]) -> None:
        """Send the first window. `send` puts a burst of payloads on the wire in one write."""
        self._send = send
        self.advance()

    @property
    def finished(self) -> bool:
        """Whether all is sent, received and acknowledged, or the flow has failed."""
        return self._finished.is_set()

    def stop(self) -> None:
        """Send no more; what is in flight still arrives."""
        self._send = None
        self._stopped = True
        self._settle()

    def fail(self, error: PeerError) -> None:
        """End the flow: whoever waits for it gets `error`. The first error counts."""
        self.error = self.error or error
        self._send = None
        self._accepted.set()
        self._finished.set()

    def delivered(self, body: bytes) -> None:
        """The receiver got `body`. Raises PeerError if it is not exactly the next message."""
        if self.received >= self.sent or body != self.message(self.received):
            raise PeerError(
                f"message {self.received} of {self.sent} was expected, but {body[:SEQUENCE_DIGITS]!r} arrived: "
                "lost, doubled, reordered or altered"
            )
        self.received += 1
        if not self._stored:
            self.latencies.append(time.perf_counter() - self._sent_at.popleft())

    def sender_acknowledged(self, total: int) -> None:
        """The server has taken responsibility for the first `total` messages. Raises PeerError if that cannot be."""
        if not self.acknowledged_to_sender <= total <= self.sent:
            raise PeerError(f"the server acknowledged {total} messages, but {self.sent} were sent")
        if self._stored:
            now = time.perf_counter()
            for _ in range(total - self.acknowledged_to_sender):
                self.latencies.append(now - self._sent_at.popleft())
        self.acknowledged_to_sender = total

    def receiver_acknowledged(self, total: int) -> None:
        """The receiver has put its acknowledgement of the first `total` messages on the wire."""
        self.acknowledged_by_receiver = total

    def advance(self) -> None:
        """Fill the window again. To be called once after everything that came in one read was counted."""
        if self._send is None:
            self._settle()
            return
        in_flight = self.sent - (self.acknowledged_to_sender if self._stored else self.received)
        room = self._window - in_flight
        if self._limit is not None:
            room = min(room, self._limit - self.sent)
        if room > 0:
            burst = [self.message(sequence) for sequence in range(self.sent, self.sent + room)]
            self.sent += room
            self._sent_at.extend([time.perf_counter()] * room)
            self._send(burst)
        elif self.sent == self._limit:
            self.stop()

    async def wait_accepted(self) -> None:
        """Wait until sending has ended and the server has acknowledged every message. Raises PeerError."""
        await self._wait(self._accepted)

    async def wait_finished(self) -> None:
        """Wait until, besides, the receiver has received and acknowledged every message. Raises PeerError."""
        await self._wait(self._finished)

    async def _wait(self, event: asyncio.Event) -> None:
        await event.wait()
        if self.error is not None:
            raise self.error

    def _settle(self) -> None:
        if not self._stopped or self.acknowledged_to_sender != self.sent:
            return
        self._accepted.set()
        if self.received == self.acknowledged_by_receiver == self.sent:
            self._finished.set()
