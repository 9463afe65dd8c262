"""Between the relay and blobstore's packed streams."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import grpc
from handshaker_common.batching import Batcher, BatchStream, Overloaded
from handshaker_common.errors import Unavailable
from handshaker_common.ids import RecvId, SendId, WakeId
from handshaker_proto.blobstore.v1 import frames_pb2, frames_pb2_grpc

from handshaker_signaling.domain import Pending, PutOutcome, Read, Relay, Removal
from handshaker_signaling.domain.capabilities import Mailbox

Item = TypeVar("Item")
Result = TypeVar("Result")
Page = frames_pb2.ReadFramesResponse.Page
Resolved = frames_pb2.ResolveMailboxesResponse.Mailbox
# What is in one batch; with the largest frames none comes near the limit of a message (16 MiB).
MOST_PUTS = 256
# A put that was not alone is followed by a pause, so that the next one carries more: a fifth less work under load.
PUT_PAUSE_SECONDS = 0.004
MOST_READS = 32
MOST_REMOVALS = 512
UNBOUNDED = 2**62  # the relay itself bounds what it has in care


class FrameClient:
    """Asks blobstore. Of puts, reads and removals one batch each is on its way; what comes meanwhile is the next.

    That makes batches as large as the store is slow: they cost what they cost however few they carry.
    """

    def __init__(
        self, channel: grpc.aio.Channel, relay: Relay, *, now: Callable[[], float], touch: Callable[[], None]
    ) -> None:
        stub = frames_pb2_grpc.FramesServiceStub(channel)
        self._relay = relay
        self._now = now
        self._touch = touch
        self._working = 0
        self._resolving: BatchStream[
            SendId, Resolved, frames_pb2.ResolveMailboxesRequest, frames_pb2.ResolveMailboxesResponse
        ] = BatchStream(
            stub.ResolveMailboxes,
            lambda batch_id, items: frames_pb2.ResolveMailboxesRequest(batch_id=batch_id, send_ids=items),
            lambda response: (response.batch_id, None if response.unavailable else list(response.mailboxes)),
            name="resolve",
        )
        self._putting: BatchStream[Pending, PutOutcome, frames_pb2.PutFramesRequest, frames_pb2.PutFramesResponse] = (
            BatchStream(
                stub.PutFrames,
                build_puts,
                lambda response: (response.batch_id, None if response.unavailable else list(response.outcomes)),
                max_items=MOST_PUTS,
                name="put",
            )
        )
        self._reading: BatchStream[Read, Page, frames_pb2.ReadFramesRequest, frames_pb2.ReadFramesResponse] = (
            BatchStream(
                stub.ReadFrames,
                build_reads,
                lambda response: (response.batch_id, None if response.unavailable else list(response.pages)),
                max_items=MOST_READS,
                name="read",
            )
        )
        # The answer to removals is one for the whole batch, so a batch is one item here.
        self._removing: BatchStream[
            list[Removal], bool, frames_pb2.RemoveFramesRequest, frames_pb2.RemoveFramesResponse
        ] = BatchStream(
            stub.RemoveFrames,
            build_removals,
            lambda response: (response.batch_id, None if response.unavailable else [True]),
            max_items=1,
        )
        self._puts: Batcher[Pending] = Batcher(self._put, max_items=MOST_PUTS, max_waiting=UNBOUNDED)
        self._reads: Batcher[Read] = Batcher(self._read, max_items=MOST_READS, max_waiting=UNBOUNDED)
        self._removals: Batcher[Removal] = Batcher(self._remove, max_items=MOST_REMOVALS, name="remove")

    async def run(self) -> None:
        """Keeps the streams open and works, for ever."""
        streams = (self._resolving, self._putting, self._reading, self._removing)
        async with asyncio.TaskGroup() as tasks:
            for worker in (*streams, self._puts, self._reads, self._removals):
                tasks.create_task(worker.run())

    @property
    def idle(self) -> bool:
        """Whether everything queued has been answered."""
        return not (self._working or self._puts.waiting or self._reads.waiting or self._removals.waiting)

    def resolve(self, send_ids: list[SendId]) -> None:
        """Queues questions about send ids."""
        for send_id in send_ids:
            try:
                self._resolving.submit(send_id, partial(self._resolved, send_id))
            except Overloaded:
                self._relay.unresolved(send_id)

    def _resolved(self, send_id: SendId, found: Resolved | None) -> None:
        if found is None:
            self._relay.unresolved(send_id)
        else:
            mailbox = Mailbox(RecvId(found.recv_id), found.send_secret_hash, WakeId(found.wake_id))
            self._relay.resolved(self._now(), send_id, mailbox if mailbox.recv_id else None)
        self._touch()

    def put(self, puts: list[Pending]) -> None:
        """Queues frames to store. The relay bounds how many there are."""
        for pending in puts:
            self._puts.add(pending)

    def read(self, reads: list[Read]) -> None:
        """Queues pages to read."""
        for read in reads:
            self._reads.add(read)

    def remove(self, removals: list[Removal]) -> None:
        """Queues frames to delete. Those that find no place stay in the store and are delivered again."""
        for position, removal in enumerate(removals):
            try:
                self._removals.add(removal)
            except Overloaded:
                self._relay.subscriptions.removed(removals[position:])
                return

    async def _put(self, puts: list[Pending]) -> None:
        outcomes = await self._answers(self._putting, puts)
        for pending, outcome in zip(puts, outcomes, strict=True):
            self._relay.sending.put_done(pending, outcome)
        self._touch()
        if len(puts) > 1:
            await asyncio.sleep(PUT_PAUSE_SECONDS)

    async def _read(self, reads: list[Read]) -> None:
        pages = await self._answers(self._reading, reads)
        for read, page in zip(reads, pages, strict=True):
            self._relay.subscriptions.page_read(read.subscription, page)
        self._touch()

    async def _answers(self, stream: "BatchStream[Item, Result, Any, Any]", items: list[Item]) -> list[Result | None]:
        """Asks for all items in one batch; all None where the store could not answer it.

        At most one batch of a stream is on its way, so its answers come in the order of the items.
        """
        answers: list[Result | None] = []
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def done(result: Result | None) -> None:
            answers.append(result)
            if len(answers) == len(items) and not answered.done():
                answered.set_result(None)

        self._working += 1
        try:
            for item in items:
                stream.submit(item, done)
            await answered
        finally:
            self._working -= 1
        return answers

    async def _remove(self, removals: list[Removal]) -> None:
        self._working += 1
        try:
            await self._removing.ask(removals)
        except Unavailable:
            pass  # what stays in the store is delivered and removed again
        finally:
            self._working -= 1
        self._relay.subscriptions.removed(removals)
        self._touch()


def build_puts(batch_id: int, puts: list[Pending]) -> frames_pb2.PutFramesRequest:
    """The batch as it travels."""
    request = frames_pb2.PutFramesRequest(batch_id=batch_id)
    for pending in puts:
        request.puts.add(
            recv_id=pending.recv_id, frame_id=pending.frame_id, frame=pending.frame, ttl_hours=pending.ttl_hours
        )
    return request


def build_reads(batch_id: int, reads: list[Read]) -> frames_pb2.ReadFramesRequest:
    """The batch as it travels."""
    request = frames_pb2.ReadFramesRequest(batch_id=batch_id)
    for subscription, after, limit in reads:
        request.reads.add(recv_id=subscription.recv_id, after=after, limit=limit)
    return request


def build_removals(batch_id: int, batches: list[list[Removal]]) -> frames_pb2.RemoveFramesRequest:
    """The batch as it travels; there is exactly one."""
    request = frames_pb2.RemoveFramesRequest(batch_id=batch_id)
    for recv_id, frame_id, day in batches[0]:
        request.removals.add(recv_id=recv_id, frame_id=frame_id, partition_day=day)
    return request
