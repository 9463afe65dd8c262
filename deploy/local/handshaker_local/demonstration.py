"""Two people who have just registered exchange a message each way, one of them offline at first. Told in plain words."""

import asyncio
import contextlib
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

import asyncpg
from handshaker_core.client.client import Client
from handshaker_core.client.events import Event, Listener, MessageReceived, RequestAnswered, RequestReceived
from handshaker_core.errors import HandshakerError
from handshaker_core.model import MessageState, RequestState

from handshaker_local.embedded import Postgres
from handshaker_local.errors import DemonstrationFailed
from handshaker_local.system import System

STEP_SECONDS = 60
WATCH_SECONDS = 0.1
POLL_SECONDS = 0.02
QUESTION = "Dinner at eight?"
ANSWER = "Eight it is."
E = TypeVar("E", bound=Event)
T = TypeVar("T")


@dataclass(frozen=True)
class Person:
    """One side of the conversation with everything that happens to it."""

    name: str
    client: Client
    events: Listener

    async def sees(self, kind: type[E], fits: Callable[[E], bool] = lambda _: True) -> E:
        """Waits for an event."""
        async for event in self.events:
            if isinstance(event, kind) and fits(event):
                return event
        raise DemonstrationFailed(f"{self.name}'s client was closed before anything came.")

    async def gets(self, text: str) -> None:
        """Waits for a message."""
        await self.sees(MessageReceived, lambda event: event.message.text == text)

    async def reaches(self, number: int, *states: MessageState) -> MessageState:
        """Waits until a message is in one of the states."""
        while (message := await self.client.message(number)).state not in (*states, MessageState.FAILED):
            await anext(self.events)
        if message.state is MessageState.FAILED:
            raise DemonstrationFailed(f"{self.name}'s message was refused ({message.failure}).")
        return message.state


class Telling:
    """Prints a line for each step when it is done, with the time that it took."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def __call__(self, sentence: str) -> None:
        seconds, self._started = time.monotonic() - self._started, time.monotonic()
        print(f"  {seconds:5.2f} s  {sentence}", flush=True)


@contextlib.asynccontextmanager
async def person(name: str, folder: Path, url: str) -> AsyncIterator[Person]:
    """A new device: a store that a random passphrase unlocks."""
    async with await Client.open(folder / name, secrets.token_urlsafe(), server=url, create=True) as client:
        # Receipts wait a while so that they tell less; nobody watches here.
        await client.change_settings(receipt_delay=(0, 0))
        yield Person(name, client, client.events())


@dataclass(frozen=True)
class Storage:
    """What blobstore has stored since the demonstration began."""

    database: asyncpg.Connection
    since: int

    @classmethod
    async def begin(cls, database: asyncpg.Connection) -> Self:
        """Counts from now on."""
        return cls(database, await cls(database, 0).stored_ever())

    async def stored_ever(self) -> int:
        """The number of the last frame that was ever stored; numbers are never given twice."""
        number: int = await self.database.fetchval("SELECT last_value FROM frame_sequence")
        return number

    async def frames(self) -> list[bytes]:
        """What it holds."""
        query = "SELECT body FROM frames WHERE sequence > $1 ORDER BY sequence"
        return [row["body"] for row in await self.database.fetch(query, self.since)]

    async def emptied(self) -> None:
        """Waits until it holds nothing any more."""
        while await self.frames():  # noqa: ASYNC110 - PostgreSQL does not tell
            await asyncio.sleep(POLL_SECONDS)


async def within(step: Awaitable[T], what: str) -> T:
    """The result of a step, which may not take for ever."""
    try:
        return await asyncio.wait_for(step, STEP_SECONDS)
    except TimeoutError:
        raise DemonstrationFailed(f"The demonstration failed: {what} did not happen within {STEP_SECONDS} s.") from None


async def meet(alice: Person, bob: Person, storage: Storage, tell: Telling) -> None:
    """Both register; alice asks by bob's link, bob accepts."""
    await within(asyncio.gather(alice.client.register(), bob.client.register()), "the registration")
    tell("alice and bob registered. The server knows a random number and keys of each; no name, no address.")
    async with alice.client.online(), bob.client.online():
        await alice.client.connect(await bob.client.link(), "Hello, it is Alice.", progress=lambda _step, _share: None)
        asked = await within(bob.sees(RequestReceived), "the arrival of the request")
        await bob.client.accept(asked.request.id)
        accepted = alice.sees(RequestAnswered, lambda event: event.request.state is RequestState.ACCEPTED)
        await within(accepted, "the arrival of the answer")
        # Nothing of this is to be left when bob leaves, so that what the server holds then is alice's message alone.
        await within(asyncio.gather(alice.client.flushed(), bob.client.flushed()), "the sending of all receipts")
        await within(storage.emptied(), "the arrival of all receipts")
    tell("alice asked bob by his link and bob accepted: keys agreed by PQXDH (X25519 and ML-KEM-1024).")


async def converse(alice: Person, bob: Person, storage: Storage, tell: Telling) -> None:
    """A message to somebody who is away, and one to somebody who is there."""
    to_bob, to_alice = [(await each.client.contacts())[0].id for each in (alice, bob)]
    async with alice.client.online():
        question = await alice.client.send(to_bob, QUESTION)
        await within(alice.reaches(question.id, MessageState.STORED), "the storage of alice's message")
        kept = await storage.frames()
        if len(kept) != 1 or QUESTION.encode() in kept[0]:
            raise DemonstrationFailed("The demonstration failed: the server does not hold exactly one sealed frame.")
        tell(f"bob is offline. alice sent {QUESTION!r}: stored.")
        tell(f"  The server holds one frame of {len(kept[0]):,} bytes in a mailbox without a name: {_shown(kept[0])}")
        async with bob.client.online():
            await within(bob.gets(QUESTION), "the arrival of alice's message")
            await within(alice.reaches(question.id, MessageState.DELIVERED), "the receipt for alice's message")
            await within(storage.emptied(), "the deletion of what bob has")
            tell("bob came online and read it: delivered. The server has deleted the frame.")
            stored_before = await storage.stored_ever()
            answer = await bob.client.send(to_alice, ANSWER)
            await within(alice.gets(ANSWER), "the arrival of bob's message")
            await within(bob.reaches(answer.id, MessageState.DELIVERED), "the receipt for bob's message")
            on_no_disk = await storage.stored_ever() == stored_before
            tell(
                f"bob answered {ANSWER!r}: delivered. "
                + (
                    "alice was online, so it was never written to a disk."
                    if on_no_disk
                    else "It was stored for a moment."
                )
            )


def _shown(body: bytes) -> str:
    return f"{body[:8].hex()}…"


async def _demonstrate(url: str, dsn: str) -> None:
    tell = Telling()
    database = await asyncpg.connect(dsn)
    try:
        storage = await Storage.begin(database)
        with tempfile.TemporaryDirectory(prefix="handshaker-") as folder:
            async with person("alice", Path(folder), url) as alice, person("bob", Path(folder), url) as bob:
                await meet(alice, bob, storage, tell)
                await converse(alice, bob, storage, tell)
    except HandshakerError as error:
        raise DemonstrationFailed(f"The demonstration failed: {error}") from error
    finally:
        await database.close()


async def _beside(system: System, work: Awaitable[None]) -> None:
    """Runs something, but not longer than the system runs whole."""
    task = asyncio.ensure_future(work)
    while not task.done():
        await asyncio.wait([task], timeout=WATCH_SECONDS)
        if system.ended() is not None:
            task.cancel()
            system.watch()
    await task


def demonstrate(system: System) -> None:
    """Shows that the running system does what it is for.

    Raises:
        DemonstrationFailed: it did not; the sentence says at which step.
        ComponentEnded: a process ended meanwhile.
    """
    print("Two new people meet on this server:", flush=True)
    postgres = system.component("postgres")
    assert isinstance(postgres, Postgres)  # noqa: S101 - the name says so
    asyncio.run(_beside(system, _demonstrate(system.gateway_urls[0], postgres.dsn("blobstore"))))
