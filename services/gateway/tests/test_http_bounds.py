"""Sizes, times and bytes on the wire: what is too much, too slow or not quite HTTP."""

import asyncio
import gzip
import json

import pytest
import pytest_asyncio
from aiohttp import http_parser
from gateway_raw import raw, statuses
from handshaker_gateway.domain.bounds import LARGEST_BODY, LARGEST_HEADER, MOST_FIELDS, MOST_REQUESTS
from handshaker_gateway.http import body as body_module
from handshaker_gateway.http import connection
from handshaker_gateway.http.answers import json_response
from handshaker_gateway.http.connection import ConnectionServer, NoFastParser, require_fast_parser

pytestmark = pytest.mark.asyncio(loop_scope="session")
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def problem_in(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    return json.loads(body)


def post(headers, body=b"", path="/a/v1/challenges"):
    return f"POST {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode() + body


async def test_bodies_end_at_64_kib(stack):
    padding = b" " * (LARGEST_BODY - len(b'{"purpose": "MAILBOX"}'))
    exact = b'{"purpose": "MAILBOX"}' + padding
    fields = {"Content-Type": "application/json"}
    assert (await stack.send("POST", "/a/v1/challenges", data=exact, headers=fields)).status == 200
    answer = await stack.send("POST", "/a/v1/challenges", data=exact + b" ", headers=fields)
    assert (answer.status, answer.reason) == (413, "too_large")

    async def chunks():
        for _ in range(20):
            yield b" " * 4096

    answer = await stack.send("POST", "/a/v1/challenges", data=chunks(), headers=fields)
    assert (answer.status, answer.reason) == (413, "too_large")


async def test_a_large_body_is_refused_before_it_is_sent(stack):
    announced = post("Content-Type: application/json\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n")
    answer = await raw(stack.port, announced)
    assert statuses(answer) == [413]
    assert problem_in(answer)["reason"] == "too_large"


async def test_continue_is_said_when_the_body_is_wanted(stack):
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.port)
    body = b'{"purpose": "MAILBOX"}'
    fields = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n"
    writer.write(post(f"{fields}Connection: close\r\n"))
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(body)
    assert statuses(await reader.read()) == [200]
    writer.close()


@pytest.mark.parametrize(
    "header",
    [
        b"X-Long: " + b"a" * LARGEST_HEADER,
        b"X-" + b"a" * LARGEST_HEADER + b": b",
        b"\r\n".join(b"X-%d: %s" % (i, b"a" * 400) for i in range(25)),
        b"\r\n".join(b"X-%d: a" % i for i in range(MOST_FIELDS + 1)),
    ],
    ids=["value", "name", "together", "fields"],
)
async def test_large_headers(stack, header):
    answer = await raw(stack.port, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + header + b"\r\n\r\n")
    assert statuses(answer) == [431]
    assert problem_in(answer)["reason"] == "header_too_large"


async def test_headers_just_within_their_bounds(stack):
    few = b"\r\n".join(b"X-%d: a" % i for i in range(MOST_FIELDS - 2))
    answer = await raw(stack.port, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + few + b"\r\n\r\n")
    assert statuses(answer) == [200]
    long = b"X-Long: " + b"a" * (LARGEST_HEADER - 200)
    answer = await raw(stack.port, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + long + b"\r\n\r\n")
    assert statuses(answer) == [200]


async def test_a_header_without_end_is_cut_off(stack):
    pieces = [b"X-%d: %s\r\n" % (i, b"a" * 1000) for i in range(12)]
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
    answer = await asyncio.wait_for(reader.read(), 5)
    assert statuses(answer) == [431]
    writer.close()


@pytest_asyncio.fixture(loop_scope="session")
async def hurried():
    """A server whose patience with headers is short, and its port."""

    async def handle(_request):
        return json_response({})

    server = ConnectionServer(handle, header_seconds=0.2)
    listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    yield listener.sockets[0].getsockname()[1]
    listener.close()
    await server.shutdown(0.1)


async def dribble(writer, data):
    """One byte at a time, for as long as somebody listens."""
    for byte in data:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("before", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"], ids=["first", "second"])
async def test_a_slow_header_is_cut_off(hurried, before):
    reader, writer = await asyncio.open_connection("127.0.0.1", hurried)
    if before:
        writer.write(before)
        await reader.readuntil(b"{}")
    dripping = asyncio.ensure_future(dribble(writer, b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: " + b"a" * 1000))
    answer = await asyncio.wait_for(reader.read(), 5)
    dripping.cancel()
    await asyncio.gather(dripping, return_exceptions=True)
    assert statuses(answer) == [408]
    assert problem_in(answer)["reason"] == "too_slow"
    writer.close()


class Silent(asyncio.Transport):
    """A transport that keeps what is written, for calling a protocol in an order of one's own."""

    def __init__(self):
        super().__init__()
        self.written = b""
        self.closed = asyncio.Event()

    def write(self, data):
        self.written += data

    def close(self):
        self.closed.set()


async def test_bytes_that_come_before_the_server_is_ready_are_timed_too():
    async def handle(_request):
        return json_response({})

    transport = Silent()
    protocol = ConnectionServer(handle, header_seconds=0.1)()
    protocol.connection_made(transport)
    protocol.data_received(b"GET / HTTP/1.1\r\nHost")
    await asyncio.wait_for(transport.closed.wait(), 5)
    assert statuses(transport.written) == [408]
    protocol.connection_lost(None)


async def test_a_header_in_pieces_is_no_slow_header(hurried):
    assert statuses(await raw(hurried, b"GET / HT", b"TP/1.1\r\nHost", b": x\r\nConnection: close\r", b"\n\r\n")) == [
        200
    ]


async def test_an_idle_connection_is_not_hurried(hurried):
    reader, writer = await asyncio.open_connection("127.0.0.1", hurried)
    for _ in range(2):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"{}")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.4)  # longer than a header may take
    writer.close()


async def test_a_slow_body_is_cut_off(stack, monkeypatch):
    monkeypatch.setattr(body_module, "PIECE_SECONDS", 0.2)
    fields = "Content-Type: application/json\r\nContent-Length: 22\r\n"
    answer = await raw(stack.port, post(fields, b'{"purpose"'))
    assert statuses(answer) == [408]
    assert problem_in(answer)["reason"] == "too_slow"
    monkeypatch.setattr(body_module, "PIECE_SECONDS", 5)
    monkeypatch.setattr(body_module, "BODY_SECONDS", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.port)
    writer.write(post("Content-Type: application/json\r\nContent-Length: 2000\r\n"))
    dripping = asyncio.ensure_future(dribble(writer, b" " * 1000))
    assert statuses(await asyncio.wait_for(reader.readuntil(b"}"), 5)) == [408]
    dripping.cancel()
    await asyncio.gather(dripping, return_exceptions=True)
    writer.close()


async def test_connections_end_after_some_requests(stack):
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = await raw(stack.port, request * (MOST_REQUESTS + 20))
    assert statuses(answer) == [200] * MOST_REQUESTS
    assert answer.count(b"Connection: close") == 1


SMUGGLED = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 2\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nContent-Length: 2",
        b"Content-Length: 2\r\nContent-Length: 2",
        b"Content-Length: 2\r\nContent-Length: 40",
        b"Content-Length: 2, 2",
        b"Content-Length: +2",
        b"Content-Length: -2",
        b"Content-Length: 0x2",
        b"Content-Length: 2 2",
        b"Content-Length : 2",
        b"Content-Length:",
        b"Content-Length: 18446744073709551618",
        b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding: chunked, identity",
        b"Transfer-Encoding: identity",
        b"Transfer-Encoding: gzip, chunked, x",
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding:\x0bchunked",
        b"Transfer-Encoding: chunked\x00",
        b"Transfer-Encoding\r\n: chunked",
        b"X: y\r\n Transfer-Encoding: chunked",
        b"X: y\nContent-Length: 2",
        b"X: y\rContent-Length: 2",
        b"X\x00: y",
        b": y",
        b"X y",
        b"Host: other",
        b"Host: x",
    ],
    ids=repr,
)
async def test_ambiguous_requests_are_refused_and_end_the_connection(stack, fields):
    request = b"POST /a/v1/challenges HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + fields
    answer = await raw(stack.port, request + b"\r\n\r\n{}" + SMUGGLED)
    assert statuses(answer) in ([400], [411]), answer
    assert problem_in(answer)["reason"] == "malformed"
    assert b"aiohttp" not in answer


async def test_the_same_requests_without_ambiguity_are_served(stack):
    """The positive control of the test above: two requests on one connection, by length and in chunks."""
    body = b'{"purpose":"MAILBOX"}'
    sized = post(f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n", body)
    chunked = post("Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n")
    chunked += b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    assert statuses(await raw(stack.port, sized + chunked + HEALTH)) == [200, 200, 200]


@pytest.mark.parametrize(
    "chunk", [b"zz\r\n{}\r\n0\r\n\r\n", b"-1\r\n", b"ffffffffffffffffff\r\n{}", b"2\r\n{}xx0\r\n\r\n", b"2\n{}\n0\n\n"]
)
async def test_broken_chunks(stack, chunk):
    request = post("Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n", chunk)
    answer = await raw(stack.port, request + SMUGGLED)
    assert statuses(answer) == [400]


@pytest.mark.parametrize(
    "line",
    [
        b"GET http://other/healthz HTTP/1.1",
        b"GET healthz HTTP/1.1",
        b"GET /healthz",
        b"GET /healthz HTTP/3.0",
        b"GET  /healthz HTTP/1.1",
        b"GET /health z HTTP/1.1",
        b"get /healthz HTTP/1.1",
        b"GETT /healthz HTTP/1.1",
        b"CONNECT other:443 HTTP/1.1",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0",
    ],
    ids=repr,
)
async def test_request_lines_that_are_none(stack, line):
    answer = await raw(stack.port, line + b"\r\nHost: x\r\nConnection: close\r\n\r\n" + SMUGGLED)
    assert statuses(answer)[:1] == [400], answer
    assert 200 not in statuses(answer)


async def test_a_request_without_a_host(stack):
    assert statuses(await raw(stack.port, b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n")) == [400]


async def test_nothing_of_a_bad_request_is_repeated_or_logged(stack, capfd):
    sentinel = b"s3ntinel-Value"
    for request in (
        b"GET /%s HTTP/1.1\r\nHost: x\r\nBad Header %s: y\r\n\r\n" % (sentinel, sentinel),
        b"%s /x HTTP/1.1\r\nHost: x\r\n\r\n" % sentinel,
        b"GET /%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % sentinel,
        b"GET /v1/account HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer %s\r\n\r\n" % sentinel,
        post(f"Content-Type: {sentinel.decode()}\r\nContent-Length: 2\r\nConnection: close\r\n", b"{}"),
    ):
        answer = await raw(stack.port, request)
        assert statuses(answer)
        assert sentinel not in answer
    out, err = capfd.readouterr()
    assert sentinel.decode() not in out + err


async def test_without_the_parser_in_c_nothing_starts(monkeypatch):
    require_fast_parser()
    monkeypatch.setattr(http_parser, "HttpRequestParser", http_parser.HttpRequestParserPy)
    with pytest.raises(NoFastParser, match="C parser"):
        require_fast_parser()


async def test_compressed_bodies_are_not_unpacked(stack):
    bomb = gzip.compress(b" " * 10_000_000)
    fields = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = await stack.send("POST", "/a/v1/challenges", data=bomb, headers=fields)
    assert (answer.status, answer.reason) == (415, "unsupported_media_type")
    assert connection.LARGEST_BODY == LARGEST_BODY
