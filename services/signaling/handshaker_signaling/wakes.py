"""Has notify wake devices for which something was stored. A lost wake-up delays a message, it loses none."""

import asyncio
import random

import grpc
from handshaker_common.batching import Batcher
from handshaker_common.ids import WakeId
from handshaker_proto.notify.v1 import notify_pb2, notify_pb2_grpc

MOST_WAITING = 10_000
FIRST_BACKOFF_SECONDS = 0.1
LONGEST_BACKOFF_SECONDS = 5.0


class WakeClient:
    """Keeps one stream to notify open; while there is none, the most recent wake-ups wait."""

    def __init__(self, channel: grpc.aio.Channel | None) -> None:
        self._stub = None if channel is None else notify_pb2_grpc.WakeServiceStub(channel)
        self._batcher: Batcher[WakeId] = Batcher(self._write, max_waiting=2**62, name="wakes")
        self._call: grpc.aio.StreamUnaryCall[notify_pb2.WakeRequest, notify_pb2.WakeResponse] | None = None

    def wake(self, wake_ids: list[WakeId]) -> None:
        """Queues wake-ups, each device once."""
        if self._stub is None:
            return
        if self._batcher.waiting + len(wake_ids) > MOST_WAITING:
            self._batcher.take_all()
        for wake_id in dict.fromkeys(wake_ids):
            self._batcher.add(wake_id)

    async def _write(self, wake_ids: list[WakeId]) -> None:
        assert self._call is not None  # noqa: S101 - the batcher runs only while there is a stream
        await self._call.write(notify_pb2.WakeRequest(wake_ids=list(dict.fromkeys(wake_ids))))

    async def run(self) -> None:
        """Keeps the stream open, for ever."""
        if self._stub is None:
            return
        loop = asyncio.get_running_loop()
        backoff = FIRST_BACKOFF_SECONDS
        while True:
            started = loop.time()
            await self._run_once(self._stub.Wake())
            stood = loop.time() - started > LONGEST_BACKOFF_SECONDS
            backoff = FIRST_BACKOFF_SECONDS if stood else min(2 * backoff, LONGEST_BACKOFF_SECONDS)
            await asyncio.sleep(backoff * random.uniform(0.5, 1))  # noqa: S311 - spreads reconnects, guards nothing

    async def _run_once(
        self, call: "grpc.aio.StreamUnaryCall[notify_pb2.WakeRequest, notify_pb2.WakeResponse]"
    ) -> None:
        """Writes to one stream until it ends; notify answers only then."""
        self._call = call
        tasks = [asyncio.ensure_future(self._batcher.run()), asyncio.ensure_future(call.code())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            call.cancel()
            self._call = None
