"""One stream to one signaling process, shared by all sockets that are assigned to it."""

import asyncio
import random
from collections.abc import Callable

import grpc
from handshaker_common.batching import Batcher
from handshaker_common.close_codes import Close
from handshaker_common.log import get_logger, where
from handshaker_proto.signaling.v1 import relay_pb2, relay_pb2_grpc

from handshaker_gateway.sockets.websocket import ClientSocket

FIRST_BACKOFF_SECONDS = 0.05
LONGEST_BACKOFF_SECONDS = 2.0
# Bytes of messages in one write of the stream.
BATCH_BYTES = 1024 * 1024
# Bytes that may wait for the stream before sockets are no longer read, and when reading goes on.
FULL_BYTES, ROOM_BYTES = 8 * 1024 * 1024, 2 * 1024 * 1024
# What an item costs beside its message.
ITEM_BYTES = 128
# A write that was not alone is followed by a pause, so that under load each one carries more. A write costs about
# 100 us whatever it carries, so this bounds what writing costs while nobody waits longer than this.
PAUSE_SECONDS = 0.001

OPENED, CLOSED = b"opened", b"closed"
# Socket and message; the two words above, by identity, tell of a socket's beginning and end.
Input = tuple[int, bytes]


class RelayLink:
    """Keeps a stream open to the signaling process behind `channel`, and carries its sockets.

    When the stream breaks all its sockets are closed with `relay_restarted`, because what the process knew about
    them is gone; clients connect again.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = relay_pb2_grpc.RelayServiceStub(channel)
        self._sockets: dict[int, ClientSocket] = {}
        self._numbers = 0
        self._call: grpc.aio.StreamStreamCall[relay_pb2.AttachRequest, relay_pb2.AttachResponse] | None = None
        self._batcher: Batcher[Input] = Batcher(self._write, max_waiting=2**62, name="attach_requests")
        self._waiting_bytes = 0
        self._room = asyncio.Event()
        self._room.set()
        self.connected = False
        self.draining = False

    @property
    def usable(self) -> bool:
        """Whether new sockets may be assigned."""
        return self.connected and not self.draining

    @property
    def load(self) -> int:
        """How many sockets are assigned."""
        return len(self._sockets)

    def open(self, make: Callable[[int], ClientSocket]) -> ClientSocket:
        """Assigns a new socket, which `make` builds for its number, and announces it to the process."""
        self._numbers += 1
        socket = self._sockets[self._numbers] = make(self._numbers)
        self._batcher.add((socket.number, OPENED))
        return socket

    def close(self, socket: ClientSocket) -> None:
        """Forgets a socket and tells the process so."""
        if self._sockets.pop(socket.number, None) is not None:
            self._batcher.add((socket.number, CLOSED))

    async def pass_on(self, number: int, message: bytes) -> None:
        """Queues a message from a socket; waits while too many wait already."""
        self._batcher.add((number, message))
        self._waiting_bytes += len(message) + ITEM_BYTES
        if self._waiting_bytes > FULL_BYTES:
            self._room.clear()
            await self._room.wait()

    async def run(self) -> None:
        """Keeps the stream open, for ever."""
        backoff = FIRST_BACKOFF_SECONDS
        while True:
            if await self._run_once():
                backoff = FIRST_BACKOFF_SECONDS
            await asyncio.sleep(backoff * random.uniform(0.5, 1))  # noqa: S311 - spreads reconnects, guards nothing
            backoff = min(2 * backoff, LONGEST_BACKOFF_SECONDS)

    async def _run_once(self) -> bool:
        """Uses one stream until it breaks; whether it ever stood."""
        call = self._call = self._stub.Attach()
        stood = False
        writer: asyncio.Task[None] | None = None
        try:
            # The process sends these at once; until then nothing proves that anybody is there.
            await call.initial_metadata()
            stood = self.connected = True
            self.draining = False
            writer = asyncio.create_task(self._batcher.run())
            async for response in call:
                self._receive(response)
        except (grpc.RpcError, asyncio.InvalidStateError):
            pass
        except Exception as error:  # noqa: BLE001 - one broken stream must not end the task that opens the next
            get_logger().error("a relay stream failed", **where(error))
        finally:
            self.connected = False
            self._call = None
            call.cancel()
            self._drop_all()
            if writer is not None:
                writer.cancel()
                # Raises only if we are cancelled ourselves meanwhile, which must not be swallowed.
                await asyncio.gather(writer, return_exceptions=True)
        return stood

    def _receive(self, response: relay_pb2.AttachResponse) -> None:
        if response.draining:
            self.draining = True
        sockets = self._sockets
        for output in response.outputs:
            socket = sockets.get(output.socket)
            if socket is None:
                continue
            message = output.message
            if message:
                socket.send(message)
            if output.close_code:
                socket.close(output.close_code, output.close_reason)

    async def _write(self, batch: list[Input]) -> None:
        call = self._call
        if call is None:
            return
        request = relay_pb2.AttachRequest()
        add = request.inputs.add
        size = 0
        for number, message in batch:
            if message is OPENED:
                add(socket=number, opened=True)
                continue
            if message is CLOSED:
                add(socket=number, closed=True)
                continue
            if size + len(message) > BATCH_BYTES:
                await call.write(request)
                self._written(size)
                request = relay_pb2.AttachRequest()
                add = request.inputs.add
                size = 0
            add(socket=number, message=message)
            size += len(message) + ITEM_BYTES
        await call.write(request)
        self._written(size)
        if len(batch) > 1:
            await asyncio.sleep(PAUSE_SECONDS)

    def _written(self, size: int) -> None:
        self._waiting_bytes -= size
        if self._waiting_bytes < ROOM_BYTES:
            self._room.set()

    def _drop_all(self) -> None:
        """Closes all sockets of a stream that is gone; nothing that waits for it makes sense to the next."""
        sockets, self._sockets = self._sockets, {}
        for socket in sockets.values():
            socket.close(Close.RELAY_RESTARTED.code, Close.RELAY_RESTARTED.reason)
        self._batcher.take_all()
        self._waiting_bytes = 0
        self._room.set()

    def close_all(self, why: Close) -> list[ClientSocket]:
        """Starts closing all sockets; returns them."""
        sockets, self._sockets = self._sockets, {}
        for socket in sockets.values():
            socket.close(why.code, why.reason)
        return list(sockets.values())
