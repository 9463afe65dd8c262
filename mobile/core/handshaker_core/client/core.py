"""What the parts of the client share: store, server, clock, listeners, and who has something to do."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from handshaker_core.client.events import EventHub
from handshaker_core.client.live_states import LiveStates
from handshaker_core.client.settings import Settings
from handshaker_core.client.unit import Signal, Unit
from handshaker_core.clock import Clock
from handshaker_core.net.api import Api
from handshaker_core.net.http import Transport, Way
from handshaker_core.net.server import ServerAddress
from handshaker_core.protocol.blind_tokens import Token
from handshaker_core.protocol.randomness import Randomness
from handshaker_core.store import Store, tokens
from handshaker_core.store.accounts import AccountKeys
from handshaker_core.store.connection import Connection
from handshaker_core.store.errors import StoreError

T = TypeVar("T")

StepProgress: TypeAlias = Callable[[str, float], None]
"""Told the name of the step that is worked on, and the share of it that is done (luck may make it exceed 1)."""


def no_progress(_step: str, _share: float) -> None:
    """Nobody looks."""


@dataclass(slots=True)
class Core:
    """One open client."""

    store: Store
    keys: AccountKeys
    settings: Settings
    server: ServerAddress
    way: Way
    transport: Transport
    clock: Clock
    rng: Randomness
    hub: EventHub = field(default_factory=EventHub)
    live: LiveStates = field(default_factory=LiveStates)
    signals: dict[Signal, asyncio.Event] = field(default_factory=lambda: {signal: asyncio.Event() for signal in Signal})
    background: "set[asyncio.Future[None]]" = field(default_factory=set)

    @property
    def api(self) -> Api:
        """The server's methods."""
        return Api(self.transport, self._take_token)

    async def _take_token(self) -> Token | None:
        now = self.clock()
        return await self.store.run(lambda c: tokens.take(c, now))

    async def run(self, work: Callable[[Unit], T]) -> T:
        """Run a unit of work; after its commit, tell listeners and wake whoever has something to do."""

        def transact(connection: Connection) -> tuple[T, Unit]:
            unit = Unit(connection, self.keys, self.settings, self.clock(), self.rng, self.live)
            kept = self.live.kept()
            try:
                return work(unit), unit
            except BaseException:
                self.live.restore(kept)
                raise

        # A caller that is cancelled does not stop the unit: what is committed has to be told all the same.
        running = asyncio.ensure_future(self.store.run(transact))
        running.add_done_callback(self._tell)
        result, _ = await asyncio.shield(running)
        return result

    def _tell(self, running: "asyncio.Future[tuple[T, Unit]]") -> None:
        if running.cancelled():
            return
        failure = running.exception()
        if isinstance(failure, StoreError):
            self.live.clear()  # what was agreed may not have been committed, so nobody may count on it
        if failure is not None:
            return
        unit = running.result()[1]
        self.hub.publish(unit.events)
        for signal in unit.signals:
            self.signals[signal].set()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something in the background until the client is closed."""
        self.background.add(asyncio.ensure_future(work))

    async def stop_background(self) -> None:
        """End what runs in the background."""
        for task in self.background:
            task.cancel()
        await asyncio.gather(*self.background, return_exceptions=True)
        self.background.clear()

    async def close(self) -> None:
        """Close connections, listeners and the store; live sessions end."""
        self.live.clear()
        await self.stop_background()
        await self.transport.close()
        self.hub.close()
        await self.store.close()


async def wait_any(event: asyncio.Event, seconds: float | None) -> None:
    """Wait for an event, or until the time is over."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
