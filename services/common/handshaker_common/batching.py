"""Natural batching: while one write is in flight new items collect, and the next write takes them all.

No delay is added when little happens, and the cost of a call is shared when much does.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import grpc

from handshaker_common.errors import Unavailable
from handshaker_common.log import get_logger, where
from handshaker_common.metrics import BATCH_ITEMS
from handshaker_common.reasons import Reason

T = TypeVar("T")
Item = TypeVar("Item")
Result = TypeVar("Result")
Req = TypeVar("Req")
Res = TypeVar("Res")

FIRST_BACKOFF_SECONDS = 0.05
LONGEST_BACKOFF_SECONDS = 2.0


class Overloaded(Unavailable):
    """More items wait than a batcher holds."""

    def __init__(self) -> None:
        super().__init__(Reason.OVERLOADED, "The server has too much to do; try again.", retry_after=1)


class Batcher(Generic[T]):
    """Collects items and hands them to `send` in lists of at most `max_items`, one list at a time."""

    def __init__(
        self,
        send: Callable[[list[T]], Awaitable[None]],
        *,
        max_items: int = 512,
        max_waiting: int = 100_000,
        name: str = "",
    ) -> None:
        self._send = send
        self._max_items = max_items
        self._max_waiting = max_waiting
        self._items: list[T] = []
        self._filled = asyncio.Event()
        self._observe = BATCH_ITEMS.labels(name).observe if name else None

    def add(self, item: T) -> None:
        """Queues an item.

        Raises:
            Overloaded: too many wait already; the item was not taken.
        """
        items = self._items
        if len(items) >= self._max_waiting:
            raise Overloaded
        items.append(item)
        if len(items) == 1:
            self._filled.set()

    @property
    def waiting(self) -> int:
        """How many items have not been handed over yet."""
        return len(self._items)

    async def next_batch(self) -> list[T]:
        """Waits for items and takes up to `max_items` of them."""
        while not self._items:
            self._filled.clear()
            await self._filled.wait()
        if len(self._items) <= self._max_items:
            batch, self._items = self._items, []
        else:
            batch, self._items = self._items[: self._max_items], self._items[self._max_items :]
        if self._observe is not None:
            self._observe(len(batch))
        return batch

    def take_all(self) -> list[T]:
        """Takes everything that waits, for a sender that has given up."""
        items, self._items = self._items, []
        return items

    async def run(self) -> None:
        """Sends batches for ever. What `send` raises ends it."""
        while True:
            await self._send(await self.next_batch())


class BatchStream(Generic[Item, Result, Req, Res]):
    """The client's end of a stream of packed batches, each answered under its batch id in the order of its items.

    `open_call` opens the stream; `build(batch_id, items)` makes a request; `split(response)` gives the batch id and
    the results, or None for them when the server could not answer the batch. A broken stream answers everything that
    waits with None and is opened again, with backoff.
    """

    def __init__(
        self,
        open_call: Callable[[], Any],
        build: Callable[[int, list[Item]], Req],
        split: Callable[[Res], tuple[int, list[Result] | None]],
        *,
        max_items: int = 512,
        name: str = "",
    ) -> None:
        self._open_call = open_call
        self._build = build
        self._split = split
        self._batcher: Batcher[tuple[Item, Callable[[Result | None], None]]] = Batcher(
            self._write, max_items=max_items, name=name
        )
        self._call: Any = None
        self._pending: dict[int, list[Callable[[Result | None], None]]] = {}
        self._next_id = 1

    def submit(self, item: Item, done: Callable[[Result | None], None]) -> None:
        """Queues an item; `done` is called once, with its result or with None when the server could not answer.

        Raises:
            Overloaded: too many wait already; `done` will not be called.
        """
        self._batcher.add((item, done))

    async def ask(self, item: Item) -> Result:
        """Queues an item and waits for its result.

        Raises:
            Unavailable: the server could not answer.
        """
        future: asyncio.Future[Result | None] = asyncio.get_running_loop().create_future()

        def done(result: Result | None) -> None:
            if not future.done():
                future.set_result(result)

        self.submit(item, done)
        result = await future
        if result is None:
            raise Unavailable(Reason.UNAVAILABLE, "The server cannot answer now; try again.", retry_after=1)
        return result

    async def _write(self, batch: list[tuple[Item, Callable[[Result | None], None]]]) -> None:
        batch_id, self._next_id = self._next_id, self._next_id + 1
        self._pending[batch_id] = [done for _, done in batch]
        await self._call.write(self._build(batch_id, [item for item, _ in batch]))

    async def _read(self, call: Any) -> None:
        async for response in call:
            batch_id, results = self._split(response)
            waiting = self._pending.pop(batch_id, [])
            if results is None or len(results) != len(waiting):
                for done in waiting:
                    done(None)
            else:
                for done, result in zip(waiting, results, strict=True):
                    done(result)

    async def run(self) -> None:
        """Keeps the stream open, for ever."""
        backoff = FIRST_BACKOFF_SECONDS
        while True:
            answered = await self._run_once()
            self._fail_all()
            backoff = FIRST_BACKOFF_SECONDS if answered else min(backoff * 2, LONGEST_BACKOFF_SECONDS)
            await asyncio.sleep(backoff * random.uniform(0.5, 1))  # noqa: S311 - spreads reconnects, guards nothing
            if not answered:
                self._fail_all()

    async def _run_once(self) -> bool:
        """Opens the stream and uses it until it breaks; whether it ever had work to do and was answered."""
        call = self._call = self._open_call()
        before = self._next_id
        tasks = [asyncio.ensure_future(self._batcher.run()), asyncio.ensure_future(self._read(call))]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                error = task.exception()
                if error is not None and not isinstance(error, grpc.RpcError | asyncio.InvalidStateError):
                    get_logger().error("a batch stream failed", **where(error))
        finally:
            for task in tasks:
                task.cancel()
            call.cancel()
            self._call = None
            # Raises only if we are cancelled ourselves meanwhile, which must not be swallowed: `run` would go on.
            await asyncio.gather(*tasks, return_exceptions=True)
        return self._next_id > before + 1

    def _fail_all(self) -> None:
        """Answers all that was sent and all that waits with None: callers decide what to do."""
        pending, self._pending = self._pending, {}
        for waiting in pending.values():
            for done in waiting:
                done(None)
        for _, done in self._batcher.take_all():
            done(None)
