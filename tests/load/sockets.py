"""The two ends of the load: sockets that send and sockets that receive, and what they count."""

import asyncio
import os
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar, cast

from handshaker_proto.signaling.v1 import socket_pb2
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from load.mailboxes import FRAME_BYTES, LoadError, Mailbox

HEADER = struct.Struct(">IId")
PROTOCOL = "handshaker.v1"
Outcome = socket_pb2.SendResult.Outcome
State = socket_pb2.SubscriptionEvent.State
STALL_SECONDS = 20
FILLER = os.urandom(FRAME_BYTES - HEADER.size)


@dataclass
class Tally:
    """What has happened so far."""

    latencies: list[float] = field(default_factory=list)
    acknowledged: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    received: int = 0
    doubled: int = 0


class Peer(WSListener):
    """One WebSocket; subclasses act on messages."""

    transport: WSTransport
    closed_with: str | None = None

    def __init__(self) -> None:
        self.hello: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            self.closed_with = f"{frame.get_close_code()} {frame.get_close_message()!r}"
            transport.disconnect()
        if frame.msg_type != WSMsgType.BINARY:
            if frame.msg_type == WSMsgType.PING:
                transport.send_pong(frame.get_payload_as_bytes())
            return
        message = socket_pb2.ServerMessage.FromString(frame.get_payload_as_bytes())
        if message.HasField("hello"):
            self.hello.set_result(message.hello.challenge)
        self.received(message)

    def write(self, message: socket_pb2.ClientMessage) -> None:
        """Sends one message."""
        self.transport.send(WSMsgType.BINARY, message.SerializeToString())

    def received(self, message: socket_pb2.ServerMessage) -> None:
        """Acts on a message."""
        raise NotImplementedError


class Sender(Peer):
    """Keeps `window` frames in flight until told to stop."""

    def __init__(self, pair: int, mailbox: Mailbox, tally: Tally, *, wanted: str) -> None:
        super().__init__()
        self.pair, self.mailbox, self.tally, self.wanted = pair, mailbox, tally, wanted
        self.sent = 0
        self.answered = 0
        self.limit = 0
        self.deadline = 0.0
        self.sent_at: dict[bytes, float] = {}

    def send(self, count: int) -> None:
        """Sends up to `count` frames in one message, as far as the round and the time allow."""
        message = socket_pb2.ClientMessage()
        while count and self.sent < self.limit and time.perf_counter() < self.deadline:
            now = time.perf_counter()
            frame = HEADER.pack(self.pair, self.sent, now) + FILLER
            send = self.mailbox.send(frame)
            self.sent_at[send.frame_id] = now
            message.send.append(send)
            self.sent += 1
            count -= 1
        if message.send:
            self.write(message)

    def received(self, message: socket_pb2.ServerMessage) -> None:
        now = time.perf_counter()
        for result in message.result:
            name = Outcome.Name(result.outcome).removeprefix("OUTCOME_").lower()
            self.tally.outcomes[name] = self.tally.outcomes.get(name, 0) + 1
            sent_at = self.sent_at.pop(result.frame_id, None)
            if sent_at is not None:
                self.answered += 1
                if self.wanted == "stored":
                    self.tally.latencies.append(now - sent_at)
        if message.result:
            self.send(len(message.result))


class Receiver(Peer):
    """Acknowledges everything at once and checks that it gets each frame of its pair exactly once."""

    def __init__(self, pair: int, mailbox: Mailbox, tally: Tally, seen: set[int], *, live: bool) -> None:
        super().__init__()
        self.pair, self.mailbox, self.tally, self.seen, self.live = pair, mailbox, tally, seen, live
        self.active: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def subscribe(self) -> None:
        """Subscribes and waits until the subscription is active."""
        challenge = await self.hello
        self.write(socket_pb2.ClientMessage(subscribe=[self.mailbox.subscribe(challenge)]))
        await asyncio.wait_for(self.active, STALL_SECONDS)

    def received(self, message: socket_pb2.ServerMessage) -> None:
        for event in message.subscription:
            if event.state == State.STATE_ACTIVE and not self.active.done():
                self.active.set_result(None)
            elif event.state not in (State.STATE_ACTIVE, State.STATE_DRAINED):
                raise LoadError(f"A subscription ended: {State.Name(event.state)}.")
        if not message.delivery:
            return
        now = time.perf_counter()
        for delivery in message.delivery:
            pair, number, sent_at = HEADER.unpack_from(delivery.frame)
            if pair != self.pair:
                raise LoadError("A frame reached the wrong receiver.")
            if number in self.seen:
                self.tally.doubled += 1
                continue
            self.seen.add(number)
            self.tally.received += 1
            if self.live:
                self.tally.latencies.append(now - sent_at)
        self.write(socket_pb2.ClientMessage(acknowledge=[delivery.delivery_id for delivery in message.delivery]))


P = TypeVar("P", bound=Peer)


async def connect(url: str, make: Callable[[], P]) -> P:
    """Opens a WebSocket to the gateway at `url` (http://…)."""
    target = url.replace("http", "ws", 1) + "/a/v1/ws"
    _, peer = await ws_connect(make, target, extra_headers={"Sec-WebSocket-Protocol": PROTOCOL})
    return cast(P, peer)
