"""Sessions as people handle them: how it stands, begin a live one, end everything."""

from collections.abc import Callable
from functools import partial

from handshaker_core.client import conversations, ending, introducing, live
from handshaker_core.client.core import Core, wait_any
from handshaker_core.client.errors import NoSession
from handshaker_core.client.unit import Signal, Unit
from handshaker_core.model import ContactId, SessionStatus
from handshaker_core.net.errors import NetworkError
from handshaker_core.protocol.live import LiveKeys
from handshaker_core.store import sessions as stored


class Sessions:
    """The sessions of one open client."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def status(self, contact: int | str) -> SessionStatus:
        """How it stands with a contact. Raises: NoSuchContact, AmbiguousContact."""
        return await self._core.run(lambda u: _status(u, conversations.resolve(u, contact).id))

    async def start(self, contact: int | str) -> SessionStatus:
        """Offer a live session, or accept the one that the contact offers; `LiveSessionChanged` tells what comes of it.

        Its key is in this client's memory alone: closing the client ends it.

        Raises:
            NotConnected, LiveSessionOpen, NoSuchContact, AmbiguousContact.
            NoSession, NetworkError: the session was ended, and a new one cannot be had now.
        """
        await self.ensure(contact)
        return await self._about(contact, live.start)

    async def end(self, contact: int | str, *, only_live: bool = False) -> SessionStatus:
        """Delete all keys that are shared with a contact, the live session's too, and have the contact do the same.

        Both conversations say so. The next message starts a new session by itself. What the contact has sent and what has
        not arrived here yet can never be read.

        Args:
            contact: with whom.
            only_live: end the live session, and leave the rest as it is.

        Raises:
            NotConnected, NoSession, NoSuchContact, AmbiguousContact.
            NoLiveSession: with `only_live`.
        """
        if only_live:
            return await self._about(contact, live.end)
        status = await self._about(contact, ending.end)
        await self._core.store.fold_log()  # what was deleted leaves the write-ahead log as well
        return status

    async def keys(self, contact: int | str) -> LiveKeys | None:
        """The live session's keys, for the channel between the two devices; None while there is none."""
        return await self._core.run(lambda u: live.keys(u, conversations.resolve(u, contact).id))

    async def ensure(self, contact: int | str) -> None:
        """Start new sessions with those of a contact's devices with which the last one was ended.

        Raises:
            NoSession: none can be had: the contact's devices do not publish keys (any more).
            NetworkError: none can be had now. As long as one device can be written to, the others wait for their turn.
            NoSuchContact, AmbiguousContact.
        """
        who, missing, others = await self._core.run(partial(_needs, reference=contact))
        if not missing:
            return
        try:
            await introducing.introduce(self._core, who)
        except NetworkError:
            if not others:
                raise
        if not await self._core.run(lambda u: stored.current(u.c, who)):
            raise NoSession("A new session cannot be started: the contact's devices have no keys on the server.")

    async def hang_up(self) -> None:
        """End all live sessions; the word goes out now or with the next connection."""
        if self._core.live.contacts():
            await self._core.run(live.end_all)

    async def _about(self, contact: int | str, work: Callable[[Unit, ContactId], object]) -> SessionStatus:
        def change(u: Unit) -> SessionStatus:
            who = conversations.resolve(u, contact).id
            work(u, who)
            return _status(u, who)

        return await self._core.run(change)


def _status(u: Unit, contact: ContactId) -> SessionStatus:
    current = stored.current(u.c, contact)
    epochs = [session.pq.epoch for session in current]
    return SessionStatus(contact, len(current), max(epochs, default=None), live.status(u, contact))


def _needs(u: Unit, reference: int | str) -> tuple[ContactId, bool, bool]:
    """A contact, whether sessions have to be started, and whether there are others.

    With a contact who needs attention nothing is started: nothing is sent to them either.
    """
    who = conversations.resolve(u, reference)
    missing = who.attention is None and bool(ending.without_session(u, who.id))
    return who.id, missing, bool(stored.current(u.c, who.id))


async def keep_forgetting(core: Core) -> None:
    """End live sessions when their time is over, until cancelled; keys that were deleted leave the log on disk as well."""
    await core.run(live.forget_frames)
    signal = core.signals[Signal.SESSIONS]
    while True:
        signal.clear()
        wait = await core.run(live.expire_all)
        await wait_any(signal, wait)
        await core.store.fold_log()
