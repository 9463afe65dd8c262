"""Being connected: one socket at a time, with everything that goes on over it; lost connections are made anew."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from handshaker_core.client import inbox, outbox, receipts
from handshaker_core.client.core import Core, wait_any
from handshaker_core.client.errors import AlreadyRunning
from handshaker_core.client.events import ConnectionChanged, ConnectionState, Drained
from handshaker_core.client.subscriptions import Subscriptions
from handshaker_core.client.unit import Signal, Unit
from handshaker_core.client.upkeep import Upkeep
from handshaker_core.credentials import FrameId
from handshaker_core.net.backoff import Backoff
from handshaker_core.net.errors import NetworkError, Unreachable
from handshaker_core.net.relay import OutgoingFrame, Received
from handshaker_core.net.socket import RelayConnection, connect
from handshaker_core.store import outbox as stored

ANSWER_SECONDS = 30.0
"""A server that says nothing about a frame for so long is not there any more, whatever the socket looks like."""

STABLE_SECONDS = 10.0
"""A connection that lasted so long was a good one: the next is made quickly when it breaks."""

_LOOK_AHEAD = 128


@asynccontextmanager
async def meanwhile(run: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Run something in the background for the length of a block. If it fails, the block is cancelled and its error raised."""
    try:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(run(), name="handshaker-run")
            try:
                yield
            finally:
                running.cancel()
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None  # callers expect our exceptions, not groups of them


class Online:
    """Keeps the client connected while `run` runs."""

    def __init__(self, core: Core, upkeep: Upkeep) -> None:
        self._core = core
        self._upkeep = upkeep
        self._task: asyncio.Task[Any] | None = None
        self._ended = asyncio.Event()
        self.state = ConnectionState.OFFLINE
        self.sent = asyncio.Event()
        self.drained = asyncio.Event()

    async def run(self) -> None:
        """Stay connected until cancelled.

        Raises:
            AlreadyRunning.
        """
        if self._task is not None:
            raise AlreadyRunning
        self._task = asyncio.current_task()
        self._ended.clear()
        try:
            await self._keep_connected()
        finally:
            self._task = None
            self.drained.clear()
            self._set_state(ConnectionState.OFFLINE)
            self._ended.set()

    async def stop(self) -> None:
        """End `run`, if it runs, and wait for its end."""
        if self._task is not None:
            self._task.cancel()
            await self._ended.wait()

    async def _keep_connected(self) -> None:
        backoff = Backoff()
        while True:
            self._set_state(ConnectionState.CONNECTING)
            began = time.monotonic()
            try:
                async with connect(self._core.server, self._core.way) as connection:
                    self._set_state(ConnectionState.ONLINE)
                    await self._serve(connection)
            except NetworkError as error:
                self.drained.clear()
                if time.monotonic() - began > STABLE_SECONDS:
                    backoff.succeeded()
                wait = backoff.failed()
                self._set_state(ConnectionState.OFFLINE, error, wait)
                await asyncio.sleep(wait)

    async def _serve(self, connection: RelayConnection) -> None:
        """Do everything that goes on over one connection, until it fails."""
        subscriptions = Subscriptions(self._core, connection)
        parts: list[Coroutine[Any, Any, None]] = [
            self._read(connection, subscriptions),
            self._pump(connection),
            self._send_receipts(),
            subscriptions.keep(),
            *self._upkeep.parts(),
        ]
        tasks = [asyncio.create_task(part) for part in parts]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            subscriptions.close()

    async def _read(self, connection: RelayConnection, subscriptions: Subscriptions) -> None:
        while True:
            received = await connection.receive()
            if received.results or received.deliveries:
                await self._core.run(partial(_take, received=received))
                subscriptions.acknowledge(received.deliveries)
            if received.results:
                self._core.signals[Signal.OUTBOX].set()
                self._core.signals[Signal.TIMERS].set()
            await subscriptions.take(received.subscriptions)
            if received.subscriptions and subscriptions.drained and not self.drained.is_set():
                self.drained.set()
                self._core.hub.publish([Drained()])

    async def _pump(self, connection: RelayConnection) -> None:
        """Send what is due, as long as the window has room; wait for results, new frames or the end of a hold."""
        signal = self._core.signals[Signal.OUTBOX]
        sent_at: dict[FrameId, tuple[OutgoingFrame, float]] = {}
        while True:
            signal.clear()
            frames, next_try = await self._core.run(_due)
            new = [frame for frame in frames if not connection.is_unanswered(frame)][: connection.room]
            connection.send(new)
            now = time.monotonic()
            sent_at = {key: value for key, value in sent_at.items() if connection.is_unanswered(value[0])}
            sent_at.update({frame.frame_id: (frame, now) for frame in new})
            if not sent_at and not signal.is_set():
                self.sent.set()
            oldest = min((when for _, when in sent_at.values()), default=None)
            if oldest is not None and oldest + ANSWER_SECONDS < now:
                raise Unreachable("The server does not answer.")
            waits = [] if oldest is None else [oldest + ANSWER_SECONDS - now + 0.01]
            if next_try is not None and next_try > self._core.clock():
                waits.append(next_try - self._core.clock())
            await wait_any(signal, min(waits, default=None))

    async def _send_receipts(self) -> None:
        signal = self._core.signals[Signal.RECEIPTS]
        while True:
            signal.clear()
            due_at = await self._core.run(receipts.send_due)
            await wait_any(signal, None if due_at is None else max(0.0, due_at - self._core.clock()))

    def _set_state(self, state: ConnectionState, error: NetworkError | None = None, wait: float | None = None) -> None:
        if state is not self.state or error is not None:
            self.state = state
            reason, sentence = (None, None) if error is None else (error.reason, str(error))
            self._core.hub.publish([ConnectionChanged(state, reason, sentence, wait)])


def _take(u: Unit, received: Received) -> None:
    for frame_id, outcome in received.results:
        outbox.apply(u, frame_id, outcome)
    inbox.take_all(u, received.deliveries)


def _due(u: Unit) -> tuple[list[OutgoingFrame], float | None]:
    return outbox.due(u, _LOOK_AHEAD), stored.next_try(u.c, u.now)
