"""When to fire: soon, but not at once, and not again for a while."""

import heapq
from collections.abc import Callable
from enum import Enum

from handshaker_common.ids import WakeId


class Asked(Enum):
    """What became of a request to wake."""

    SCHEDULED = "scheduled"
    # Another one will be fired, or was a moment ago and will be again.
    COALESCED = "coalesced"
    # Too many are remembered already.
    OVERLOADED = "overloaded"


class Schedule:
    """Fires each wake id once after a short random delay, and again when more was asked for, an interval later.

    The delay keeps whoever sees both ends from matching a stored frame with a wake-up. A request during the interval
    is not lost: the device may have gone back to sleep, so it is woken once more at the interval's end. Each id that
    was fired less than an interval ago takes some bytes; `most` ids are remembered. Times are seconds of one clock.
    """

    def __init__(self, *, interval: float, jitter: Callable[[], float], most: int) -> None:
        self._interval = interval
        self._jitter = jitter
        self._most = most
        # Whether the id is to be fired when its time in the heap comes, or forgotten.
        self._wanted: dict[WakeId, bool] = {}
        self._times: list[tuple[float, WakeId]] = []

    def ask(self, wake_id: WakeId, now: float) -> Asked:
        """Asks for a wake-up."""
        if wake_id in self._wanted:
            self._wanted[wake_id] = True
            return Asked.COALESCED
        if len(self._wanted) >= self._most:
            return Asked.OVERLOADED
        self._wanted[wake_id] = True
        heapq.heappush(self._times, (now + self._jitter(), wake_id))
        return Asked.SCHEDULED

    @property
    def next_time(self) -> float | None:
        """When to call `take` next; None while nothing is remembered."""
        return self._times[0][0] if self._times else None

    def take(self, now: float, most: int) -> list[WakeId]:
        """Up to `most` ids to fire now. Ids that nobody asked for since they were fired are forgotten."""
        due: list[WakeId] = []
        while self._times and self._times[0][0] <= now and len(due) < most:
            _, wake_id = heapq.heappop(self._times)
            if self._wanted[wake_id]:
                due.append(wake_id)
                self._wanted[wake_id] = False
                heapq.heappush(self._times, (now + self._interval + self._jitter(), wake_id))
            else:
                del self._wanted[wake_id]
        return due

    def put_back(self, wake_ids: list[WakeId]) -> None:
        """Fires these once more an interval later, because firing them failed."""
        for wake_id in wake_ids:
            if wake_id in self._wanted:
                self._wanted[wake_id] = True

    def take_all(self) -> list[WakeId]:
        """Everything that is still to be fired, for a service that ends."""
        wanted = [wake_id for wake_id, fire in self._wanted.items() if fire]
        self._wanted.clear()
        self._times.clear()
        return wanted
