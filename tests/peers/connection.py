"""What the MQTT and the XMPP client have in common: a socket that feeds a flow, and an orderly end."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, Self, TypeVar, cast

from .flow import Flow
from .result import PeerError

Reply = TypeVar("Reply")


class Connection(asyncio.Protocol, ABC, Generic[Reply]):
    """One client connection. Whatever goes wrong on it becomes the error of its flow.

    `Reply` is what the protocol answers while the client logs in: `receive` hands it to `replied`, and the login, which
    is plain sequential code, takes it from `reply`.
    """

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self._transport: asyncio.Transport | None = None
        self._closing = False
        self._closed = asyncio.Event()
        self._replies: asyncio.Queue[Reply | None] = asyncio.Queue()

    @classmethod
    async def open(cls, make: Callable[[], Self], port: int) -> Self:
        """Connect to the server on the loopback `port`."""
        _, connection = await asyncio.get_running_loop().create_connection(make, "127.0.0.1", port)
        return connection

    @abstractmethod
    def receive(self, data: bytes) -> None:
        """Handle what came in one read. May raise PeerError."""

    @abstractmethod
    def farewell(self) -> bytes:
        """What the protocol says before the connection is closed."""

    def replied(self, reply: Reply) -> None:
        """Hand `reply` to whoever waits for it."""
        self._replies.put_nowait(reply)

    async def reply(self) -> Reply:
        """The next reply of the server. Raises PeerError if the connection ends instead."""
        reply = await self._replies.get()
        if reply is None:
            raise self.flow.error or PeerError("the connection is closed")
        return reply

    def write(self, data: bytes) -> None:
        """Put `data` on the wire; nothing once the connection is gone, of which the flow has been told."""
        if self._transport is not None:
            self._transport.write(data)

    async def close(self) -> None:
        """Say goodbye and wait until the server has closed the connection."""
        self._closing = True
        self.write(self.farewell())
        await self._closed.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        # uvloop's transports are not instances of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        try:
            self.receive(data)
        except PeerError as error:
            self.flow.fail(error)
            if self._transport is not None:
                self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._transport = None
        self._closed.set()
        self._replies.put_nowait(None)
        if not self._closing:
            self.flow.fail(PeerError(f"the server closed the connection ({exc or 'no reason given'})"))
