"""Doing something with each of many subscriptions once in a period, evenly spread."""

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from handshaker_signaling.domain.subscriptions import Subscription


class Ring:
    """Subscriptions in the order in which their turn comes. Ended ones fall out when they are met."""

    __slots__ = ("_at", "_credit", "_waiting")

    def __init__(self) -> None:
        self._waiting: deque[Subscription] = deque()
        self._credit = 0.0
        self._at: float | None = None

    def add(self, subscription: "Subscription") -> None:
        """Puts a subscription last."""
        self._waiting.append(subscription)

    def due(self, now: float, period: float) -> list["Subscription"]:
        """Those whose turn has come by `now`, if each is to have one in `period` seconds."""
        waiting = self._waiting
        passed = 0.0 if self._at is None else now - self._at
        self._at = now
        self._credit = min(self._credit + passed * len(waiting) / period, float(len(waiting)))
        due = []
        while self._credit >= 1 and waiting:
            self._credit -= 1
            subscription = waiting.popleft()
            if not subscription.ended:
                due.append(subscription)
                waiting.append(subscription)
        return due

    def all(self) -> list["Subscription"]:
        """Everything that has not ended."""
        return [subscription for subscription in self._waiting if not subscription.ended]
