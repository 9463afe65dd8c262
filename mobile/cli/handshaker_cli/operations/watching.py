"""What people should know about the connection, whatever they are doing, as notices."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import closing
from typing import Final

from handshaker_core.client import (
    Client,
    ConnectionChanged,
    ConnectionState,
    Event,
    IdentityChanged,
    Listener,
    LiveSession,
    LiveSessionChanged,
    Trouble,
    Unreachable,
)
from handshaker_core.protocol.live import Phase

from handshaker_cli.operations.results import Notice

FLUSH_SECONDS: Final = 5.0
"""How long a command waits for the server to take what it has to say."""

LOOK_SECONDS: Final = 5.0
"""How long a command that shows something waits for what is new on the server."""

_NOT_LOOKED: Final = Notice("offline", "The server cannot be reached now: this is what was here before.")
_QUEUED: Final = Notice(
    "queued",
    "The server has not taken it yet. It is kept on this machine and goes out with the next send or receive, or by the "
    "daemon.",
)


async def flushed(client: Client) -> AsyncGenerator[Notice, None]:
    """Wait a little until what has to be sent is sent; yields a notice where it has to wait longer."""
    try:
        async with asyncio.timeout(FLUSH_SECONDS):
            await client.flushed()
    except TimeoutError:
        yield _QUEUED


async def up_to_date(client: Client) -> AsyncGenerator[Notice, None]:
    """Take what waits on the server; yields a notice where it cannot be reached soon."""
    with closing(client.events()) as events:
        drained, failed = asyncio.create_task(client.drained()), asyncio.create_task(_goes_offline(events))
        await asyncio.wait({drained, failed}, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        looked = drained.done()
        drained.cancel()
        failed.cancel()
    if not looked:
        yield _NOT_LOOKED


async def _goes_offline(events: Listener) -> None:
    async for event in events:
        if isinstance(event, ConnectionChanged) and event.state is ConnectionState.OFFLINE:
            return


async def exhaust(notices: AsyncGenerator[Notice, None]) -> None:
    """Wait for what is behind notices that nobody needs to see."""
    async for _ in notices:
        pass


class Watch:
    """Turns events into notices; says that the connection is gone once, not at every attempt."""

    def __init__(self) -> None:
        self._offline = False

    def notice(self, event: Event) -> Notice | None:
        """The notice that an event deserves."""
        match event:
            case ConnectionChanged(state=ConnectionState.OFFLINE, reason=str(reason)) if not self._offline:
                self._offline = True
                why = "There is no connection to the server." if reason == Unreachable.reason else event.sentence
                return Notice("offline", f"{why} It is tried again and again.")
            case ConnectionChanged(state=ConnectionState.ONLINE) if self._offline:
                self._offline = False
                return Notice("online", "Connected again.")
            case IdentityChanged(contact=contact):
                return Notice(
                    "identity_changed",
                    f"The username of {contact.name} leads to somebody with a new identity now: they set up anew, or it "
                    "is somebody else.",
                )
            case LiveSessionChanged(session=LiveSession(phase=Phase.ACCEPTING), contact=contact):
                asks = f"{contact.name} offers a live session. To accept: handshaker session start {contact.id}"
                return Notice("live_session_offered", asks)
            case LiveSessionChanged(session=LiveSession(phase=Phase.LIVE), contact=contact):
                return Notice("live_session_begun", f"A live session with {contact.name} has begun.")
            case LiveSessionChanged(session=LiveSession(phase=Phase.ENDED), contact=contact):
                return Notice(
                    "live_session_ended", f"The live session with {contact.name} is over; its key is deleted."
                )
            case Trouble(sentence=sentence):
                return Notice("trouble", f"In the background: {sentence}")
        return None
