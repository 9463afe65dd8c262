"""From a wake id to a device: waits as the schedule says, opens the target, hands it to its transport."""

import asyncio
from collections.abc import Sequence

from handshaker_common import metrics
from handshaker_common.clock import Clock
from handshaker_common.errors import DatabaseUnavailable
from handshaker_common.ids import WakeId
from handshaker_common.uses import Uses

from handshaker_notify.domain.schedule import Asked, Schedule
from handshaker_notify.domain.sealing import SealingKey
from handshaker_notify.errors import Unreadable
from handshaker_notify.store import WakeTargetStore
from handshaker_notify.transports import Transport

# Opening a target takes a tenth of a millisecond: so many, and then somebody else's turn.
MOST_AT_ONCE = 64
LONGEST_SLEEP_SECONDS = 0.25


class Waker:
    """Counts every wake-up by what became of it; never says which."""

    def __init__(
        self,
        store: WakeTargetStore,
        key: SealingKey,
        transports: Sequence[Transport],
        schedule: Schedule,
        *,
        uses: Uses[WakeId],
        clock: Clock,
    ) -> None:
        self._store = store
        self._key = key
        self._transports = {transport.name: transport for transport in transports}
        self._schedule = schedule
        self._uses = uses
        self._clock = clock
        self._asked = asyncio.Event()

    def ask(self, wake_id: WakeId) -> None:
        """Asks for a wake-up. Unknown ids are found out later, and silently."""
        asked = self._schedule.ask(wake_id, self._clock.monotonic())
        if asked is not Asked.SCHEDULED:
            metrics.WAKES.labels(asked.value).inc()
        self._asked.set()

    async def run(self) -> None:
        """Fires what is due, for ever."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            while (next_time := self._schedule.next_time) is not None:
                pause = next_time - self._clock.monotonic()
                await asyncio.sleep(min(max(pause, 0), LONGEST_SLEEP_SECONDS))
                await self.fire_due()

    async def fire_due(self) -> None:
        """Fires what is due now."""
        while due := self._schedule.take(self._clock.monotonic(), MOST_AT_ONCE):
            try:
                await self._fire(due)
            except DatabaseUnavailable:
                self._schedule.put_back(due)
                metrics.WAKES.labels("put_back").inc(len(due))

    async def fire_all(self) -> None:
        """Fires everything that waits, for a service that ends, and waits until the transports have sent it."""
        waiting = self._schedule.take_all()
        for start in range(0, len(waiting), MOST_AT_ONCE):
            await self._fire(waiting[start : start + MOST_AT_ONCE])
        for transport in self._transports.values():
            await transport.flush()

    async def _fire(self, wake_ids: list[WakeId]) -> None:
        found = await self._store.find(wake_ids)
        metrics.WAKES.labels("no_target").inc(len(wake_ids) - len(found))
        for wake_id, sealed in found.items():
            self._uses.add(wake_id)
            self._send(sealed)
        await asyncio.sleep(0)

    def _send(self, sealed: bytes) -> None:
        if not self._transports:
            metrics.WAKES.labels("no_transport").inc()
            return
        try:
            target = self._key.open(sealed)
        except Unreadable:
            metrics.WAKES.labels("unreadable").inc()
            return
        transport = self._transports.get(str(target.WhichOneof("transport")))
        if transport is None:
            metrics.WAKES.labels("no_transport").inc()
        else:
            transport.send(target)
