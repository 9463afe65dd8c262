"""The WebSocket side of the gateway, against real sockets and a relay whose answers each test chooses."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import aiohttp
import grpc
import pytest
import pytest_asyncio
from aiohttp import WSMsgType, web
from handshaker_common.channels import Channels
from handshaker_common.clock import SystemClock
from handshaker_common.close_codes import Close
from handshaker_common.config import ServiceSettings
from handshaker_common.errors import InvalidArgument, Rejected
from handshaker_common.testing import free_port
from handshaker_gateway.sockets import SUBPROTOCOL, SocketBridge, SocketLimits
from handshaker_gateway.sockets.bridge import LARGEST_MESSAGE
from handshaker_gateway.sockets.link import FULL_BYTES
from handshaker_gateway.sockets.pacing import Pace
from handshaker_proto.signaling.v1 import relay_pb2, relay_pb2_grpc
from hypothesis import given
from hypothesis import strategies as st

WAIT_SECONDS = 10
Output = relay_pb2.AttachResponse.SocketOutput


class Relay(relay_pb2_grpc.RelayServiceServicer):
    """A relay that records what comes and says what the test wants."""

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self.inputs: list[relay_pb2.AttachRequest.SocketInput] = []
        self.echo = True
        self.reads = asyncio.Event()
        self.reads.set()
        self._outgoing: asyncio.Queue[relay_pb2.AttachResponse] = asyncio.Queue()
        self._changed = asyncio.Condition()
        self._server = grpc.aio.server()

    async def start(self) -> str:
        relay_pb2_grpc.add_RelayServiceServicer_to_server(self, self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self._server.start()
        return f"127.0.0.1:{self.port}"

    async def stop(self) -> None:
        await self._server.stop(None)

    async def Attach(self, _requests, context) -> None:
        await context.send_initial_metadata(())
        writer = asyncio.create_task(self._write(context))
        try:
            while (await self.reads.wait()) and (request := await context.read()) is not grpc.aio.EOF:
                self.inputs += request.inputs
                echoed = [Output(socket=i.socket, message=i.message) for i in request.inputs if i.message]
                if self.echo and echoed:
                    self.say(*echoed)
                async with self._changed:
                    self._changed.notify_all()
        finally:
            writer.cancel()

    async def _write(self, context) -> None:
        while True:
            await context.write(await self._outgoing.get())

    def say(self, *outputs: Output, draining: bool = False) -> None:
        self._outgoing.put_nowait(relay_pb2.AttachResponse(outputs=outputs, draining=draining))

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_SECONDS), self._changed:
            await self._changed.wait_for(condition)

    @property
    def opened(self) -> list[int]:
        return [each.socket for each in self.inputs if each.opened]

    @property
    def closed(self) -> list[int]:
        return [each.socket for each in self.inputs if each.closed]


@dataclass
class Site:
    """A bridge behind a real HTTP server, and a client session."""

    bridge: SocketBridge
    port: int
    session: aiohttp.ClientSession
    refusals: list[Rejected] = field(default_factory=list)

    def connect(self, protocol: str = SUBPROTOCOL):
        return self.session.ws_connect(f"http://127.0.0.1:{self.port}/a/v1/ws", protocols=(protocol,), max_msg_size=0)

    async def until_ready(self, *, ready: bool = True) -> None:
        async with asyncio.timeout(WAIT_SECONDS):
            while self.bridge.ready() is not ready:
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def site_before(*targets: str, limits: SocketLimits | None = None) -> AsyncIterator[Site]:
    channels = Channels(ServiceSettings(signaling_target=",".join(targets)))
    bridge = SocketBridge(channels, SystemClock(), limits)
    refusals: list[Rejected] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await bridge.handle(request)
        except Rejected as error:
            refusals.append(error)
            status = 400 if isinstance(error, InvalidArgument) else 503
            return web.json_response({"reason": error.reason}, status=status)

    app = web.Application()
    app.router.add_get("/a/v1/ws", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await bridge.start()
    async with aiohttp.ClientSession() as session:
        yield Site(bridge, port, session, refusals)
    await bridge.stop()
    await runner.cleanup()
    await channels.close_all()


@pytest_asyncio.fixture
async def relay() -> AsyncIterator[Relay]:
    started = Relay()
    await started.start()
    yield started
    await started.stop()


@pytest_asyncio.fixture
async def site(relay: Relay) -> AsyncIterator[Site]:
    async with site_before(f"127.0.0.1:{relay.port}") as opened:
        await opened.until_ready()
        yield opened


async def ending(ws: aiohttp.ClientWebSocketResponse) -> tuple[int | None, str | None]:
    """Reads to the end; the close code and reason."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            message = await ws.receive()
            if message.type is WSMsgType.CLOSE:
                return message.data, message.extra
            if message.type in {WSMsgType.CLOSED, WSMsgType.CLOSING, WSMsgType.ERROR}:
                return ws.close_code, None


@pytest.mark.parametrize("size", [1, 125, 126, 2_100, 65_535, LARGEST_MESSAGE])
async def test_messages_pass_unread_both_ways(site: Site, relay: Relay, size: int):
    async with site.connect() as ws:
        assert ws.protocol == SUBPROTOCOL
        message = b"\xff" * size
        await ws.send_bytes(message)
        assert await ws.receive_bytes(timeout=WAIT_SECONDS) == message
    assert [each.message for each in relay.inputs if each.message] == [message]


async def test_the_relay_hears_of_beginnings_and_ends(site: Site, relay: Relay):
    async with site.connect() as one, site.connect():
        await relay.until(lambda: len(relay.opened) == 2)
        assert site.bridge.sockets == 2
        await one.close()
        await relay.until(lambda: relay.closed == relay.opened[:1])
    await relay.until(lambda: sorted(relay.closed) == relay.opened)
    assert site.bridge.sockets == 0


@pytest.mark.parametrize("protocol", ["handshaker.v2", ""])
async def test_another_subprotocol_is_refused_before_the_upgrade(site: Site, relay: Relay, protocol: str):
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await site.connect(protocol)
    assert caught.value.status == 400
    assert "handshaker.v1" in site.refusals[0].sentence
    async with site.connect():
        await relay.until(lambda: relay.opened == [1])


async def test_a_plain_request_is_refused(site: Site):
    async with site.session.get(f"http://127.0.0.1:{site.port}/a/v1/ws") as response:
        assert response.status == 400


async def test_a_text_message_closes(site: Site):
    async with site.connect() as ws:
        await ws.send_str("hello")
        assert await ending(ws) == Close.UNSUPPORTED.value


async def test_a_message_beyond_64_kib_closes(site: Site, relay: Relay):
    async with site.connect() as ws:
        await ws.send_bytes(bytes(LARGEST_MESSAGE + 1))
        assert (await ending(ws))[0] == 1009
    await relay.until(lambda: relay.closed == [1])
    assert not any(each.message for each in relay.inputs)


async def test_the_relay_closes_with_code_and_reason_after_what_it_said_before(site: Site, relay: Relay):
    async with site.connect() as ws:
        await relay.until(lambda: relay.opened == [1])
        relay.say(Output(socket=1, message=b"last words"), Output(socket=1, close_code=4001, close_reason="why"))
        assert await ws.receive_bytes(timeout=WAIT_SECONDS) == b"last words"
        assert await ending(ws) == (4001, "why")


async def test_sockets_end_with_their_relay_and_come_back_with_it(site: Site, relay: Relay):
    async with site.connect() as ws:
        await relay.until(lambda: relay.opened == [1])
        await relay.stop()
        assert await ending(ws) == Close.RELAY_RESTARTED.value
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await site.connect()
    assert caught.value.status == 503
    assert (site.refusals[0].reason, site.refusals[0].retry_after) == ("unavailable", 1)
    back = Relay(relay.port)
    await back.start()
    await site.until_ready()
    async with site.connect() as ws:
        await ws.send_bytes(b"again")
        assert await ws.receive_bytes(timeout=WAIT_SECONDS) == b"again"
    await back.stop()


async def test_sockets_go_where_the_fewest_are_and_never_to_a_draining_relay():
    relays = [Relay(), Relay()]
    addresses = [await each.start() for each in relays]
    async with site_before(*addresses) as site, contextlib.AsyncExitStack() as sockets:
        async with asyncio.timeout(WAIT_SECONDS):
            while sum(link.usable for link in site.bridge._links.values()) < 2:
                await asyncio.sleep(0.01)
        for _ in range(6):
            await sockets.enter_async_context(site.connect())
        for each in relays:
            await each.until(lambda each=each: len(each.opened) == 3)
        relays[0].say(draining=True)
        async with asyncio.timeout(WAIT_SECONDS):
            while site.bridge._links[addresses[0]].usable:
                await asyncio.sleep(0.01)
        for _ in range(2):
            await sockets.enter_async_context(site.connect())
        await relays[1].until(lambda: len(relays[1].opened) == 5)
        assert len(relays[0].opened) == 3
        relays[1].say(draining=True)
        await site.until_ready(ready=False)
    for each in relays:
        await each.stop()


async def test_a_client_that_does_not_read_is_closed_and_holds_nobody_up(
    site: Site, relay: Relay, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("handshaker_gateway.sockets.websocket.CLOSE_SECONDS", 0.2)
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(deaf, ("127.0.0.1", site.port))
    upgrade = (
        "GET /a/v1/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {'A' * 22}==\r\nSec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
    )
    await loop.sock_sendall(deaf, upgrade.encode())
    await relay.until(lambda: relay.opened == [1])
    async with site.connect() as ws:
        for _ in range(200):
            relay.say(*(Output(socket=1, message=bytes(60_000)) for _ in range(2)))
        await ws.send_bytes(b"ping")
        assert await ws.receive_bytes(timeout=WAIT_SECONDS) == b"ping"
        await relay.until(lambda: relay.closed == [1])
    deaf.close()


async def test_a_fast_sender_is_read_more_slowly(relay: Relay):
    limits = SocketLimits(messages_burst=5, messages_rate=50)
    async with site_before(f"127.0.0.1:{relay.port}", limits=limits) as site:
        await site.until_ready()
        async with site.connect() as ws:
            started = time.monotonic()
            for _ in range(20):
                await ws.send_bytes(b"x")
            for _ in range(20):
                assert await ws.receive_bytes(timeout=WAIT_SECONDS) == b"x"
            assert time.monotonic() - started > (20 - 5 - 1) / 50


async def test_gross_abuse_closes(relay: Relay):
    limits = SocketLimits(messages_burst=5, messages_rate=50, patience=0.1)
    async with site_before(f"127.0.0.1:{relay.port}", limits=limits) as site:
        await site.until_ready()
        async with site.connect() as ws:
            for _ in range(200):
                await ws.send_bytes(b"x")
            assert await ending(ws) == Close.RATE_LIMITED.value


async def test_a_relay_that_does_not_read_stops_the_reading_of_sockets(site: Site, relay: Relay):
    relay.echo = False
    async with site.connect() as ws:
        await relay.until(lambda: relay.opened == [1])
        relay.reads.clear()
        link = next(iter(site.bridge._links.values()))

        async def flood() -> None:
            while True:
                await ws.send_bytes(bytes(LARGEST_MESSAGE))

        flooding = asyncio.create_task(flood())
        async with asyncio.timeout(WAIT_SECONDS):
            while link._room.is_set():
                await asyncio.sleep(0.01)
        assert link._waiting_bytes < FULL_BYTES + LARGEST_MESSAGE
        relay.reads.set()
        async with asyncio.timeout(WAIT_SECONDS):
            while not link._room.is_set():
                await asyncio.sleep(0.01)
        flooding.cancel()
        await asyncio.gather(flooding, return_exceptions=True)


async def test_stopping_closes_every_socket_and_refuses_new_ones(site: Site):
    async with site.connect() as one, site.connect() as two:
        stopping = asyncio.create_task(site.bridge.stop())
        assert await ending(one) == Close.RESTARTING.value
        assert await ending(two) == Close.RESTARTING.value
        await stopping
    assert not site.bridge.ready()
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await site.connect()
    assert caught.value.status == 503


@given(st.lists(st.tuples(st.integers(1, LARGEST_MESSAGE), st.floats(0, 3)), min_size=1, max_size=50))
def test_a_pace_never_passes_more_than_its_rate_and_waits_only_when_it_must(messages: list[tuple[int, float]]):
    limits = SocketLimits(bytes_burst=100_000, bytes_rate=50_000, messages_burst=10, messages_rate=5)
    now = started = 100.0
    pace, passed = Pace(limits, now), 0
    for count, (size, pause) in enumerate(messages, 1):
        now += pause
        passed += size
        wait = pace.spend(size, now)
        now += wait
        assert passed <= limits.bytes_burst + limits.bytes_rate * (now - started) + 1e-3
        assert count <= limits.messages_burst + limits.messages_rate * (now - started) + 1e-3
        assert wait <= max(size / limits.bytes_rate, 1 / limits.messages_rate) + 1e-9


def test_only_lasting_pressure_is_abuse():
    limits = SocketLimits(messages_burst=1, messages_rate=1, patience=10)
    pace = Pace(limits, 0)
    now = 0.0
    assert pace.spend(1, now) == 0
    for _ in range(9):
        assert pace.spend(1, now) > 0
        assert not pace.abusive(now)
        now += 1
    now += 2
    assert pace.spend(1, now) == 0, "a pause is forgiven"
    for _ in range(12):
        now += 0.99
        pace.spend(1, now)
    assert pace.abusive(now)
