"""What the tests of the whole client share: people, waiting for events, and a network that can fail on purpose."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from handshaker_core.client import Client, Event, Message, MessageReceived, MessageState, RequestAnswered

E = TypeVar("E", bound=Event)

PASSPHRASE = "correct horse"
PATIENCE = 30.0


class Network:
    """A TCP relay in front of the server, which can be cut or made to swallow what the server says."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname or "", parts.port or 0)
        self._server: asyncio.Server | None = None
        self._port = 0
        self._streams: set[asyncio.StreamWriter] = set()
        self.muted = False
        self.answers_left: int | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def restore(self) -> None:
        """Let connections through (again), at the same address."""
        self.muted = False
        self.answers_left = None
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
            self._port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Break every connection and refuse new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.drop()
        await asyncio.sleep(0)

    def drop(self) -> None:
        """Break every connection; new ones are let through."""
        for stream in list(self._streams):
            stream.transport.abort()
        self._streams.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inner_reader, inner_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        self._streams |= {writer, inner_writer}
        await asyncio.gather(
            self._pipe(reader, inner_writer, downstream=False), self._pipe(inner_reader, writer, downstream=True)
        )
        self._streams -= {writer, inner_writer}

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, downstream: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if downstream and self.muted:
                    continue
                if downstream and self.answers_left is not None:
                    if self.answers_left == 0:
                        self.drop()
                        return
                    self.answers_left -= 1
                writer.write(data)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def network(target: str) -> AsyncIterator[Network]:
    between = Network(target)
    await between.restore()
    try:
        yield between
    finally:
        await between.cut()


@asynccontextmanager
async def person(home: Path, server: str, username: str | None = None, name: str = "") -> AsyncIterator[Client]:
    """A registered client with receipts that hurry."""
    async with await Client.open(home, PASSPHRASE, server=server, create=True) as client:
        await client.register(username, display_name=name)
        await client.change_settings(receipt_delay=[0.0, 0.05])
        yield client


class Watch:
    """Waits for events of one client; made before what is to be watched."""

    def __init__(self, client: Client) -> None:
        self._listener = client.events()
        self.seen: list[Event] = []

    async def until(self, kind: type[E], suits: Callable[[E], bool] = lambda _: True) -> E:
        async with asyncio.timeout(PATIENCE):
            async for event in self._listener:
                self.seen.append(event)
                if isinstance(event, kind) and suits(event):
                    return event
        raise AssertionError("the client was closed")

    async def message(self, text: str) -> Message:
        return (await self.until(MessageReceived, lambda event: event.message.text == text)).message


async def reaches(client: Client, number: int, state: MessageState) -> Message:
    """Wait until a message has that state."""
    with contextlib.closing(client.events()) as listener:
        async with asyncio.timeout(PATIENCE):
            while (message := await client.message(number)).state is not state:
                await anext(listener)
    return message


async def befriend(a: Client, b: Client) -> tuple[int, int]:
    """Connect two who are not online. Returns: b as a's contact, a as b's contact."""
    async with a.online(), b.online(), asyncio.timeout(PATIENCE):
        watch_a, watch_b = Watch(a), Watch(b)
        request = await a.connect(await b.link())
        while not (pending := await b.requests()):
            await anext(watch_b._listener)
        contact = await b.accept(pending[0].id)
        await watch_a.until(RequestAnswered)
        await b.flushed()
        return request.contact_id, contact.id
