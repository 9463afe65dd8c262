"""The gateway's process: everything put together."""

import asyncio
import ssl
from collections.abc import Callable
from typing import NoReturn

from handshaker_common import metrics
from handshaker_common.command import run_service
from handshaker_common.entropy import system_entropy
from handshaker_common.redis_client import open_redis
from handshaker_common.server import PortInUse, Service
from handshaker_common.tokens import KeySetSource

from handshaker_gateway.domain import openapi
from handshaker_gateway.domain.routes import RouteTable, all_routes
from handshaker_gateway.domain.tokens import TokenMemory
from handshaker_gateway.http.backends import Backends
from handshaker_gateway.http.connection import ConnectionServer, require_fast_parser
from handshaker_gateway.http.handler import Parts, RequestHandler
from handshaker_gateway.http.limiting import Limiting
from handshaker_gateway.http.system import Readiness, System
from handshaker_gateway.http.tokens import Tokens
from handshaker_gateway.limiters import Limiter, Limits
from handshaker_gateway.settings import GatewaySettings
from handshaker_gateway.sockets import SocketBridge, SocketLimits
from handshaker_gateway.store import LimiterStore

NAME = "gateway"
TLS_HANDSHAKE_SECONDS = 10.0
BACKLOG = 1024
POLL_SECONDS = 0.02
# Of the time for draining, what is kept for closing connections that did not end by themselves.
STOP_SECONDS = 1.0


class Gateway:
    """The HTTP side of the process. `start` binds the port, `drain` lets requests in flight end."""

    def __init__(self, settings: GatewaySettings, service: Service, keys: KeySetSource) -> None:
        require_fast_parser()
        self._settings = settings
        self.keys = keys
        self._redis = open_redis(settings.redis_url.get_secret_value())
        limits = settings.limits_in_force
        self.bridge = SocketBridge(service.channels, service.clock, socket_limits(limits))
        self._readiness = Readiness(service.channels, service.clock, self.bridge.ready)
        routes = RouteTable(all_routes())
        store = LimiterStore(self._redis, limits, service.clock, system_entropy)
        self._handler = RequestHandler(
            Parts(
                routes=routes,
                backends=Backends(service.channels),
                tokens=Tokens(keys, TokenMemory(service.clock)),
                limiting=Limiting(store, settings.forwarded_hops),
                system=System(self._readiness, keys, openapi.document(routes)),
                sockets=self.bridge.handle,
                hosts=settings.host_names,
                tls=settings.serves_tls,
            )
        )
        self._connections = ConnectionServer(self._handler.handle)
        self._listener: asyncio.Server | None = None
        self.port = 0
        metrics.GATEWAY_SOCKETS.set_function(lambda: metrics.floored(self.bridge.sockets))

    async def start(self) -> None:
        """Begins to serve.

        Raises:
            PortInUse: somebody listens there already.
        """
        await self.bridge.start()
        host, _, port = self._settings.listen.rpartition(":")
        context = tls_context(self._settings)
        try:
            self._listener = await asyncio.get_running_loop().create_server(
                self._connections,
                host.strip("[]"),
                int(port),
                ssl=context,
                ssl_handshake_timeout=TLS_HANDSHAKE_SECONDS if context else None,
                backlog=BACKLOG,
            )
        except OSError as error:
            raise PortInUse(f"{self._settings.listen} cannot be bound: is another process there?") from error
        self.port = self._listener.sockets[0].getsockname()[1]

    async def ready(self) -> bool:
        """Whether requests can be served."""
        return not await self._readiness.missing()

    async def drain(self) -> None:
        """Says that it is not ready, closes WebSockets, ends what is in flight, then stops listening."""
        self._readiness.draining = True
        await asyncio.sleep(self._settings.unready_seconds)
        self._handler.draining = True
        await self.bridge.stop()
        if self._listener is not None:
            self._listener.close()
        left = self._settings.drain_seconds - self._settings.unready_seconds - STOP_SECONDS
        await _until(lambda: self._handler.in_flight == 0, left)
        self._connections.pre_shutdown()
        await self._connections.shutdown(STOP_SECONDS / 2)
        await self._redis.aclose()


async def _until(condition: Callable[[], bool], seconds: float) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not condition() and loop.time() < deadline:  # noqa: ASYNC110 - a counter, not an event
        await asyncio.sleep(POLL_SECONDS)


def socket_limits(limits: Limits) -> SocketLimits:
    """What one WebSocket may send, from the registry."""
    size, messages = limits[Limiter.SOCKET_BYTES], limits[Limiter.SOCKET_MESSAGES]
    return SocketLimits(
        bytes_burst=size.burst,
        bytes_rate=size.burst / size.period,
        messages_burst=messages.burst,
        messages_rate=messages.burst / messages.period,
    )


def tls_context(settings: GatewaySettings) -> ssl.SSLContext | None:
    """TLS 1.3 alone, HTTP/1.1 alone; None when a proxy in front does it or the port is on loopback."""
    if settings.public_certificate_file is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(settings.public_certificate_file, settings.public_key_file)
    return context


async def serve(settings: GatewaySettings) -> int:
    """Serves until SIGTERM; the process's exit status."""
    async with Service(NAME, settings) as service:
        assert service.key_set is not None  # noqa: S101 - the settings require auth's target
        gateway = Gateway(settings, service, service.key_set)
        await gateway.start()
        service.more_ports["http"] = gateway.port
        service.ready_when(gateway.ready)
        service.on_drain(gateway.drain)
        return await service.serve()


def main() -> NoReturn:
    """The command line."""
    run_service(NAME, GatewaySettings, serve)
