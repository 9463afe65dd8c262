"""Doing something with each of many subscriptions once in a period, evenly spread."""

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from handshaker_signaling.domain.subscriptions import Subscription


class Ring:
    """Subscriptions in the order in which their turn comes.

    Those that end are discarded at once: if they stayed until their turn, the pace, which follows from how many there
    are, would slow down while they are met, and the living would wait for longer than a period.
    """

    __slots__ = ("_at", "_credit", "_waiting")

    def __init__(self) -> None:
        self._waiting: OrderedDict[Subscription, None] = OrderedDict()
        self._credit = 0.0
        self._at: float | None = None

    def add(self, subscription: "Subscription") -> None:
        """Puts a subscription last."""
        self._waiting[subscription] = None

    def discard(self, subscription: "Subscription") -> None:
        """Takes a subscription out."""
        self._waiting.pop(subscription, None)

    def due(self, now: float, period: float) -> list["Subscription"]:
        """Those whose turn has come by `now`, if each is to have one in `period` seconds."""
        waiting = self._waiting
        passed = 0.0 if self._at is None else now - self._at
        self._at = now
        self._credit = min(self._credit + passed * len(waiting) / period, float(len(waiting)))
        due = []
        while self._credit >= 1 and waiting:
            self._credit -= 1
            subscription = next(iter(waiting))
            waiting.move_to_end(subscription)
            due.append(subscription)
        return due

    def all(self) -> list["Subscription"]:
        """Every one of them."""
        return list(self._waiting)
