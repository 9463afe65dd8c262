"""Slow calls that say how far they are."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, Generic, Self, TypeVar

from handshaker_core.client import StepProgress

from handshaker_cli.operations.results import Progress

T = TypeVar("T")

_STEPS: Final = {
    "registration": "Proof of work for the account",
    "devices": "Telling your contacts",
    "mailbox": "Proof of work for the mailbox",
    "lookup": "Proof of work for the lookup",
    "bundle": "Proof of work for first contact",
    "certificate": "Proof of work for the certificate",
    "encrypt": "Encrypting",
    "decrypt": "Decrypting",
    "history": "Exporting",
    "prekeys": "Publishing keys",
    "backup": "Writing the backup",
    "restore": "Reading the backup",
    "decoy": "Making the decoy",
    "username": "Taking the username",
}


class Told(Generic[T]):
    """A call that is told where to report to: enter it, iterate over it for the progress, then take the `result`.

    Only the newest progress is kept: a slow reader misses some, and the call never waits for a reader. Leaving early
    cancels the call.
    """

    def __init__(self, call: Callable[[StepProgress], Coroutine[Any, Any, T]]) -> None:
        self._call = call
        self._newest: Progress | None = None
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._call(self._report))
        self._task.add_done_callback(lambda _: self._changed.set())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Progress:
        while not self._task.done():
            await self._changed.wait()
            self._changed.clear()
            newest, self._newest = self._newest, None
            if newest is not None:
                return newest
        raise StopAsyncIteration

    def result(self) -> T:
        """What the call returned. Raises: whatever the call raised."""
        return self._task.result()

    def _report(self, step: str, share: float) -> None:
        self._newest = Progress(_STEPS.get(step, "Working"), share)
        self._changed.set()
