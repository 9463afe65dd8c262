"""The WebSocket below its messages: upgrades, frames and closes as RFC 6455 has them, and as nobody should send them."""

import json

import aiohttp
import pytest
import websockets
from handshaker_proto.signaling.v1 import socket_pb2
from load.mailboxes import Mailbox

from e2e.calls import new_mailbox
from e2e.hostile import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    WEBSOCKET,
    RawConnection,
    RawSocket,
    accept_of,
    frame,
    new_key,
    upgrade,
)

LARGEST_MESSAGE = 64 * 1024
SUBPROTOCOL = "handshaker.v1"
Outcome = socket_pb2.SendResult.Outcome
# A message that asks for nothing.
IDLE = socket_pb2.ClientMessage(acknowledge=[1]).SerializeToString()


async def upgraded(url, fields, **how):
    """Status, header fields and problem document (if that is what came) of an attempt to upgrade."""
    async with await RawConnection.open(url) as connection:
        await connection.write(upgrade(connection.host, new_key(), fields, **how))
        head = await connection.head()
        if head.status == 101:
            return head, None
        size = int(head.fields["content-length"])
        return head, json.loads(await connection.read(size))


@pytest.mark.parametrize(
    ("status", "reason", "fields"),
    [
        (400, "malformed", {"Sec-WebSocket-Protocol": None}),
        (400, "malformed", {"Sec-WebSocket-Protocol": ""}),
        (400, "malformed", {"Sec-WebSocket-Protocol": "handshaker.v2"}),
        (400, "malformed", {"Sec-WebSocket-Protocol": "Handshaker.V1"}),
        (400, "malformed", {"Sec-WebSocket-Protocol": "handshaker.v1x, chat"}),
        (400, "malformed", {"Sec-WebSocket-Version": "12"}),
        (400, "malformed", {"Sec-WebSocket-Version": None}),
        (400, "malformed", {"Sec-WebSocket-Key": None}),
        (400, "malformed", {"Sec-WebSocket-Key": "short"}),
        (400, "malformed", {"Upgrade": None}),
        (400, "malformed", {"Upgrade": "h2c"}),
        (400, "malformed", {"Connection": "keep-alive"}),
    ],
)
async def test_upgrades_that_are_none(gateway, status, reason, fields):
    head, document = await upgraded(gateway.url, fields)
    assert (head.status, head.fields["content-type"]) == (status, "application/problem+json")
    assert (document["reason"], document["status"]) == (reason, status)
    head, _ = await upgraded(gateway.url, {})
    assert (head.status, head.fields["sec-websocket-protocol"]) == (101, SUBPROTOCOL)


async def test_only_get_upgrades(gateway):
    head, document = await upgraded(gateway.url, {}, verb="POST")
    assert (head.status, document["reason"], head.fields["allow"]) == (405, "method_not_allowed", "GET")
    (await gateway.ask("GET", WEBSOCKET)).problem(400, "malformed")
    (await gateway.ask("GET", f"{WEBSOCKET}?token=1")).problem(400, "malformed")


async def test_web_pages_get_no_socket(gateway):
    head, document = await upgraded(gateway.url, {"Origin": "https://evil.example"})
    assert head.status == 403, document
    assert "evil" not in json.dumps(document)
    assert (await upgraded(gateway.url, {}))[0].status == 101


async def test_one_of_several_protocols_is_enough_and_compression_is_not_taken(gateway):
    offers = {"Sec-WebSocket-Protocol": "chat, handshaker.v1", "Sec-WebSocket-Extensions": "permessage-deflate"}
    key = new_key()
    async with await RawConnection.open(gateway.url) as connection:
        await connection.write(upgrade(connection.host, key, offers))
        head = await connection.head()
    assert (head.status, head.fields["sec-websocket-protocol"]) == (101, SUBPROTOCOL)
    assert head.fields["sec-websocket-accept"] == accept_of(key)
    assert "sec-websocket-extensions" not in head.fields


@pytest.mark.parametrize(
    ("expected", "frames"),
    [
        pytest.param((1003, "unsupported"), [frame(TEXT, b"hello")], id="text"),
        pytest.param((1003, "unsupported"), [frame(TEXT, b"\xff\xfe")], id="text that is not UTF-8"),
        pytest.param((1003, "unsupported"), [frame(TEXT, b"")], id="empty text"),
        pytest.param((4002, "malformed"), [frame(BINARY, b"\xff" * 40)], id="garbage"),
        pytest.param((4002, "malformed"), [frame(BINARY, IDLE[:-1])], id="truncated"),
        pytest.param((4002, "malformed"), [frame(BINARY, b"\xff" * LARGEST_MESSAGE)], id="garbage of 64 KiB"),
        pytest.param((1009, None), [frame(BINARY, bytes(LARGEST_MESSAGE + 1))], id="64 KiB and a byte"),
        pytest.param((1009, None), [b"\x82\xff" + (2**40).to_bytes(8, "big") + b"mask"], id="a terabyte announced"),
        pytest.param((1009, None), [b"\x82\xff" + (2**63 + 1).to_bytes(8, "big") + b"mask"], id="a negative size"),
        pytest.param(
            (1009, None),
            [frame(BINARY, bytes(40_000), fin=False), frame(CONTINUATION, bytes(40_000))],
            id="too much in fragments",
        ),
        pytest.param((1002, None), [frame(CONTINUATION, IDLE)], id="a continuation of nothing"),
        pytest.param((1002, None), [frame(BINARY, IDLE, fin=False), frame(BINARY, IDLE)], id="a message in another"),
        pytest.param((1002, None), [frame(PING, b"x", fin=False)], id="a ping in fragments"),
        pytest.param((1002, None), [frame(PING, b"x" * 126)], id="a long ping"),
        *[pytest.param((1002, None), [frame(op, b"x")], id=f"opcode {op}") for op in (3, 7, 11, 15)],
        *[pytest.param((1002, None), [frame(BINARY, IDLE, reserved=r)], id=f"reserved bit {r}") for r in (1, 2, 4)],
        pytest.param((1002, None), [frame(CLOSE, b"\x03")], id="a close of one byte"),
        *[
            pytest.param((1002, None), [frame(CLOSE, c.to_bytes(2, "big"))], id=f"close {c}")
            for c in (0, 999, 1005, 1015)
        ],
        pytest.param((1007, None), [frame(CLOSE, b"\x03\xe8\xff")], id="a close reason that is not UTF-8"),
    ],
)
async def test_frames_that_end_the_connection(gateway, expected, frames):
    async with await RawSocket.connect(gateway.url) as good, await RawSocket.connect(gateway.url) as bad:
        for each in frames:
            await bad.write(each)
        code, reason = await bad.closed()
        assert code == expected[0], (code, reason)
        assert reason == (expected[1] or reason)
        await good.send(BINARY, IDLE)
        assert await good.answers(), "others are not disturbed"


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param([frame(BINARY, IDLE)], id="whole"),
        pytest.param([frame(BINARY, IDLE[:1], fin=False), frame(CONTINUATION, IDLE[1:])], id="in two"),
        pytest.param(
            [frame(BINARY, fin=False), frame(PING, b"p"), frame(CONTINUATION, IDLE, fin=False), frame(CONTINUATION)],
            id="in three with a ping between",
        ),
        pytest.param([frame(BINARY, b"")], id="empty"),
        pytest.param([frame(PONG, b"nobody asked")], id="pong"),
        pytest.param([frame(PING, b"")], id="empty ping"),
        pytest.param([bytes([byte]) for byte in frame(BINARY, IDLE)], id="byte by byte"),
        # Masks protect proxies, not servers, and the server's library does not insist on them.
        pytest.param([frame(BINARY, IDLE, masked=False)], id="without a mask"),
    ],
)
async def test_frames_that_are_taken(gateway, frames):
    async with await RawSocket.connect(gateway.url) as socket:
        for each in frames:
            await socket.write(each)
        assert await socket.answers()


async def test_fragments_of_a_message_are_one(gateway):
    mailbox = await new_mailbox(gateway)
    message = socket_pb2.ClientMessage(send=[mailbox.send(bytes(2048))]).SerializeToString()
    async with await RawSocket.connect(gateway.url) as socket:
        await socket.send(BINARY, message[:7], fin=False)
        await socket.send(CONTINUATION, message[7:1000], fin=False)
        await socket.send(CONTINUATION, message[1000:])
        assert (await socket.message()).result[0].outcome == Outcome.OUTCOME_STORED


async def test_exactly_64_kib_are_a_message(gateway):
    """29 sends and as many bytes of acknowledgements as are left."""
    mailbox = Mailbox.new()
    sends = [mailbox.send(bytes(2048)) for _ in range(29)]
    message = socket_pb2.ClientMessage(send=sends).SerializeToString()
    missing = LARGEST_MESSAGE - len(message)
    message += b"\xa2\x06" + (missing - 5).to_bytes(1, "big") if missing < 128 else padding(missing)
    assert len(message) == LARGEST_MESSAGE
    async with await RawSocket.connect(gateway.url) as socket:
        await socket.send(BINARY, message)
        results = []
        while len(results) < 29:
            results += (await socket.message()).result
        assert {result.outcome for result in results} == {Outcome.OUTCOME_REFUSED}


def padding(size):
    """An unknown field (100, bytes) that takes `size` bytes in all; unknown fields are for newer clients."""
    for length in (size - 4, size - 5):
        head = b"\xa2\x06" + varint(length)
        if len(head) + length == size:
            return head + bytes(length)
    raise AssertionError(size)


def varint(number):
    parts = []
    while number > 127:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


async def test_closing_as_it_should_be(gateway):
    async with await RawSocket.connect(gateway.url) as socket:
        await socket.send(CLOSE, (1000).to_bytes(2, "big") + b"bye")
        opcode, payload = await socket.read_frame()
        assert (opcode, payload[:2]) == (CLOSE, (1000).to_bytes(2, "big"))
        assert await socket.rest() == b""
    async with await RawSocket.connect(gateway.url) as socket:
        await socket.send(CLOSE)
        assert (await socket.read_frame())[0] == CLOSE
        assert await socket.rest() == b""


async def test_nothing_after_a_close_is_heard(gateway):
    mailbox = await new_mailbox(gateway)
    async with await RawSocket.connect(gateway.url) as socket:
        late = socket_pb2.ClientMessage(send=[mailbox.send(bytes(2048))]).SerializeToString()
        await socket.write(frame(CLOSE, (1000).to_bytes(2, "big")) + frame(BINARY, late))
        assert (await socket.read_frame())[0] == CLOSE
        assert await socket.rest() == b""
    async with await RawSocket.connect(gateway.url) as socket:
        await socket.say(subscribe=[mailbox.subscribe(socket.challenge)])
        states = []
        while socket_pb2.SubscriptionEvent.STATE_DRAINED not in states:
            message = await socket.message()
            assert not message.delivery, "what came after the close was stored"
            states += [event.state for event in message.subscription]


async def test_aiohttp_and_websockets_agree_on_what_they_meet(gateway):
    target = gateway.url.replace("http", "ws", 1) + WEBSOCKET
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(target, protocols=[SUBPROTOCOL]) as ws:
            assert ws.protocol == SUBPROTOCOL
            hello = socket_pb2.ServerMessage.FromString(await ws.receive_bytes()).hello
            await ws.send_str("{}")
            await ws.receive()
            by_aiohttp = ws.close_code
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(target)
        assert refused.value.status == 400
    async with websockets.connect(target, subprotocols=[SUBPROTOCOL], proxy=None) as ws:
        assert ws.subprotocol == SUBPROTOCOL
        other = socket_pb2.ServerMessage.FromString(await ws.recv()).hello
        await ws.send("{}")
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await ws.recv()
        assert (
            (closed.value.rcvd.code, closed.value.rcvd.reason) == (by_aiohttp, "unsupported") == (1003, "unsupported")
        )
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(target, proxy=None)
    assert refused.value.response.status_code == 400
    assert len(hello.challenge) == len(other.challenge) == 32
    assert hello.challenge != other.challenge
    async with websockets.connect(target, subprotocols=[SUBPROTOCOL], proxy=None) as ws:
        await ws.recv()
        await ws.send([b"\xff" * 30_000, b"\xff" * 30_000, b"\xff" * 30_000])
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await ws.recv()
        assert closed.value.rcvd.code == 1009
