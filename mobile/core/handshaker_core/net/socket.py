"""The WebSocket connection: aiohttp around `relay.RelayState`, and nothing more."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import aiohttp

from handshaker_core.credentials import Mailbox, RecvId
from handshaker_core.net.errors import ServerTrouble, SocketProtocolError, Unreachable
from handshaker_core.net.http import Way, explained
from handshaker_core.net.relay import LARGEST_MESSAGE, SUBPROTOCOL, OutgoingFrame, Received, RelayState
from handshaker_core.net.server import ServerAddress

HEARTBEAT_SECONDS = 25.0
FLUSH_SECONDS = 1.0


class RelayConnection:
    """An open connection, on which the server has said Hello. Methods that send only queue; a task writes."""

    def __init__(self, websocket: "aiohttp.ClientWebSocketResponse[bool]", state: RelayState) -> None:
        self._websocket = websocket
        self._state = state
        self._wake = asyncio.Event()
        self._writing = asyncio.create_task(self._write(), name="handshaker-socket-writer")

    @property
    def room(self) -> int:
        """How many more frames may be sent now."""
        return self._state.room

    def is_unanswered(self, frame: OutgoingFrame) -> bool:
        """Whether the frame is on its way and the server has said nothing about it."""
        return frame.frame_id in self._state.unanswered

    def subscribe(self, mailboxes: Iterable[Mailbox]) -> None:
        """Ask to receive for mailboxes; what becomes of it comes from `receive`."""
        for mailbox in mailboxes:
            self._state.subscribe(mailbox)
        self._wake.set()

    def unsubscribe(self, recv_id: RecvId) -> None:
        """Stop receiving for a mailbox."""
        self._state.unsubscribe(recv_id)
        self._wake.set()

    def send(self, frames: Iterable[OutgoingFrame]) -> None:
        """Send frames; results come from `receive`."""
        for frame in frames:
            self._state.send(frame)
        self._wake.set()

    def acknowledge(self, delivery_ids: Iterable[int]) -> None:
        """Tell the server that these deliveries are committed."""
        for delivery_id in delivery_ids:
            self._state.acknowledge(delivery_id)
        self._wake.set()

    async def receive(self) -> Received:
        """The next message of the server.

        Raises:
            Unreachable: the connection is gone.
            SocketProtocolError: the server broke the protocol.
        """
        return self._state.receive(await _next_message(self._websocket))

    async def _write(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while (message := self._state.next_message()) is not None:
                try:
                    await self._websocket.send_bytes(message)
                except (aiohttp.ClientError, OSError):
                    return  # the reader finds out as well, and says so

    async def flush(self) -> None:
        """Write what waits (acknowledgements, above all), for a moment at most."""
        with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
            async with asyncio.timeout(FLUSH_SECONDS):
                self._writing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await self._writing
                while (message := self._state.next_message()) is not None:
                    await self._websocket.send_bytes(message)

    async def aclose(self) -> None:
        """Stop writing; the caller closes the socket."""
        self._writing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._writing


@asynccontextmanager
async def connect(server: ServerAddress, way: Way) -> AsyncIterator[RelayConnection]:
    """Open the socket and wait for the server's Hello. It is an own connection that no HTTP call shares.

    Raises:
        Unreachable, ServerTrouble, UntrustedServer, SocketProtocolError.
    """
    async with way.session("relay", keep_alive=False) as session:
        state = RelayState()
        async with explained(), asyncio.timeout(way.timeout):
            websocket = await _upgrade(session, server)
            state.receive(await _next_message(websocket))
        connection = RelayConnection(websocket, state)
        try:
            yield connection
        finally:
            await connection.flush()
            await connection.aclose()
            await websocket.close()


async def _upgrade(session: aiohttp.ClientSession, server: ServerAddress) -> "aiohttp.ClientWebSocketResponse[bool]":
    try:
        websocket = await session.ws_connect(
            server.websocket_url,
            protocols=(SUBPROTOCOL,),
            compress=0,
            max_msg_size=2 * LARGEST_MESSAGE,
            heartbeat=HEARTBEAT_SECONDS,
            timeout=aiohttp.ClientWSTimeout(ws_close=FLUSH_SECONDS),
        )
    except aiohttp.WSServerHandshakeError as error:
        raise ServerTrouble from error
    if websocket.protocol != SUBPROTOCOL:
        await websocket.close()
        raise ServerTrouble("The server speaks another version of the protocol.")
    return websocket


async def _next_message(websocket: "aiohttp.ClientWebSocketResponse[bool]") -> bytes:
    message = await websocket.receive()
    if message.type is aiohttp.WSMsgType.BINARY:
        data: bytes = message.data
        return data
    if message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED):
        raise Unreachable("The connection to the server was closed.")
    if message.type is aiohttp.WSMsgType.ERROR:
        raise Unreachable("The connection to the server broke.")
    raise SocketProtocolError
