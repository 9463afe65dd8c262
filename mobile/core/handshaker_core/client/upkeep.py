"""What has to be done now and then: finish the setup, refill and replace prekeys, look after mailboxes, forget old things.

Nothing here may end the connection: what fails is told and tried again.
"""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from handshaker_core.client import introducing, outbox, prekeys, purse, setup
from handshaker_core.client.core import Core, wait_any
from handshaker_core.client.errors import LoggedOut
from handshaker_core.client.events import Trouble
from handshaker_core.client.tokens import Session
from handshaker_core.client.unit import Signal, Unit
from handshaker_core.net.backoff import Backoff
from handshaker_core.net.errors import NetworkError
from handshaker_core.store import seen, sessions

EVERY_SECONDS = 3_600.0
SEEN_SECONDS = 30 * 86_400.0
"""Longer than servers keep a frame (14 days), so that no repetition is taken for new."""
SUPERSEDED_SECONDS = 30 * 86_400.0


class Upkeep:
    """The background work of a connected client."""

    def __init__(self, core: Core, session: Session) -> None:
        self._core = core
        self._session = session

    def parts(self) -> list[Coroutine[Any, Any, None]]:
        """What has to run at the same time, until cancelled."""
        return [
            self._repeat("setup", self._regular, Signal.PREKEYS),
            self._repeat("mailboxes", self._mailboxes, Signal.MAILBOXES),
            self._repeat("devices", self._devices, Signal.DEVICES),
        ]

    async def _repeat(self, name: str, work: Callable[[], Awaitable[None]], wake: Signal) -> None:
        backoff = Backoff(first=2.0, longest=300.0)
        signal = self._core.signals[wake]
        while True:
            signal.clear()
            wait = EVERY_SECONDS
            try:
                await work()
                backoff.succeeded()
            except LoggedOut:
                pass  # the owner's wish; frames go on without the account plane
            except NetworkError as error:
                wait = backoff.failed()
                self._core.hub.publish([Trouble(name, error.reason, str(error))])
            await wait_any(signal, wait)

    async def _regular(self) -> None:
        await setup.set_up(self._core, self._session)
        await self._core.run(_forget_old)
        await prekeys.refill(self._core, self._session)
        await purse.refill(self._core, self._session)

    async def _devices(self) -> None:
        await introducing.introduce_all(self._core)

    async def _mailboxes(self) -> None:
        await setup.create_missing_mailboxes(self._core)
        await setup.delete_closed_mailboxes(self._core)


def _forget_old(u: Unit) -> None:
    outbox.give_up_old(u)
    seen.forget(u.c, u.now - SEEN_SECONDS)
    sessions.forget_superseded(u.c, u.now - SUPERSEDED_SECONDS)
