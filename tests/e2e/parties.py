"""Two independent ends for black-box tests, on aiohttp's client and the generated messages alone.

They behave as a careful client must: whatever the server said nothing about is sent again under the same frame id
after a reconnect, and what arrives twice is acknowledged twice and counted once.
"""

import asyncio
import contextlib
import struct
from collections.abc import Awaitable, Callable

import aiohttp
from handshaker_proto.signaling.v1 import socket_pb2
from load.mailboxes import FRAME_BYTES, LoadError, Mailbox

NUMBER = struct.Struct(">I")
Outcome = socket_pb2.SendResult.Outcome
State = socket_pb2.SubscriptionEvent.State
SETTLED = {Outcome.OUTCOME_DELIVERED, Outcome.OUTCOME_STORED}
AGAIN = {Outcome.OUTCOME_UNAVAILABLE, Outcome.OUTCOME_QUOTA}
RETRY_SECONDS = 0.05


class Party:
    """Stays connected to one of the gateways until stopped; subclasses say what to do with messages."""

    def __init__(self, urls: list[str]) -> None:
        self.urls = urls
        self.connections = 0
        self._task: asyncio.Task[None] | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None

    def start(self) -> None:
        self._task = asyncio.ensure_future(self._stay_connected())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def drop(self) -> None:
        """Cuts the connection without a word."""
        if self._socket is not None and self._socket._response.connection is not None:
            transport = self._socket._response.connection.transport
            if transport is not None:
                transport.abort()

    async def _stay_connected(self) -> None:
        async with aiohttp.ClientSession() as session:
            while True:
                url = self.urls[self.connections % len(self.urls)]
                with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
                    await self._connection(session, url)
                self._socket = None
                await asyncio.sleep(RETRY_SECONDS)

    async def _connection(self, session: aiohttp.ClientSession, url: str) -> None:
        async with session.ws_connect(f"{url}/a/v1/ws", protocols=["handshaker.v1"], max_msg_size=1 << 20) as ws:
            self._socket = ws
            self.connections += 1
            async for item in ws:
                if item.type != aiohttp.WSMsgType.BINARY:
                    break
                message = socket_pb2.ServerMessage.FromString(item.data)
                if message.HasField("hello"):
                    await self.greeted(message.hello.challenge)
                await self.got(message)

    async def write(self, message: socket_pb2.ClientMessage) -> None:
        if self._socket is not None and not self._socket.closed:
            with contextlib.suppress(ConnectionError, aiohttp.ClientError):
                await self._socket.send_bytes(message.SerializeToString())

    async def greeted(self, challenge: bytes) -> None:
        raise NotImplementedError

    async def got(self, message: socket_pb2.ServerMessage) -> None:
        raise NotImplementedError


class Sender(Party):
    """Sends numbered frames, a few at a time."""

    def __init__(self, urls: list[str], mailbox: Mailbox, *, policy: str = "UNSPECIFIED") -> None:
        super().__init__(urls)
        self.mailbox = mailbox
        self.policy = socket_pb2.DeliveryPolicy.Value(f"DELIVERY_POLICY_{policy}")
        self.frames: dict[bytes, int] = {}
        self.waiting: dict[bytes, socket_pb2.Send] = {}
        self.outcomes: dict[int, int] = {}
        self.changed = asyncio.Event()

    async def send(self, *numbers: int) -> None:
        sends = []
        for number in numbers:
            frame = NUMBER.pack(number).ljust(FRAME_BYTES, b"\0")
            send = self.mailbox.send(frame)
            send.policy = self.policy
            self.frames[send.frame_id] = number
            self.waiting[send.frame_id] = send
            sends.append(send)
        await self.write(socket_pb2.ClientMessage(send=sends))

    async def greeted(self, challenge: bytes) -> None:
        for send in list(self.waiting.values()):
            await self.write(socket_pb2.ClientMessage(send=[send]))

    async def got(self, message: socket_pb2.ServerMessage) -> None:
        for result in message.result:
            send = self.waiting.get(result.frame_id)
            if send is None:
                continue
            if result.outcome in AGAIN:
                await asyncio.sleep(RETRY_SECONDS)
                await self.write(socket_pb2.ClientMessage(send=[send]))
                continue
            del self.waiting[result.frame_id]
            self.outcomes[self.frames[result.frame_id]] = result.outcome
        self.changed.set()
        self.changed.clear()


class Receiver(Party):
    """Receives for one mailbox; `numbers` are the frames in the order of their first arrival."""

    def __init__(self, urls: list[str], mailbox: Mailbox) -> None:
        super().__init__(urls)
        self.mailbox = mailbox
        self.challenge = b""
        self.seen: dict[bytes, int] = {}
        self.numbers: list[int] = []
        self.doubled = 0
        self.states: list[int] = []
        self.acknowledge = True
        self.changed = asyncio.Event()

    async def greeted(self, challenge: bytes) -> None:
        self.challenge = challenge
        await self.write(socket_pb2.ClientMessage(subscribe=[self.mailbox.subscribe(challenge)]))

    async def got(self, message: socket_pb2.ServerMessage) -> None:
        self.states += [event.state for event in message.subscription]
        if any(event.state == State.STATE_UNAVAILABLE for event in message.subscription):
            await asyncio.sleep(RETRY_SECONDS)
            await self.greeted(self.challenge)
        for delivery in message.delivery:
            number = NUMBER.unpack_from(delivery.frame)[0]
            if delivery.frame_id in self.seen:
                self.doubled += 1
            else:
                self.seen[delivery.frame_id] = number
                self.numbers.append(number)
        if self.acknowledge and message.delivery:
            await self.write(socket_pb2.ClientMessage(acknowledge=[d.delivery_id for d in message.delivery]))
        self.changed.set()
        self.changed.clear()


async def eventually(condition: Callable[[], bool], seconds: float = 30, say: Callable[[], object] = str) -> None:
    """Waits for a condition; on failure the message of the assertion is what `say` says."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"it did not happen within {seconds} s: {say()}"
        await asyncio.sleep(0.005)


async def until_works(work: Callable[[], Awaitable[object]], seconds: float = 20) -> object:
    """Repeats something that may fail while a server starts."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            return await work()
        except (aiohttp.ClientError, OSError, LoadError):
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(0.05)
