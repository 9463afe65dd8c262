"""HTTP: answers, problem documents, repeats, planes that share no connection, proxies, and servers not to be trusted."""

import asyncio
import datetime as dt
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from handshaker_core.net import http
from handshaker_core.net.errors import (
    BadProxyAddress,
    BadServerAddress,
    InsecureServer,
    RateLimited,
    RefusedByServer,
    ServerTrouble,
    Unreachable,
    UntrustedServer,
)
from handshaker_core.net.http import Plane, Route, Transport, Way
from handshaker_core.net.server import ServerAddress, SocksProxy
from handshaker_proto.auth.v1 import auth_pb2

ASK = Route(Plane.ANONYMOUS, "POST", "/a/v1/ask", idempotent=True)
ASK_ONCE = Route(Plane.ANONYMOUS, "POST", "/a/v1/ask", idempotent=False)
MINE = Route(Plane.ACCOUNT, "GET", "/v1/mine/{name}", idempotent=True)
ANSWER = auth_pb2.GetAccountResponse(account_id="a", device_id="d")
OK = web.Response

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "FIRST_PAUSE_SECONDS", 0.001)


def answer() -> web.Response:
    return web.Response(body=ANSWER.SerializeToString(), content_type="application/x-protobuf")


def refusal(status: int, body: object, **headers: str) -> web.Response:
    return web.Response(status=status, text=json.dumps(body), content_type="application/problem+json", headers=headers)


@asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


async def call(url: str, route: Route, way: Way | None = None, **more: str) -> auth_pb2.GetAccountResponse:
    async with Transport(ServerAddress.parse(url), way or Way()) as transport:
        request = auth_pb2.GetSessionChallengeRequest(device_public_key=b"k") if route.verb == "POST" else None
        return await transport.call(route, request, auth_pb2.GetAccountResponse, **more)


async def test_a_call_and_its_answer() -> None:
    seen: list[web.Request] = []
    bodies: list[bytes] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        seen.append(request)
        bodies.append(await request.read())
        return answer()

    async with serving(handle) as url:
        assert await call(url, ASK, admission="pow a.b") == ANSWER
        assert await call(url, MINE, token="t", name="x") == ANSWER
    anonymous, account = seen
    assert anonymous.headers["Content-Type"] == anonymous.headers["Accept"] == "application/x-protobuf"
    assert anonymous.headers["Admission"] == "pow a.b"
    assert "Authorization" not in anonymous.headers
    assert (account.method, account.path, account.headers["Authorization"]) == ("GET", "/v1/mine/x", "Bearer t")
    assert bodies == [auth_pb2.GetSessionChallengeRequest(device_public_key=b"k").SerializeToString(), b""]
    assert {request.headers["User-Agent"] for request in seen} == {"handshaker"}


async def test_the_planes_share_no_connection_nor_do_anonymous_calls() -> None:
    peers: list[tuple[str, object]] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        peers.append((request.path[:3], request.transport.get_extra_info("peername")))
        return answer()

    async with serving(handle) as url, Transport(ServerAddress.parse(url), Way()) as transport:
        for _ in range(3):
            await transport.call(ASK, None, auth_pb2.GetAccountResponse)
            await transport.call(MINE, None, auth_pb2.GetAccountResponse, token="t", name="x")
    anonymous = [peer for path, peer in peers if path == "/a/"]
    account = {peer for path, peer in peers if path == "/v1"}
    assert len(set(anonymous)) == 3
    assert len(account) == 1
    assert not account & set(anonymous)


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [(403, {"reason": "refused"}, "refused"), (409, {"reason": "username_taken", "detail": "x"}, "username_taken")],
)
async def test_a_refusal_has_the_servers_reason_and_our_words(status: int, body: object, code: str) -> None:
    calls = 0

    async def handle(_request: web.Request) -> web.StreamResponse:
        nonlocal calls
        calls += 1
        return refusal(status, body)

    async with serving(handle) as url:
        with pytest.raises(RefusedByServer) as caught:
            await call(url, ASK)
    assert (caught.value.code, caught.value.status, caught.value.reason) == (code, status, "refused_by_server")
    assert str(caught.value).endswith(".")
    assert calls == 1


async def test_too_many_requests_say_when_to_come_back() -> None:
    async def handle(_request: web.Request) -> web.StreamResponse:
        return refusal(429, {"reason": "rate_limited"}, **{"Retry-After": "17"})

    async with serving(handle) as url:
        with pytest.raises(RateLimited, match="17 seconds") as caught:
            await call(url, ASK)
    assert caught.value.retry_after == 17


@pytest.mark.parametrize(
    "response",
    [
        lambda: refusal(403, ["reason"]),
        lambda: refusal(403, {"reason": "Not A Reason\u001b[31m"}),
        lambda: web.Response(status=404, text="<html>"),
        lambda: web.Response(text="<html>", content_type="text/html"),
        lambda: web.Response(body=b"\xff\xff", content_type="application/x-protobuf"),
        lambda: web.Response(body=b"\x0a" * 300_000, content_type="application/x-protobuf"),
        lambda: web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"}),
    ],
)
async def test_what_is_not_our_protocol_is_the_servers_trouble(response: Callable[[], web.Response]) -> None:
    async def handle(_request: web.Request) -> web.StreamResponse:
        return response()

    async with serving(handle) as url:
        with pytest.raises(ServerTrouble):
            await call(url, ASK)


@pytest.mark.parametrize(("route", "more", "expected"), [(ASK, {}, 3), (ASK_ONCE, {}, 1), (ASK, {"admission": "x"}, 1)])
async def test_only_calls_that_may_be_repeated_are(route: Route, more: dict[str, str], expected: int) -> None:
    calls = 0

    async def handle(_request: web.Request) -> web.StreamResponse:
        nonlocal calls
        calls += 1
        return refusal(503, {"reason": "unavailable"})

    async with serving(handle) as url:
        with pytest.raises(ServerTrouble):
            await call(url, route, **more)
    assert calls == expected


async def test_a_call_succeeds_when_the_server_comes_back() -> None:
    calls = 0

    async def handle(request: web.Request) -> web.StreamResponse:
        nonlocal calls
        calls += 1
        if calls == 1 and request.transport is not None:
            request.transport.abort()
        return answer() if calls > 2 else refusal(502, {"reason": "unavailable"})

    async with serving(handle) as url:
        assert await call(url, ASK) == ANSWER
    assert calls == 3


async def never_called(_request: web.Request) -> web.StreamResponse:
    raise AssertionError


async def test_nobody_there() -> None:
    async with serving(never_called) as url:
        pass
    with pytest.raises(Unreachable, match="cannot be reached"):
        await call(url, ASK)


async def test_a_server_that_does_not_answer_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "TIMEOUT_SECONDS", 0.1)
    never = asyncio.Event()

    async def handle(_request: web.Request) -> web.StreamResponse:
        await never.wait()
        return answer()

    async with serving(handle) as url:
        with pytest.raises(Unreachable):
            await call(url, ASK_ONCE)
        never.set()


def certificate_for(name: str, folder: Path) -> tuple[ssl.SSLContext, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + pem)
    (folder / "ca.pem").write_bytes(pem)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    return context, str(folder / "ca.pem")


async def test_a_certificate_has_to_prove_the_host(tmp_path: Path) -> None:
    calls = 0

    async def handle(_request: web.Request) -> web.StreamResponse:
        nonlocal calls
        calls += 1
        return answer()

    context, authority = certificate_for("localhost", tmp_path)
    async with serving(handle, context) as url:
        named = url.replace("127.0.0.1", "localhost")
        with pytest.raises(UntrustedServer, match="nothing was sent"):
            await call(named, ASK)
        with pytest.raises(UntrustedServer):
            await call(url, ASK, Way(ca_file=authority))
        assert calls == 0
        assert await call(named, ASK, Way(ca_file=authority)) == ANSWER


@asynccontextmanager
async def socks_proxy(target: tuple[str, int]) -> AsyncIterator[tuple[str, list[tuple[str, str, str]]]]:
    """A SOCKS5 proxy (RFC 1928, RFC 1929) that connects everything to one place and notes who asked for what."""
    asked: list[tuple[str, str, str]] = []

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, methods = await reader.readexactly(2)
        assert b"\x02" in await reader.readexactly(methods)
        writer.write(b"\x05\x02")
        _, size = await reader.readexactly(2)
        user = (await reader.readexactly(size)).decode()
        password = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        writer.write(b"\x01\x00")
        header = await reader.readexactly(4)
        assert header == b"\x05\x01\x00\x03"  # a name: it is for the proxy to resolve
        host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        await reader.readexactly(2)
        asked.append((user, password, host))
        inner_reader, inner_writer = await asyncio.open_connection(*target)
        writer.write(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
        await asyncio.gather(pipe(reader, inner_writer), pipe(inner_reader, writer), return_exceptions=True)

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
    finally:
        server.close()


async def test_everything_goes_through_the_proxy_each_plane_as_somebody_else() -> None:
    async def handle(_request: web.Request) -> web.StreamResponse:
        return answer()

    onion = "http://" + "a" * 56 + ".onion"
    async with serving(handle) as url:
        port = int(url.rpartition(":")[2])
        async with socks_proxy(("127.0.0.1", port)) as (proxy, asked):
            way = Way(proxy=SocksProxy.parse(proxy))
            assert await call(onion, ASK, way) == ANSWER
            assert await call(onion, MINE, way, token="t", name="x") == ANSWER
    assert [host for *_, host in asked] == ["a" * 56 + ".onion"] * 2
    assert len({user for user, *_ in asked}) == 2
    with pytest.raises(Unreachable, match="SOCKS proxy cannot be reached"):
        await call(onion, ASK, way)


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        ("https://chat.example", "https://chat.example"),
        (" chat.example:8443/ ", "https://chat.example:8443"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://localhost", "http://localhost"),
        ("http://[::1]:80", "http://[::1]:80"),
        ("http://abc.onion", "http://abc.onion"),
    ],
)
def test_server_addresses(typed: str, url: str) -> None:
    address = ServerAddress.parse(typed)
    assert address.url == url
    assert address.websocket_url == "ws" + url[4:] + "/a/v1/ws"


@pytest.mark.parametrize(
    "typed", ["", "https://", "ftp://chat.example", "https://a b", "https://u:p@h", "https://h/x", "h:x"]
)
def test_what_is_no_server_address(typed: str) -> None:
    with pytest.raises(BadServerAddress):
        ServerAddress.parse(typed)


@pytest.mark.parametrize("typed", ["http://chat.example", "http://10.0.0.1", "http://localhost.example"])
def test_plain_http_leaves_this_machine_only_through_tor(typed: str) -> None:
    with pytest.raises(InsecureServer):
        ServerAddress.parse(typed)


@pytest.mark.parametrize("typed", ["", "9050", "host", "host:0", "host:70000", "http://host:1", "a:b@host:1"])
def test_what_is_no_proxy_address(typed: str) -> None:
    with pytest.raises(BadProxyAddress):
        SocksProxy.parse(typed)


def test_proxy_addresses() -> None:
    for typed in ("127.0.0.1:9050", "socks5h://127.0.0.1:9050", "[::1]:9050"):
        proxy = SocksProxy.parse(typed)
        assert SocksProxy.parse(proxy.address, proxy.isolation) == proxy
    assert SocksProxy.parse("h:1").login("a") != SocksProxy.parse("h:1").login("a")
