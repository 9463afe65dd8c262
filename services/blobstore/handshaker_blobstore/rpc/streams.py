"""The server's end of a stream of packed batches: requests are read while earlier ones are being answered."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from handshaker_common.errors import InvalidArgument
from handshaker_common.reasons import Reason

from handshaker_blobstore.errors import Malformed

Req = TypeVar("Req")
Res = TypeVar("Res")

# Beyond these a stream is not read on, and its sender is slowed down by the transport.
MOST_IN_FLIGHT = 16


class Streams:
    """All open streams of a servicer."""

    def __init__(self) -> None:
        self._readers: set[asyncio.Task[None]] = set()
        self._draining = False

    async def drain(self) -> None:
        """Ends every stream after the answers to what has been read from it; new ones end at once."""
        self._draining = True
        readers = list(self._readers)
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)

    async def answer(self, requests: AsyncIterator[Req], answer: Callable[[Req], Awaitable[Res]]) -> AsyncIterator[Res]:
        """Yields the answers as they come, each of which names its batch.

        Raises:
            InvalidArgument: a request is malformed. Nothing of it was done; batches in flight go unanswered.
        """
        if self._draining:
            return
        answers: asyncio.Queue[asyncio.Future[Res] | None] = asyncio.Queue()
        slots = asyncio.Semaphore(MOST_IN_FLIGHT)
        reader = asyncio.ensure_future(_read(requests, answer, answers, slots))
        self._readers.add(reader)
        try:
            while (done := await answers.get()) is not None:
                slots.release()
                yield done.result()
        except Malformed as error:
            raise InvalidArgument(Reason.MALFORMED, str(error)) from None
        finally:
            self._readers.discard(reader)
            reader.cancel()


async def _read(
    requests: AsyncIterator[Req],
    answer: Callable[[Req], Awaitable[Res]],
    answers: "asyncio.Queue[asyncio.Future[Res] | None]",
    slots: asyncio.Semaphore,
) -> None:
    """Starts the answer to every request and queues it when it is there; queues None after the last."""
    pending: set[asyncio.Future[Res]] = set()

    def finished(done: asyncio.Future[Res]) -> None:
        pending.discard(done)
        answers.put_nowait(done)

    try:
        async for request in requests:
            await slots.acquire()
            task = asyncio.ensure_future(answer(request))
            pending.add(task)
            task.add_done_callback(finished)
    finally:
        if pending:
            await asyncio.wait(pending)
        answers.put_nowait(None)
