"""HTTP to one deployment: protobuf in, protobuf or a problem document out.

The account plane and the anonymous plane never share a connection, and no two anonymous calls do: otherwise the server
could join by the connection what the protocol keeps apart.
"""

import asyncio
import json
import random
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Any, Self, TypeVar

import aiohttp
from aiohttp_socks import ProxyConnectionError, ProxyConnector, ProxyError, ProxyTimeoutError
from google.protobuf.message import DecodeError, Message

from handshaker_core.net.errors import RateLimited, RefusedByServer, ServerTrouble, Unreachable, UntrustedServer
from handshaker_core.net.server import ServerAddress, SocksProxy

M = TypeVar("M", bound=Message)

PROTOBUF = "application/x-protobuf"
TIMEOUT_SECONDS = 20.0
TIMEOUT_SECONDS_PROXY = 60.0
ATTEMPTS = 3
FIRST_PAUSE_SECONDS = 0.3
LARGEST_ANSWER = 256 * 1024
DEFAULT_RETRY_AFTER = 5.0
HEADERS = {"User-Agent": "handshaker", "Accept": PROTOBUF}

_REASON = re.compile(r"[a-z][a-z0-9_]{0,63}")
_TOO_MANY_REQUESTS = 429
_SERVER_ERRORS = 500


class Plane(Enum):
    """Which of the two planes a call belongs to."""

    ACCOUNT = "account"
    ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True)
class Route:
    """One method of the contract.

    Attributes:
        idempotent: whether a call whose answer was lost may be repeated without harm.
    """

    plane: Plane
    verb: str
    path: str
    idempotent: bool


@dataclass(frozen=True, slots=True)
class Way:
    """How connections are made.

    Attributes:
        proxy: None connects directly.
        ca_file: certificates to trust instead of the system's.
    """

    proxy: SocksProxy | None = None
    ca_file: str | None = None

    def connector(self, purpose: str, *, keep_alive: bool) -> aiohttp.BaseConnector:
        """A connector whose connections serve this purpose alone. Names are resolved by the proxy where there is one."""
        tls: ssl.SSLContext | bool = ssl.create_default_context(cafile=self.ca_file) if self.ca_file else True
        options: dict[str, Any] = {"ssl": tls, "force_close": not keep_alive, "limit": 8}
        if self.proxy is None:
            return aiohttp.TCPConnector(**options)
        user, password = self.proxy.login(purpose)
        return ProxyConnector(
            host=self.proxy.host, port=self.proxy.port, username=user, password=password, rdns=True, **options
        )

    @property
    def timeout(self) -> float:
        """Seconds that an answer may take."""
        return TIMEOUT_SECONDS if self.proxy is None else TIMEOUT_SECONDS_PROXY

    def session(self, purpose: str, *, keep_alive: bool) -> aiohttp.ClientSession:
        """A session that keeps no cookies and takes nothing from the environment."""
        return aiohttp.ClientSession(
            connector=self.connector(purpose, keep_alive=keep_alive),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=HEADERS,
            timeout=aiohttp.ClientTimeout(total=self.timeout),
            trust_env=False,
            auto_decompress=False,
        )


@asynccontextmanager
async def explained() -> AsyncIterator[None]:
    """Turn every failure to get an answer into one of ours.

    Raises:
        UntrustedServer, Unreachable.
    """
    try:
        yield
    except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError, ssl.SSLError) as error:
        raise UntrustedServer from error
    except (ProxyConnectionError, ProxyTimeoutError) as error:
        raise Unreachable("The SOCKS proxy cannot be reached.") from error
    except ProxyError as error:
        raise Unreachable("The SOCKS proxy could not reach the server.") from error
    except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
        raise Unreachable from error


class Transport:
    """The HTTP connections of one client; closed by `close`."""

    def __init__(self, server: ServerAddress, way: Way) -> None:
        self._server = server
        self._sessions = {
            Plane.ACCOUNT: way.session("account", keep_alive=True),
            Plane.ANONYMOUS: way.session("anonymous", keep_alive=False),
        }

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        for session in self._sessions.values():
            await session.close()

    async def call(
        self,
        route: Route,
        request: Message | None,
        answer: type[M],
        *,
        token: str | None = None,
        admission: str | None = None,
        **parameters: str,
    ) -> M:
        """Make one call.

        Args:
            route: the method.
            request: its body; None for methods without one.
            answer: the message that stands in the success arm of the outcome.
            token: the access token, on the account plane.
            admission: the `Admission` header, where the method has a price. It can be spent only once, so that such a
                call is never repeated here.
            parameters: what stands in the path.

        Raises:
            Unreachable, ServerTrouble, UntrustedServer: no answer.
            RateLimited, RefusedByServer: the answer is no.
        """
        headers: dict[str, str] = {}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if admission is not None:
            headers["Admission"] = admission
        if request is not None:
            headers["Content-Type"] = PROTOBUF
        body = None if request is None else request.SerializeToString()
        path = route.path.format(**parameters)
        attempts = ATTEMPTS if route.idempotent and admission is None else 1
        for attempt in range(1, attempts + 1):
            try:
                content = await self._once(route, path, headers, body)
            except Unreachable:
                if attempt == attempts:
                    raise
                await asyncio.sleep(pause(attempt))
            else:
                return _parse(content, answer)
        raise AssertionError("unreachable")

    async def _once(self, route: Route, path: str, headers: dict[str, str], body: bytes | None) -> bytes:
        session = self._sessions[route.plane]
        async with (
            explained(),
            session.request(
                route.verb, self._server.url + path, headers=headers, data=body, allow_redirects=False
            ) as response,
        ):
            content = await _read(response)
            if response.status == 200:  # noqa: PLR2004
                if response.content_type != PROTOBUF:
                    raise ServerTrouble("There is something else than a Handshaker server at this address.")
                return content
            raise problem(response.status, content, response.headers.get("Retry-After"))


async def _read(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > LARGEST_ANSWER:
            raise ServerTrouble("The server's answer is larger than any that it should give.")
    return bytes(content)


def pause(attempt: int) -> float:
    """Seconds before the next attempt: exponential, with full jitter."""
    return random.uniform(0, FIRST_PAUSE_SECONDS * 2**attempt)  # noqa: S311 - spreads load, guards nothing


def problem(status: int, content: bytes, retry_after: str | None) -> RefusedByServer | ServerTrouble:
    """The exception for a problem document (RFC 9457), or for whatever else came with an error status."""
    code = _reason(content)
    if code is None or status >= _SERVER_ERRORS:
        return ServerTrouble()
    if status == _TOO_MANY_REQUESTS:
        seconds = float(retry_after) if retry_after is not None and retry_after.isdigit() else DEFAULT_RETRY_AFTER
        return RateLimited(code, min(seconds, 86_400.0))
    return RefusedByServer(code, status)


def _reason(content: bytes) -> str | None:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None
    reason = document.get("reason") if isinstance(document, dict) else None
    return reason if isinstance(reason, str) and _REASON.fullmatch(reason) else None


def _parse(content: bytes, answer: type[M]) -> M:
    message = answer()
    try:
        message.ParseFromString(content)
    except DecodeError:
        raise ServerTrouble("The server's answer cannot be read.") from None
    return message
