"""Puts blobstore together and runs it."""

import asyncio
from typing import NoReturn

import asyncpg
import grpc
from handshaker_common import metrics
from handshaker_common.clock import Clock, SystemClock
from handshaker_common.command import run_service
from handshaker_common.errors import DatabaseUnavailable
from handshaker_common.ids import RecvId
from handshaker_common.log import configure, get_logger, where
from handshaker_common.postgres import service_database
from handshaker_common.server import Service
from handshaker_common.uses import Uses
from handshaker_proto.blobstore.v1 import frames_pb2_grpc, mailboxes_pb2_grpc

from handshaker_blobstore.domain.frames import Day, partition_days, today
from handshaker_blobstore.rpc.frames import FramesServicer
from handshaker_blobstore.rpc.mailboxes import MailboxesServicer
from handshaker_blobstore.settings import BlobstoreSettings
from handshaker_blobstore.store.database import QUEUE_PLANS
from handshaker_blobstore.store.frames import FrameStore
from handshaker_blobstore.store.mailboxes import MailboxStore
from handshaker_blobstore.store.partitions import PartitionStore

NAME = "blobstore"
PACKAGE = "handshaker_blobstore"
RETRY_SECONDS = 5.0


class Blobstore:
    """All of blobstore over one pool."""

    def __init__(self, pool: asyncpg.Pool, settings: BlobstoreSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._partitions = PartitionStore(pool)
        self._mailbox_store = MailboxStore(pool)
        self._uses: Uses[RecvId] = Uses()
        self._uses_day = today(clock.now())
        self._mailboxes = MailboxesServicer(self._mailbox_store, clock)
        self.frames = FramesServicer(
            FrameStore(pool, quota=settings.mailbox_quota),
            self._mailbox_store,
            self._uses,
            clock,
            no_retention=settings.no_retention,
        )

    def add_to(self, server: grpc.aio.Server) -> None:
        """Adds blobstore's methods to a server."""
        mailboxes_pb2_grpc.add_MailboxesServiceServicer_to_server(self._mailboxes, server)
        frames_pb2_grpc.add_FramesServiceServicer_to_server(self.frames, server)

    async def is_up(self) -> bool:
        """Whether the database answers and has a partition for every frame that may come now."""
        try:
            days = await self._partitions.days()
        except DatabaseUnavailable:
            return False
        return days.issuperset(partition_days(self._clock.now())[:-1])

    async def maintain(self) -> None:
        """Makes and drops partitions, writes down which mailboxes were used, deletes those that were not.

        Raises:
            DatabaseUnavailable: part of it may be done; the rest is done the next time.
        """
        needed = partition_days(self._clock.now())
        dropped = await self._partitions.arrange(needed)
        if dropped:
            get_logger().info("dropped the frames of past days", count=len(dropped))
        metrics.FRAME_PARTITIONS.set(len(await self._partitions.days()))
        day = today(self._clock.now())
        if day != self._uses_day or self._uses.full:
            await self.write_uses()
        oldest = Day(day - self._settings.mailbox_unused_days)
        while deleted := await self._mailbox_store.delete_unused(oldest):
            metrics.EXPIRED_ROWS.labels("mailboxes").inc(deleted)

    async def write_uses(self) -> None:
        """Writes down which mailboxes were used. Once a day and at the end: see `Uses`."""
        day = today(self._clock.now())
        await self._uses.write_down(lambda used: self._mailbox_store.touch(used, day))
        self._uses_day = day

    async def maintain_for_ever(self) -> None:
        """Calls `maintain` now and then; a database that is away is tried again soon."""
        while True:
            pause = self._settings.maintenance_seconds
            try:
                await self.maintain()
            except DatabaseUnavailable as error:
                get_logger().warning("maintenance must wait for the database", **where(error))
                pause = min(pause, RETRY_SECONDS)
            await asyncio.sleep(pause)

    async def drain(self) -> None:
        """Ends the streams after their last answers, then writes down what was used."""
        await self.frames.drain()
        try:
            await self.write_uses()
        except DatabaseUnavailable as error:
            get_logger().warning("could not write down which mailboxes were used", **where(error))


async def serve(settings: BlobstoreSettings) -> int:
    """Runs blobstore until it is told to stop; returns the exit status."""
    configure(NAME, settings.log_level)
    async with service_database(settings, PACKAGE, session=QUEUE_PLANS) as pool:
        blobstore = Blobstore(pool, settings, SystemClock())
        async with Service(NAME, settings) as service:
            blobstore.add_to(service.server)
            service.ready_when(blobstore.is_up)
            service.on_drain(blobstore.drain)
            service.add_task(blobstore.maintain_for_ever())
            service.add_task(blobstore.frames.run())
            return await service.serve()


def main() -> NoReturn:
    """The command line."""
    run_service(NAME, BlobstoreSettings, serve)
