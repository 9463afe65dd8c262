"""Stored frames, for signaling: four streams of packed batches over four mergers."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from typing import Any

from handshaker_common import metrics
from handshaker_common.clock import Clock
from handshaker_common.ids import RecvId, SendId
from handshaker_common.uses import Uses
from handshaker_proto.blobstore.v1 import frames_pb2 as pb
from handshaker_proto.blobstore.v1 import frames_pb2_grpc

from handshaker_blobstore.domain.frames import (
    MOST_FRAMES_PER_ANSWER,
    MOST_ITEMS,
    FrameId,
    Outcome,
    Page,
    Put,
    Read,
    Removal,
    check_count,
    check_cursor,
    check_day,
    check_ids,
    check_put,
    page_limits,
    this_hour,
)
from handshaker_blobstore.domain.mailboxes import Resolved
from handshaker_blobstore.rpc.merging import Merger
from handshaker_blobstore.rpc.streams import Streams
from handshaker_blobstore.store.frames import FrameStore
from handshaker_blobstore.store.mailboxes import MailboxStore

Context = Any
OUTCOMES = {
    Outcome.STORED: pb.PutFramesResponse.OUTCOME_STORED,
    Outcome.QUOTA: pb.PutFramesResponse.OUTCOME_QUOTA,
    Outcome.REFUSED: pb.PutFramesResponse.OUTCOME_REFUSED,
    Outcome.NO_RETENTION: pb.PutFramesResponse.OUTCOME_NO_RETENTION,
}


def count(outcomes: Iterable[str]) -> None:
    """Counts frames by what became of them."""
    for outcome, frames in Counter(outcomes).items():
        metrics.FRAMES.labels(outcome).inc(frames)


class FramesServicer(frames_pb2_grpc.FramesServiceServicer):
    """The internal methods. `run` must be running; `drain` ends the streams."""

    def __init__(
        self, frames: FrameStore, mailboxes: MailboxStore, uses: Uses[RecvId], clock: Clock, *, no_retention: bool
    ) -> None:
        self._frames = frames
        self._mailboxes = mailboxes
        self._uses = uses
        self._clock = clock
        self._no_retention = no_retention
        self._streams = Streams()
        self._puts: Merger[Put, Outcome] = Merger("put", self._store, most=MOST_ITEMS)
        self._reads: Merger[Read, Page] = Merger(
            "read", self._fetch, most=2 * MOST_FRAMES_PER_ANSWER, weight=lambda read: read.limit
        )
        self._removals: Merger[Removal, None] = Merger("remove", self._delete, most=2 * MOST_ITEMS)
        self._resolutions: Merger[SendId, Resolved | None] = Merger(
            "resolve", self._mailboxes.resolve, most=2 * MOST_ITEMS
        )

    async def run(self) -> None:
        """Works for ever. Reading has two connections, so that a long page holds nobody up."""
        await asyncio.gather(
            self._puts.run(), self._reads.run(), self._reads.run(), self._removals.run(), self._resolutions.run()
        )

    async def drain(self) -> None:
        """Answers what has been read and ends the streams."""
        await self._streams.drain()

    async def PutFrames(
        self, request_iterator: AsyncIterator[pb.PutFramesRequest], context: Context
    ) -> AsyncIterator[pb.PutFramesResponse]:
        """Stores frames."""
        async for response in self._streams.answer(request_iterator, self._put):
            yield response

    async def ReadFrames(
        self, request_iterator: AsyncIterator[pb.ReadFramesRequest], context: Context
    ) -> AsyncIterator[pb.ReadFramesResponse]:
        """Reads pages of stored frames."""
        async for response in self._streams.answer(request_iterator, self._read):
            yield response

    async def RemoveFrames(
        self, request_iterator: AsyncIterator[pb.RemoveFramesRequest], context: Context
    ) -> AsyncIterator[pb.RemoveFramesResponse]:
        """Deletes frames."""
        async for response in self._streams.answer(request_iterator, self._remove):
            yield response

    async def ResolveMailboxes(
        self, request_iterator: AsyncIterator[pb.ResolveMailboxesRequest], context: Context
    ) -> AsyncIterator[pb.ResolveMailboxesResponse]:
        """Finds mailboxes."""
        async for response in self._streams.answer(request_iterator, self._resolve):
            yield response

    async def _put(self, request: pb.PutFramesRequest) -> pb.PutFramesResponse:
        check_count(len(request.puts))
        puts = [
            check_put(Put(RecvId(put.recv_id), FrameId(put.frame_id), put.frame, put.ttl_hours)) for put in request.puts
        ]
        outcomes = [Outcome.NO_RETENTION] * len(puts) if self._no_retention else await self._puts.ask(puts)
        if outcomes is None:
            count(["unavailable"] * len(puts))
            return pb.PutFramesResponse(batch_id=request.batch_id, unavailable=True)
        count(outcome.value for outcome in outcomes)
        return pb.PutFramesResponse(batch_id=request.batch_id, outcomes=[OUTCOMES[outcome] for outcome in outcomes])

    async def _store(self, puts: list[Put]) -> list[Outcome]:
        outcomes = await self._frames.put(puts, self._clock.now())
        for put, outcome in zip(puts, outcomes, strict=True):
            if outcome is Outcome.STORED:
                self._uses.add(put.recv_id)
        return outcomes

    async def _read(self, request: pb.ReadFramesRequest) -> pb.ReadFramesResponse:
        check_count(len(request.reads))
        check_ids(*(RecvId(read.recv_id) for read in request.reads))
        limits = page_limits([read.limit for read in request.reads])
        reads = [
            Read(RecvId(read.recv_id), check_cursor(read.after), limit)
            for read, limit in zip(request.reads, limits, strict=True)
        ]
        pages = await self._reads.ask(reads)
        if pages is None:
            return pb.ReadFramesResponse(batch_id=request.batch_id, unavailable=True)
        metrics.FRAMES.labels("read").inc(sum(len(page.frames) for page in pages))
        return pb.ReadFramesResponse(batch_id=request.batch_id, pages=[_page(page) for page in pages])

    async def _fetch(self, reads: list[Read]) -> list[Page]:
        pages = await self._frames.read(reads, this_hour(self._clock.now()))
        for read, page in zip(reads, pages, strict=True):
            if not page.unknown:
                self._uses.add(read.recv_id)
        return pages

    async def _remove(self, request: pb.RemoveFramesRequest) -> pb.RemoveFramesResponse:
        check_count(len(request.removals))
        removals = [
            Removal(RecvId(each.recv_id), FrameId(each.frame_id), check_day(each.partition_day))
            for each in request.removals
        ]
        check_ids(*(removal.recv_id for removal in removals), *(removal.frame_id for removal in removals))
        done = await self._removals.ask(removals)
        return pb.RemoveFramesResponse(batch_id=request.batch_id, unavailable=done is None)

    async def _delete(self, removals: list[Removal]) -> list[None]:
        removed = await self._frames.remove(removals)
        metrics.FRAMES.labels("removed").inc(removed)
        return [None] * len(removals)

    async def _resolve(self, request: pb.ResolveMailboxesRequest) -> pb.ResolveMailboxesResponse:
        check_count(len(request.send_ids))
        send_ids = [SendId(send_id) for send_id in request.send_ids]
        check_ids(*send_ids)
        found = await self._resolutions.ask(send_ids)
        if found is None:
            return pb.ResolveMailboxesResponse(batch_id=request.batch_id, unavailable=True)
        return pb.ResolveMailboxesResponse(batch_id=request.batch_id, mailboxes=[_mailbox(each) for each in found])


def _page(page: Page) -> pb.ReadFramesResponse.Page:
    frames = [
        pb.ReadFramesResponse.StoredFrame(sequence=sequence, frame_id=frame_id, frame=frame, partition_day=day)
        for sequence, frame_id, frame, day in page.frames
    ]
    return pb.ReadFramesResponse.Page(frames=frames, more=page.more, unknown=page.unknown)


def _mailbox(found: Resolved | None) -> pb.ResolveMailboxesResponse.Mailbox:
    if found is None:
        return pb.ResolveMailboxesResponse.Mailbox()
    return pb.ResolveMailboxesResponse.Mailbox(
        recv_id=found.recv_id, send_secret_hash=found.send_secret_hash, wake_id=found.wake_id or b""
    )
