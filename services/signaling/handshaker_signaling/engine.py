"""What drives the relay: time, and the carrying out of its effects in batches."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from handshaker_common import metrics
from handshaker_common.clock import Clock
from handshaker_common.ids import RecvId, SendId, WakeId
from handshaker_proto.signaling.v1 import socket_pb2

from handshaker_signaling.domain import (
    Attachment,
    Forward,
    InboundLink,
    LeaseRequest,
    Pending,
    Process,
    Read,
    Relay,
    Removal,
    Stored,
)

TICK_SECONDS = 0.025
# Effects are carried out at once after a quiet moment, and no sooner than this after the last time: writing to a
# stream costs about 100 us whatever it carries, so under load it pays to let a little more come together.
PAUSE_SECONDS = 0.001
METRICS_SECONDS = 1.0


class Leases(Protocol):
    """Carries out what concerns leases."""

    def request(self, requests: list[LeaseRequest]) -> None: ...
    def look_up(self, recv_ids: list[RecvId]) -> None: ...
    def check(self, stored: list[Stored]) -> None: ...
    @property
    def idle(self) -> bool: ...


class Frames(Protocol):
    """Carries out what concerns the store of frames."""

    def resolve(self, send_ids: list[SendId]) -> None: ...
    def put(self, puts: list[Pending]) -> None: ...
    def read(self, reads: list[Read]) -> None: ...
    def remove(self, removals: list[Removal]) -> None: ...
    @property
    def idle(self) -> bool: ...


class Peers(Protocol):
    """Carries out what concerns the other signaling processes."""

    def forward(self, forwards: list[Forward]) -> None: ...
    def poke(self, pokes: list[tuple[Process, RecvId]]) -> None: ...
    def displace(self, displaced: list[tuple[Process, RecvId]]) -> None: ...


class Wakes(Protocol):
    """Has devices woken."""

    def wake(self, wake_ids: list[WakeId]) -> None: ...


class Outlet:
    """Wakes whoever writes a stream when there is something to write.

    `busy` from `fill` until the writer waits again, that is, until everything has been written.
    """

    def __init__(self) -> None:
        self._filled = asyncio.Event()
        self.busy = False

    def fill(self) -> None:
        """There is something to write."""
        self.busy = True
        self._filled.set()

    async def wait(self) -> None:
        """Waits for something to write."""
        if not self._filled.is_set():
            self.busy = False
        await self._filled.wait()
        self._filled.clear()


class Engine:
    """Runs one relay. Whoever tells the relay something calls `touch` afterwards."""

    def __init__(self, relay: Relay, clock: Clock) -> None:
        self.relay = relay
        self.now: Callable[[], float] = clock.monotonic
        self.stopped = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._outlets: dict[Attachment | InboundLink, Outlet] = {}
        self._ticked = asyncio.Event()
        self._scheduled = False
        self._pumped_at = 0.0
        self._counted: dict[int, int] = {}
        self._leases: Leases
        self._frames: Frames
        self._peers: Peers
        self._wakes: Wakes

    def connect(self, *, leases: Leases, frames: Frames, peers: Peers, wakes: Wakes) -> None:
        """Says who carries effects out; needed once, before anything else."""
        self._leases, self._frames, self._peers, self._wakes = leases, frames, peers, wakes

    def outlet(self, source: Attachment | InboundLink) -> Outlet:
        """A new outlet, filled whenever `source` has something to write."""
        outlet = self._outlets[source] = Outlet()
        return outlet

    def forget(self, source: Attachment | InboundLink) -> None:
        """Forgets a source that has gone."""
        self._outlets.pop(source, None)

    def touch(self) -> None:
        """Has effects carried out soon."""
        if self._scheduled:
            return
        self._scheduled = True
        pause = self._pumped_at + PAUSE_SECONDS - self._loop.time()
        if pause > 0:
            self._loop.call_later(pause, self._pump)
        else:
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        self._scheduled = False
        self._pumped_at = self._loop.time()
        effects = self.relay.effects
        if effects.unfinished:
            self._loop.call_soon(self._work)
        self._pump_sockets_and_peers()
        if effects.leases:
            requests, effects.leases = effects.leases, []
            self._leases.request(requests)
        if effects.look_up:
            recv_ids, effects.look_up = effects.look_up, []
            self._leases.look_up(recv_ids)
        if effects.check:
            stored, effects.check = effects.check, []
            self._leases.check(stored)
        if effects.resolve:
            send_ids, effects.resolve = effects.resolve, []
            self._frames.resolve(send_ids)
        if effects.put:
            puts, effects.put = effects.put, []
            self._frames.put(puts)
        if effects.read:
            reads, effects.read = effects.read, []
            self._frames.read(reads)
        if effects.remove:
            removals, effects.remove = effects.remove, []
            self._frames.remove(removals)

    def _pump_sockets_and_peers(self) -> None:
        effects = self.relay.effects
        sources: list[Attachment | InboundLink] = [*effects.attachments, *effects.links]
        if sources:
            effects.attachments, effects.links = [], []
            for source in sources:
                outlet = self._outlets.get(source)
                if outlet is not None:
                    outlet.fill()
        if effects.forward:
            forwards, effects.forward = effects.forward, []
            self._peers.forward(forwards)
        if effects.poke:
            pokes, effects.poke = effects.poke, []
            self._peers.poke(pokes)
        if effects.displace:
            displaced, effects.displace = effects.displace, []
            self._peers.displace(displaced)
        if effects.wake:
            wake_ids, effects.wake = effects.wake, []
            self._wakes.wake(wake_ids)

    def _work(self) -> None:
        self.relay.work()
        self.touch()

    async def run(self) -> None:
        """Passes time, for ever."""
        count_at = 0.0
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = self.now()
            self.relay.tick(now)
            self.touch()
            self._ticked.set()
            if now >= count_at:
                count_at = now + METRICS_SECONDS
                self._count()

    def _count(self) -> None:
        relay = self.relay
        metrics.RELAY_SOCKETS.set(metrics.floored(relay.sockets))
        metrics.RELAY_SUBSCRIPTIONS.set(metrics.floored(len(relay.subscriptions.by_mailbox)))
        metrics.RELAY_PENDING.set(metrics.floored(len(relay.sending)))
        metrics.RELAY_LEASES_TRUSTED.set(relay.subscriptions.leases_trusted)
        for outcome, count in relay.sending.counts.items():
            new = count - self._counted.get(outcome, 0)
            if new:
                name = socket_pb2.SendResult.Outcome.Name(socket_pb2.SendResult.Outcome.ValueType(outcome))
                metrics.RELAY_RESULTS.labels(name.removeprefix("OUTCOME_").lower()).inc(new)
                self._counted[outcome] = count

    async def drain(self, settle_seconds: float, close_seconds: float) -> None:
        """Stores or answers everything in care, then closes all sockets and ends all streams.

        Each of the two steps takes no longer than its time.
        """
        try:
            self.relay.drain()
            self.touch()
            await self._wait_for(lambda: self.relay.settled, self._loop.time() + settle_seconds)
            self.relay.close_all()
            self.touch()
            await self._wait_for(self._idle, self._loop.time() + close_seconds)
        finally:
            self.stopped.set()

    async def _wait_for(self, condition: Callable[[], bool], until: float) -> None:
        while not condition() and self._loop.time() < until:
            self._ticked.clear()
            await self._ticked.wait()

    def _idle(self) -> bool:
        """Whether nothing waits to be written any more."""
        busy = self._scheduled or any(outlet.busy for outlet in self._outlets.values())
        return not busy and self._leases.idle and self._frames.idle
