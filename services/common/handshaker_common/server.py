"""What every service process does: serve gRPC and metrics, tell its health, drain, stop."""

import asyncio
import contextlib
import json
import os
import signal
import threading
from collections.abc import Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Any, Self

import grpc
import uvloop
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from handshaker_proto.options.v1 import options_pb2
from handshaker_proto.rules import all_files
from prometheus_client import start_http_server

from handshaker_common import log, metrics
from handshaker_common.channels import LARGEST_MESSAGE, Channels
from handshaker_common.clock import Clock, SystemClock
from handshaker_common.config import ServiceSettings
from handshaker_common.errors import ServiceError
from handshaker_common.guard import Guard, Verifier
from handshaker_common.tokens import KeySetSource

OPTIONS: list[tuple[str, Any]] = [
    ("grpc.max_receive_message_length", LARGEST_MESSAGE),
    ("grpc.max_send_message_length", LARGEST_MESSAGE),
    ("grpc.max_metadata_size", 16 * 1024),
    ("grpc.max_concurrent_streams", 1024),
    ("grpc.so_reuseport", 0),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
]
READINESS_SECONDS = 1.0
# Until the first time, so that a start is as quick as what it waits for.
FIRST_READINESS_SECONDS = 0.05


class PortInUse(ServiceError):
    """Another process listens where this one should."""


class Service:
    """One process. Use it as an asynchronous context manager, add servicers to `server`, then `serve()`.

    `verifier` checks access tokens; without one, auth's keys are fetched when HANDSHAKER_AUTH_TARGET is set.
    """

    def __init__(
        self, name: str, settings: ServiceSettings, *, verifier: Verifier | None = None, clock: Clock | None = None
    ) -> None:
        self.name = name
        self.settings = settings
        self.clock: Clock = clock or SystemClock()
        self.channels = Channels(settings)
        self.grpc_port = 0
        self.metrics_port = 0
        # What the process listens on beside these two, by name; goes into the ready file.
        self.more_ports: dict[str, int] = {}
        self._ready_checks: list[Callable[[], Awaitable[bool]]] = []
        self._drains: list[Callable[[], Awaitable[None]]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._failed = False
        self._health = health.aio.HealthServicer()
        self._probes: grpc.aio.Server | None = None
        self._metrics_server: Any = None
        self.key_set: KeySetSource | None = None
        if verifier is None and settings.auth_target:
            self.key_set = KeySetSource(self.channels.channel(options_pb2.AUTH), self.clock)
            verifier = self.key_set
        guard = Guard(verifier=verifier, check_callers=settings.uses_tls)
        self.server = grpc.aio.server(interceptors=[guard], options=OPTIONS)

    async def __aenter__(self) -> Self:
        log.configure(self.name, self.settings.log_level)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self.server)
        await self._set_health(ready=False)
        if self.settings.reflection:
            names = [name.full_name for file in all_files() for name in file.services_by_name.values()]
            reflection.enable_server_reflection([*names, health.SERVICE_NAME], self.server)
        host, _, port = self.settings.metrics_listen.rpartition(":")
        try:
            self._metrics_server, _ = start_http_server(int(port), host.strip("[]"), registry=metrics.REGISTRY)
        except OSError as error:
            raise PortInUse(f"{self.settings.metrics_listen} is in use: metrics cannot be served there.") from error
        self.metrics_port = self._metrics_server.server_port
        if self.settings.health_listen:
            await self._serve_probes(self.settings.health_listen)
        if self.key_set is not None:
            self.add_task(self.key_set.run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.channels.close_all()
        if self._probes is not None:
            await self._probes.stop(None)
        if self._metrics_server is not None:
            # It notices within half a second, for which nobody needs to wait.
            threading.Thread(target=_end, args=(self._metrics_server,), daemon=True).start()

    async def _serve_probes(self, listen: str) -> None:
        """Probes of a cluster cannot show a certificate, so health alone is served to them, on a port of its own."""
        self._probes = grpc.aio.server(options=OPTIONS)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._probes)
        try:
            self.more_ports["health"] = self._probes.add_insecure_port(listen)
        except RuntimeError as error:
            raise PortInUse(f"{listen} is in use: health cannot be served there.") from error
        await self._probes.start()

    def ready_when(self, check: Callable[[], Awaitable[bool]]) -> None:
        """Adds something that must be true for the service to be ready; asked every second."""
        self._ready_checks.append(check)

    def on_drain(self, drain: Callable[[], Awaitable[None]]) -> None:
        """Adds what to do between SIGTERM and the end of the server."""
        self._drains.append(drain)

    def add_task(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs something for as long as the service. If it fails, the process stops: a supervisor starts a whole one."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_ended)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            log.get_logger().error("a background task failed; stopping", **log.where(task.exception()))
            self._failed = True
            self._stopping.set()

    def stop(self) -> None:
        """Begins to drain, as SIGTERM does."""
        self._stopping.set()

    def bind(self) -> int:
        """Binds the gRPC port and returns it. `start` does so for those who need not know it before they serve.

        Raises:
            PortInUse: somebody listens there already.
        """
        if self.grpc_port:
            return self.grpc_port
        try:
            if self.settings.uses_tls:
                self.grpc_port = self.server.add_secure_port(self.settings.grpc_listen, _credentials(self.settings))
            else:
                self.grpc_port = self.server.add_insecure_port(self.settings.grpc_listen)
        except RuntimeError as error:
            raise PortInUse(f"{self.settings.grpc_listen} is in use: gRPC cannot be served there.") from error
        return self.grpc_port

    async def start(self) -> None:
        """Begins to serve. Part of `serve`, and enough for tests.

        Raises:
            PortInUse: somebody listens there already.
        """
        self.bind()
        await self.server.start()
        await self._check_ready()

    async def serve(self) -> int:
        """Serves until SIGTERM or SIGINT, drains, and returns the exit status: 0, or 1 if a background task failed."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        await self.start()
        self.add_task(self._watch_readiness())
        await self._stopping.wait()
        await self.drain()
        return 1 if self._failed else 0

    async def drain(self) -> None:
        """Stops taking new calls and lets those in flight end."""
        log.get_logger().info("draining")
        await self._health.enter_graceful_shutdown()
        metrics.READY.set(0)
        for drain in self._drains:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(drain(), self.settings.drain_seconds)
        await self.server.stop(self.settings.drain_seconds)
        log.get_logger().info("stopped")

    async def _watch_readiness(self) -> None:
        while not await self._check_ready():  # noqa: ASYNC110 - what it waits for does not tell
            await asyncio.sleep(FIRST_READINESS_SECONDS)
        while True:
            await asyncio.sleep(READINESS_SECONDS)
            await self._check_ready()

    async def _check_ready(self) -> bool:
        results = await asyncio.gather(*(check() for check in self._ready_checks), return_exceptions=True)
        ready = all(result is True for result in results) and (self.key_set is None or self.key_set.ready)
        await self._set_health(ready=ready)
        file = self.settings.ready_file
        if ready and file is not None and not file.exists():
            scratch = file.with_name(f"{file.name}.{os.getpid()}")
            scratch.write_text(
                json.dumps({"grpc": self.grpc_port, "metrics": self.metrics_port} | self.more_ports), "utf-8"
            )
            scratch.rename(file)
            log.get_logger().info("ready")
        return ready

    async def _set_health(self, *, ready: bool) -> None:
        status = health_pb2.HealthCheckResponse.SERVING if ready else health_pb2.HealthCheckResponse.NOT_SERVING
        metrics.READY.set(1 if ready else 0)
        await self._health.set("", status)


def _end(metrics_server: Any) -> None:
    metrics_server.shutdown()
    metrics_server.server_close()


def _credentials(settings: ServiceSettings) -> grpc.ServerCredentials:
    ca, key, certificate = (
        path.read_bytes() if path else b""
        for path in (settings.tls_ca_file, settings.tls_key_file, settings.tls_certificate_file)
    )
    return grpc.ssl_server_credentials([(key, certificate)], root_certificates=ca, require_client_auth=True)


def run(main: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Runs a service's main coroutine on uvloop. A ServiceError ends it with its sentence and status 1."""
    try:
        return uvloop.run(main())
    except ServiceError as error:
        log.get_logger().error("cannot run", **log.where(error))
        os.write(2, f"{error}\n".encode())
        return 1
