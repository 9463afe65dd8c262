"""One request, from its header to its answer."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web
from handshaker_common import metrics
from handshaker_common.errors import Rejected
from handshaker_common.log import get_logger, where
from handshaker_proto.options.v1 import options_pb2

from handshaker_gateway.domain import admission, media, problems, transcoding
from handshaker_gateway.domain.bounds import LARGEST_HEADER
from handshaker_gateway.domain.malformed import Malformed
from handshaker_gateway.domain.problems import Problem, Refusal
from handshaker_gateway.domain.routes import Match, NoSuchMethod, Route, RouteTable
from handshaker_gateway.domain.rpc_errors import problem_of
from handshaker_gateway.http.answers import STRICT_TRANSPORT, message_response, problem_response
from handshaker_gateway.http.backends import Backends
from handshaker_gateway.http.body import read_body
from handshaker_gateway.http.connection import Connection
from handshaker_gateway.http.limiting import Limiting
from handshaker_gateway.http.system import System
from handshaker_gateway.http.tokens import Tokens, require_anonymous
from handshaker_gateway.limiters import Limiter

WEBSOCKET = "/a/v1/ws"
# The label of metrics for whatever has no route.
UNROUTED = "none"
SocketHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Parts:
    """What a gateway is made of."""

    routes: RouteTable
    backends: Backends
    tokens: Tokens
    limiting: Limiting
    system: System
    sockets: SocketHandler
    hosts: frozenset[str]
    tls: bool


class RequestHandler:
    """Answers every request that arrives on any connection."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.in_flight = 0
        self.draining = False

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """The answer to a request, always; counted by its route's template and never by what stands in it."""
        started = time.monotonic()
        template = self._template(request)
        if template == WEBSOCKET:
            response = await self._guarded(request, template)
        else:
            self.in_flight += 1
            try:
                response = await self._guarded(request, template)
            finally:
                self.in_flight -= 1
            metrics.GATEWAY_SECONDS.labels(template).observe(time.monotonic() - started)
        protocol = request.protocol
        used_up = isinstance(protocol, Connection) and protocol.used_up()
        if self.draining or used_up:
            response.force_close()
        if self._parts.tls and not response.prepared:
            response.headers[STRICT_TRANSPORT[0]] = STRICT_TRANSPORT[1]
        return response

    def _template(self, request: web.BaseRequest) -> str:
        path = request.raw_path.partition("?")[0]
        if path == WEBSOCKET or path in self._parts.system.paths:
            return path
        found = self._parts.routes.find(request.method, path)
        return found.route.template if isinstance(found, Match) else UNROUTED

    async def _guarded(self, request: web.BaseRequest, template: str) -> web.StreamResponse:
        """The answer, with every error turned into a problem."""
        reason = "none"
        try:
            response = await self._answer(request)
        except Refusal as refusal:
            response, reason = self._refused(refusal.problem)
        except Malformed as malformed:
            response, reason = self._refused(problems.malformed(malformed.sentence))
        except Rejected as error:
            problem = problem_of(error.code.name, error.reason, error.sentence, error.retry_after)
            response, reason = self._refused(problem)
        except ConnectionError:
            raise
        except Exception as error:
            get_logger().error("a request failed", method=template, **where(error))
            if request.writer.output_size > 0:  # a WebSocket that was open already
                raise ConnectionAbortedError from error
            response, reason = self._refused(problems.INTERNAL)
        metrics.GATEWAY_REQUESTS.labels(template, f"{response.status // 100}xx", reason).inc()
        return response

    def _refused(self, problem: Problem) -> tuple[web.Response, str]:
        return problem_response(problem), problem.reason.value

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path, query_mark, _ = request.raw_path.partition("?")
        self._check_header(request)
        system = self._parts.system.paths.get(path)
        if system is not None:
            if request.method != "GET":
                raise Refusal(problems.not_allowed(("GET",)))
            return await system()
        self._check_host(request)
        if query_mark:
            raise Malformed("No address here takes a query: what stands in one ends up in logs.")
        if path == WEBSOCKET:
            return await self._socket(request)
        found = self._parts.routes.find(request.method, path)
        match found:
            case None:
                raise Refusal(problems.NOT_FOUND)
            case NoSuchMethod(allowed):
                raise Refusal(problems.not_allowed(allowed))
            case Match():
                return await self._serve(request, found)

    def _check_header(self, request: web.BaseRequest) -> None:
        size = len(request.method) + len(request.raw_path) + 12  # two spaces, HTTP/1.1 and the end of the line
        size += sum(len(name) + len(value) + 4 for name, value in request.raw_headers)
        if size > LARGEST_HEADER:
            raise Refusal(problems.HEADER_TOO_LARGE)
        if not request.raw_path.startswith("/"):
            raise Refusal(problems.NOT_HTTP)  # the absolute form is for proxies, of which this is none

    def _check_host(self, request: web.BaseRequest) -> None:
        hosts = self._parts.hosts
        host = request.headers.get("Host", "").lower()
        name = host[: host.rfind("]") + 1] if host.startswith("[") else host.partition(":")[0]
        if hosts and name not in hosts:
            raise Refusal(problems.UNKNOWN_HOST)

    async def _socket(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method != "GET":
            raise Refusal(problems.not_allowed(("GET",)))
        require_anonymous(request)
        if "Origin" in request.headers:
            # CORS does not cover WebSockets: without this, any page could open one from its visitors' browsers.
            raise Refusal(problems.ORIGIN_NOT_ALLOWED)
        await self._parts.limiting.charge(Limiter.SOCKET_OPEN, self._parts.limiting.prefix(request))
        assert isinstance(request, web.Request)  # noqa: S101 - ConnectionServer makes no others
        return await self._parts.sockets(request)

    async def _serve(self, request: web.BaseRequest, found: Match) -> web.StreamResponse:
        """Who, how often, in which form, paid with what: in this order, so that the cheapest refusal comes first."""
        route = found.route
        token = await self._admit(request, route)
        body_media, answer_media = _media(request, route)
        message = transcoding.request_message(found, body_media, await self._body(request, route))
        if route.rule.admission != options_pb2.FREE:
            await self._redeem(request, route)
        response = await self._parts.backends.call(route, message, token)
        answer = transcoding.answer(route, response)
        if isinstance(answer, Problem):
            raise Refusal(answer)
        return message_response(answer, answer_media)

    async def _admit(self, request: web.BaseRequest, route: Route) -> str | None:
        """Checks the plane and the limiter; the caller's token on the account plane."""
        if not route.needs_token:
            require_anonymous(request)
            await self._parts.limiting.charge(route.limiter, self._parts.limiting.prefix(request))
            return None
        caller = await self._parts.tokens.caller(request)
        await self._parts.limiting.charge(route.limiter, str(caller.identity.account_id))
        return caller.token

    async def _body(self, request: web.BaseRequest, route: Route) -> bytes:
        if route.takes_body:
            return await read_body(request)
        if request.body_exists:
            raise Malformed(f"A {route.verb} request has no body here.")
        return b""

    async def _redeem(self, request: web.BaseRequest, route: Route) -> None:
        """Spends the admission, last of all checks: a request with a mistake in it costs nothing."""
        fields = request.headers.getall(admission.HEADER, [])
        if not fields:
            raise Refusal(admission.required(route.rule.admission))
        if len(fields) > 1:
            raise Malformed(f"The header field {admission.HEADER} stands twice.")
        await self._parts.backends.redeem(admission.read(fields[0], route.rule.admission))


def _media(request: web.BaseRequest, route: Route) -> tuple[media.Media | None, media.Media]:
    """The encodings of body and answer.

    Raises:
        Refusal: the body has another, or the client takes neither.
    """
    body = None
    if route.takes_body and request.body_exists:
        body = media.of_body(request.headers.get("Content-Type", ""))
        if body is None or request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise Refusal(problems.UNSUPPORTED)
    answer = media.of_answer(",".join(request.headers.getall("Accept", [])), body)
    if answer is None:
        raise Refusal(problems.NOT_ACCEPTABLE)
    return body, answer
