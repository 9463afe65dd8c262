"""Puts notify together and runs it."""

import asyncio
import random
from typing import NoReturn

import asyncpg
from handshaker_common import metrics
from handshaker_common.clock import Clock, SystemClock
from handshaker_common.command import run_service
from handshaker_common.errors import DatabaseUnavailable
from handshaker_common.ids import WakeId
from handshaker_common.log import configure, get_logger, where
from handshaker_common.postgres import service_database
from handshaker_common.server import Service
from handshaker_common.uses import Uses
from handshaker_proto.notify.v1 import notify_pb2_grpc

from handshaker_notify.domain.schedule import Schedule
from handshaker_notify.domain.sealing import SealingKey
from handshaker_notify.domain.topics import day_of
from handshaker_notify.rpc import WakeServicer, WakeTargetsServicer
from handshaker_notify.settings import NotifySettings
from handshaker_notify.store import WakeTargetStore
from handshaker_notify.transports import Transport
from handshaker_notify.transports.mqtt import MqttTransport
from handshaker_notify.waker import Waker

NAME = "notify"
PACKAGE = "handshaker_notify"
# Part of the drain that is spent on sending what still waits.
FLUSH_SECONDS = 3.0


class Notify:
    """All of notify over one pool."""

    def __init__(self, pool: asyncpg.Pool, settings: NotifySettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self.store = WakeTargetStore(pool)
        self._uses: Uses[WakeId] = Uses()
        self._uses_day = day_of(clock.now())
        self.transports = _transports(settings, clock)
        key = SealingKey(settings.wake_target_seed_file.read_bytes())
        # Hides a time; guards no secret.
        jitter = random.SystemRandom()
        schedule = Schedule(
            interval=settings.wake_interval_seconds,
            jitter=lambda: jitter.uniform(0, settings.wake_jitter_seconds),
            most=settings.wake_ids_remembered,
        )
        self.waker = Waker(self.store, key, self.transports, schedule, uses=self._uses, clock=clock)
        self._targets = WakeTargetsServicer(self.store, key, [each.name for each in self.transports], clock)
        self._wakes = WakeServicer(self.waker)

    def add_to(self, service: Service) -> None:
        """Adds notify's methods and its work to a service."""
        notify_pb2_grpc.add_WakeTargetsServiceServicer_to_server(self._targets, service.server)
        notify_pb2_grpc.add_WakeServiceServicer_to_server(self._wakes, service.server)
        service.ready_when(self.store.is_up)
        service.on_drain(self.drain)
        service.add_task(self.waker.run())
        for transport in self.transports:
            service.add_task(transport.run())

    async def maintain(self) -> None:
        """Writes down which targets were used, and deletes those that were not.

        Raises:
            DatabaseUnavailable: part of it may be done; the rest is done the next time.
        """
        day = day_of(self._clock.now())
        if day != self._uses_day or self._uses.full:
            await self.write_uses()
        while deleted := await self.store.delete_unused(day - self._settings.target_unused_days):
            metrics.EXPIRED_ROWS.labels("wake_targets").inc(deleted)

    async def write_uses(self) -> None:
        """Writes down which targets were used. Once a day and at the end: see `Uses`."""
        day = day_of(self._clock.now())
        await self._uses.write_down(lambda used: self.store.touch(used, day))
        self._uses_day = day

    async def maintain_for_ever(self) -> None:
        """Calls `maintain` now and then; a database that is away is tried again the next time."""
        while True:
            try:
                await self.maintain()
            except DatabaseUnavailable as error:
                get_logger().warning("maintenance must wait for the database", **where(error))
            await asyncio.sleep(self._settings.maintenance_seconds)

    async def drain(self) -> None:
        """Ends the streams, sends what still waits, and writes down what was used."""
        await self._wakes.drain()
        try:
            async with asyncio.timeout(FLUSH_SECONDS):
                await self.waker.fire_all()
        except TimeoutError:
            get_logger().warning("some wake-ups could not be sent before the end")
        except DatabaseUnavailable as error:
            get_logger().warning("the last wake-ups could not be sent", **where(error))
        try:
            await self.write_uses()
        except DatabaseUnavailable as error:
            get_logger().warning("could not write down which targets were used", **where(error))


def _transports(settings: NotifySettings, clock: Clock) -> list[Transport]:
    broker = settings.broker()
    if broker is None:
        return []
    return [MqttTransport(broker, clock, wait_seconds=settings.wake_wait_seconds, most_waiting=settings.wake_queue)]


async def serve(settings: NotifySettings) -> int:
    """Runs notify until it is told to stop; returns the exit status."""
    configure(NAME, settings.log_level)
    async with service_database(settings, PACKAGE) as pool:
        notify = Notify(pool, settings, SystemClock())
        async with Service(NAME, settings) as service:
            notify.add_to(service)
            service.add_task(notify.maintain_for_ever())
            return await service.serve()


def main() -> NoReturn:
    """The command line."""
    run_service(NAME, NotifySettings, serve)
