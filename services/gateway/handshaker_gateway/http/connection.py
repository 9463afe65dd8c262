"""One client's connection, with the limits that aiohttp leaves open.

What aiohttp 3.14.5 has: a limit for each header field and for their number, keep-alive (which also ends a header that
does not arrive, after the whole keep-alive time), back-pressure on pipelined requests. What it has not: a limit for
the header as a whole, a time limit for it, a number of requests after which a connection ends, and errors in our form
(its own answer text/plain and log what was sent). Those are here.
"""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_exceptions import LineTooLong
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from handshaker_common import metrics
from handshaker_common.errors import ServiceError

from handshaker_gateway.domain.bounds import (
    HEADER_SECONDS,
    KEEP_ALIVE_SECONDS,
    LARGEST_BODY,
    LARGEST_HEADER,
    MOST_FIELDS,
    MOST_REQUESTS,
)
from handshaker_gateway.domain.problems import HEADER_TOO_LARGE, HEADER_TOO_SLOW, NOT_HTTP, Problem
from handshaker_gateway.http.answers import problem_response

# How long a body that nobody wanted is still read, so that the client gets to see its answer.
LINGER_SECONDS = 2.0


Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class NoFastParser(ServiceError):
    """aiohttp's parser in C is not there."""


def require_fast_parser() -> None:
    """Refuses to run on aiohttp's Python parser, which is slower and has had holes of its own.

    Raises:
        NoFastParser: the C extension is missing or switched off.
    """
    from aiohttp import http_parser  # noqa: PLC0415 - what it holds is what is asked here

    if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
        raise NoFastParser(
            "aiohttp runs without its C parser. Install its wheel for this platform, and unset AIOHTTP_NO_EXTENSIONS."
        )


class Connection(web.RequestHandler):
    """aiohttp's protocol for one connection, stricter."""

    __slots__ = ("_header_bytes", "_header_seconds", "_header_timer", "_served")

    def __init__(self, manager: "ConnectionServer", loop: asyncio.AbstractEventLoop, header_seconds: float) -> None:
        super().__init__(
            manager,
            loop=loop,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
            access_log=None,  # type: ignore[arg-type] # aiohttp means it: None switches the log off
            max_line_size=LARGEST_HEADER,
            max_field_size=LARGEST_HEADER,
            max_headers=MOST_FIELDS,
            lingering_time=LINGER_SECONDS,
            auto_decompress=False,
        )
        self._header_seconds = header_seconds
        self._served = 0
        self._header_bytes = 0
        self._header_timer: asyncio.TimerHandle | None = None

    def used_up(self) -> bool:
        """Counts a request that is being answered; whether it is the last that the connection may carry."""
        self._served += 1
        return self._served >= MOST_REQUESTS

    def data_received(self, data: bytes) -> None:
        """Feeds the parser; between requests, counts and times what does not yet make a whole header."""
        # Bytes may come before aiohttp's task has begun to wait for the first request.
        waiting = self._waiter is not None and not self._waiter.done()
        between = waiting or self._request_count == 0
        super().data_received(data)
        if not between or self.transport is None:
            return
        if self._messages:
            self._header_arrived()
            return
        self._header_bytes += len(data)
        if self._header_bytes > LARGEST_HEADER:
            self._refuse(HEADER_TOO_LARGE)
        elif self._header_timer is None:
            self._header_timer = self._loop.call_later(self._header_seconds, self._refuse, HEADER_TOO_SLOW)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._header_arrived()
        super().connection_lost(exc)

    def _header_arrived(self) -> None:
        self._header_bytes = 0
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _refuse(self, problem: Problem) -> None:
        """Answers a request that has not arrived as a whole, and ends the connection."""
        metrics.GATEWAY_DROPPED.labels(problem.reason).inc()
        self._header_arrived()
        if self.transport is not None:
            fields = problem.headers() | {"Content-Length": str(len(problem.body())), "Connection": "close"}
            head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
            status = f"HTTP/1.1 {problem.status} {problem.reason}\r\n"
            self.transport.write(f"{status}{head}\r\n".encode() + problem.body())
        self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answers what the parser could not read; nothing of it is logged."""
        del request, status
        too_many = message is not None and message.startswith("Too many headers")
        problem = HEADER_TOO_LARGE if isinstance(exc, LineTooLong) or too_many else NOT_HTTP
        metrics.GATEWAY_DROPPED.labels(problem.reason).inc()
        response = problem_response(problem)
        response.force_close()
        return response


class ConnectionServer(web.Server):
    """Makes a `Connection` for each client and a `web.Request` for each request."""

    def __init__(self, handler: Handler, *, header_seconds: float = HEADER_SECONDS) -> None:
        self._header_seconds = header_seconds
        super().__init__(handler, request_factory=self._request)

    def __call__(self) -> Connection:
        return Connection(self, asyncio.get_running_loop(), self._header_seconds)

    def _request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: "asyncio.Task[None]",
    ) -> web.Request:
        loop = asyncio.get_running_loop()
        return web.Request(message, payload, protocol, writer, task, loop, client_max_size=LARGEST_BODY)
