"""Natural group commit: while one statement runs, the batches of all streams collect; the next one takes them all."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Generic, TypeVar

from handshaker_common import metrics
from handshaker_common.batching import Batcher, Overloaded
from handshaker_common.errors import DatabaseUnavailable

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_BATCHES_WAITING = 1_000
# The items of one stream's request, and where their results go.
Batch = tuple[list[Item], asyncio.Future[list[Result] | None]]


class Merger(Generic[Item, Result]):
    """Carries out batches of items together and hands each batch its own results.

    `carry_out` takes the items of one statement and returns as many results, or raises DatabaseUnavailable. A statement
    carries at most `most` by `weight` (but always a whole batch), so that neither memory nor the time that it holds
    locks grows with the load.
    """

    def __init__(
        self,
        name: str,
        carry_out: Callable[[list[Item]], Awaitable[list[Result]]],
        *,
        most: int,
        weight: Callable[[Item], int] | None = None,
    ) -> None:
        self._carry_out = carry_out
        self._most = most
        self._weight = weight
        self._batcher: Batcher[Batch[Item, Result]] = Batcher(
            self._send, max_items=MOST_BATCHES_WAITING, max_waiting=MOST_BATCHES_WAITING
        )
        self._items = metrics.BATCH_ITEMS.labels(f"store_{name}")
        self._seconds = metrics.STORE_SECONDS.labels(name)

    async def ask(self, items: list[Item]) -> list[Result] | None:
        """The results of a batch in the order of its items; None when the store did not answer or too much waits."""
        answer: asyncio.Future[list[Result] | None] = asyncio.get_running_loop().create_future()
        try:
            self._batcher.add((items, answer))
        except Overloaded:
            return None
        return await answer

    async def run(self) -> None:
        """Works for ever."""
        await self._batcher.run()

    async def _send(self, batches: list[Batch[Item, Result]]) -> None:
        for group in self._groups(batches):
            items = [item for batch, _ in group for item in batch]
            results: list[Result] | None = None
            started = time.monotonic()
            try:
                results = await self._carry_out(items)
            except DatabaseUnavailable:
                pass
            finally:  # whatever happens, nobody is left waiting
                self._items.observe(len(items))
                self._seconds.observe(time.monotonic() - started)
                self._answer(group, results)

    def _groups(self, batches: list[Batch[Item, Result]]) -> Iterator[list[Batch[Item, Result]]]:
        group: list[Batch[Item, Result]] = []
        weight = 0
        for batch in batches:
            items = batch[0]
            added = len(items) if self._weight is None else sum(map(self._weight, items))
            if group and weight + added > self._most:
                yield group
                group, weight = [], 0
            group.append(batch)
            weight += added
        yield group

    @staticmethod
    def _answer(group: list[Batch[Item, Result]], results: list[Result] | None) -> None:
        start = 0
        for items, answer in group:
            end = start + len(items)
            if not answer.done():  # its stream may have ended meanwhile
                answer.set_result(None if results is None else results[start:end])
            start = end
