"""Thousands of sessions over networks that lose, repeat and reorder: every message is read, and both ends move on."""

from collections import deque
from collections.abc import Callable
from random import Random

import pytest
from handshaker_core.protocol.pq_ratchet import Trigger

from .pq_ends import ToyEnd, toy_ends

SESSIONS = 700
TRIGGER = Trigger(messages=10, seconds=10**9)


class Way:
    """One direction of a network."""

    def __init__(self, random: Random, loss: float, to: ToyEnd) -> None:
        self._random, self._loss, self._to = random, loss, to
        self._waiting: deque[tuple[bytes, bytes]] = deque()
        self.read = 0

    def put(self, message: bytes, content: bytes) -> None:
        if self._random.random() >= self._loss:
            self._waiting.append((message, content))

    def deliver(self, reorder: int) -> None:
        """One of the oldest `reorder` messages that wait."""
        if self._waiting:
            self._waiting.rotate(-self._random.randrange(min(reorder, len(self._waiting))))
            message, content = self._waiting.popleft()
            assert self._to.receive(message) == content
            self.read += 1

    def flush(self) -> None:
        while self._waiting:
            self.deliver(8)


def session(seed: int, loss: float, messages: int) -> tuple[int, int, int]:
    """Returns: the epochs of both ends, and how many messages were read."""
    random = Random(seed)
    a, b = toy_ends(TRIGGER)
    ways = Way(random, loss, b), Way(random, loss, a)
    for number in range(messages):
        side = random.randrange(2)
        content = number.to_bytes(2, "big")
        ways[side].put((a, b)[side].send(content), content)
        for way in ways:
            if random.random() < 0.6:
                way.deliver(8)
        assert abs(a.state.epoch - b.state.epoch) <= 1
    for way in ways:
        way.flush()
    if a.state.epoch == b.state.epoch:
        assert a.state.keys == b.state.keys
    return a.state.epoch, b.state.epoch, ways[0].read + ways[1].read


@pytest.mark.parametrize(("loss", "messages", "least"), [(0.0, 120, 1.5), (0.2, 170, 1.5), (0.5, 250, 1.0)])
def test_sessions_over_a_bad_network(
    loss: float, messages: int, least: float, record_property: Callable[[str, object], None]
) -> None:
    """`least` is the number of epochs that sessions reach on average; what they did reach is in the report."""
    ends = [session(seed, loss, messages) for seed in range(SESSIONS)]
    reached = sum(max(one, other) for one, other, _ in ends) / SESSIONS
    record_property("epochs", round(reached, 2))
    record_property("messages", sum(read for _, _, read in ends))
    assert reached >= least
    assert sum(read for _, _, read in ends) >= 0.95 * (1 - loss) * SESSIONS * messages


def test_half_of_everything_lost_for_a_long_time_stops_nothing() -> None:
    random = Random(1)
    a, b = toy_ends(TRIGGER)
    ways = Way(random, 0.5, b), Way(random, 0.5, a)
    for number in range(2_000):
        side = number % 2
        ways[side].put((a, b)[side].send(b"%d" % number), b"%d" % number)
        ways[side].flush()
    assert min(a.state.epoch, b.state.epoch) >= 10
    assert abs(a.state.epoch - b.state.epoch) <= 1
