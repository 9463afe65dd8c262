"""Which process holds the subscription of a mailbox that is not subscribed here, as far as we know."""

from collections import OrderedDict

from handshaker_signaling.domain.effects import Process
from handshaker_signaling.domain.limits import Limits


class Routes:
    """A bounded cache with short lives. A wrong entry costs a detour, never a frame."""

    __slots__ = ("_known", "_limits", "_unreachable")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._known: OrderedDict[bytes, tuple[float, Process | None]] = OrderedDict()
        self._unreachable: dict[Process, float] = {}

    def find(self, now: float, recv_id: bytes) -> tuple[Process | None] | None:
        """The holder, in a tuple; None where the lease must be looked up."""
        route = self._known.get(recv_id)
        if route is None or route[0] <= now:
            return None
        return (self.reachable(now, route[1]),)

    def learn(self, now: float, recv_id: bytes, holder: Process | None) -> None:
        """Remembers a lease."""
        keep = self._limits.no_route_seconds if holder is None else self._limits.route_seconds
        self._known[recv_id] = (now + keep, holder)
        self._known.move_to_end(recv_id)
        if len(self._known) > self._limits.routes:
            self._known.popitem(last=False)

    def forget(self, recv_id: bytes) -> None:
        """Drops what turned out to be wrong."""
        self._known.pop(recv_id, None)

    def reachable(self, now: float, holder: Process | None) -> Process | None:
        """The holder, or None while it is left alone because it could not be reached."""
        if holder is None or holder not in self._unreachable:
            return holder
        if self._unreachable[holder] > now:
            return None
        del self._unreachable[holder]
        return holder

    def avoid(self, now: float, holder: Process) -> None:
        """Leaves a process alone for a while."""
        for known in [known for known, until in self._unreachable.items() if until <= now]:
            del self._unreachable[known]
        self._unreachable[holder] = now + self._limits.unreachable_seconds
