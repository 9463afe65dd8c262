"""One WebSocket. Sending never waits: a client that does not read is closed before it can hold others up."""

import asyncio
import contextlib

from aiohttp import web
from handshaker_common.close_codes import Close

# Bytes that may wait for a client which reads slowly.
WRITE_BUFFER_LIMIT = 256 * 1024
# Seconds that a client has to answer a close frame.
CLOSE_SECONDS = 5
BINARY_FRAME = 0x82  # FIN and opcode 2, RFC 6455 section 5.2
SHORT_LENGTH, MEDIUM_LENGTH = 126, 65_536


def binary_frame(payload: bytes) -> bytes:
    """An unfragmented, unmasked binary frame, as servers send it (RFC 6455 section 5.2)."""
    size = len(payload)
    if size < SHORT_LENGTH:
        return bytes((BINARY_FRAME, size)) + payload
    if size < MEDIUM_LENGTH:
        return b"\x82\x7e" + size.to_bytes(2, "big") + payload
    return b"\x82\x7f" + size.to_bytes(8, "big") + payload


class ClientSocket:
    """The server's end of one WebSocket, identified by `number` on its relay's stream.

    Frames go to the transport directly: aiohttp's own `send_bytes` waits for a slow client, which would hold up all
    other sockets that are served from the same stream.
    """

    __slots__ = ("_closing", "_transport", "_websocket", "number")

    def __init__(
        self,
        number: int,
        websocket: "web.WebSocketResponse[bool]",
        transport: asyncio.Transport,
    ) -> None:
        self.number = number
        self._websocket = websocket
        self._transport = transport
        self._closing: asyncio.Task[None] | None = None

    @property
    def closing(self) -> bool:
        """Whether the server has decided to close."""
        return self._closing is not None

    def send(self, message: bytes) -> None:
        """Queues one binary message; closes with `too_slow` when more than 256 KiB wait."""
        transport = self._transport
        if self._closing is not None or transport.is_closing():
            return
        transport.write(binary_frame(message))
        if transport.get_write_buffer_size() > WRITE_BUFFER_LIMIT:
            self.close(Close.TOO_SLOW.code, Close.TOO_SLOW.reason)

    def close(self, code: int, reason: str) -> None:
        """Starts closing; nothing is sent afterwards."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(code, reason))

    async def _close(self, code: int, reason: str) -> None:
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._websocket.close(code=code, message=reason.encode("ascii"))
        self._transport.abort()

    async def closed(self) -> None:
        """Waits until a close that was started has ended."""
        if self._closing is not None:
            await asyncio.wait([self._closing])
