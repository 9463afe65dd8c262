"""What the gateway answers by itself: health, readiness, public keys, its own description."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import grpc
from aiohttp import web
from grpc_health.v1 import health_pb2, health_pb2_grpc
from handshaker_common.channels import Channels
from handshaker_common.clock import Clock
from handshaker_common.tokens import KeySetSource
from handshaker_proto.options.v1 import options_pb2

from handshaker_gateway.domain import base64url
from handshaker_gateway.domain.problems import UNAVAILABLE, Refusal
from handshaker_gateway.http.answers import json_response, respond
from handshaker_gateway.settings import NEEDED_TARGETS

PROBE_SECONDS = 1.0
# Anybody may ask; the services are asked at most this often.
FRESH_SECONDS = 1.0
KEYS_CACHE_SECONDS = 300
OPENAPI_CACHE_SECONDS = 300
SystemHandler = Callable[[], Awaitable[web.Response]]


class Readiness:
    """Whether the services that the gateway cannot do without are there."""

    def __init__(self, channels: Channels, clock: Clock, relay_ready: Callable[[], bool]) -> None:
        self._channels = channels
        self._clock = clock
        self._relay_ready = relay_ready
        self._missing: tuple[str, ...] = NEEDED_TARGETS
        self._asked_at = float("-inf")
        self._asking = asyncio.Lock()
        self.draining = False

    async def missing(self) -> tuple[str, ...]:
        """The names of what is missing; empty when the gateway is ready."""
        if self.draining:
            return ("gateway",)
        async with self._asking:
            if self._clock.monotonic() - self._asked_at >= FRESH_SECONDS:
                answers = await asyncio.gather(*(self._answers(name) for name in NEEDED_TARGETS))
                self._missing = tuple(name for name, ok in zip(NEEDED_TARGETS, answers, strict=True) if not ok)
                self._asked_at = self._clock.monotonic()
            return self._missing

    async def _answers(self, name: str) -> bool:
        if name == "signaling":
            return self._relay_ready()  # what counts is the stream that stands, to any of its processes
        stub = health_pb2_grpc.HealthStub(self._channels.channel(options_pb2.Peer.Value(name.upper())))
        try:
            answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=PROBE_SECONDS)
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


class System:
    """The routes that belong to no service."""

    def __init__(self, readiness: Readiness, keys: KeySetSource, openapi: bytes) -> None:
        self._readiness = readiness
        self._keys = keys
        self._openapi = openapi
        self.paths: Mapping[str, SystemHandler] = {
            "/healthz": self.healthz,
            "/readyz": self.readyz,
            "/.well-known/jwks.json": self.jwks,
            "/openapi.json": self.openapi,
        }

    async def healthz(self) -> web.Response:
        """The process runs and answers."""
        return json_response({"status": "ok"})

    async def readyz(self) -> web.Response:
        """Whether requests can be served; names what is missing."""
        missing = await self._readiness.missing()
        return json_response({"ready": not missing, "missing": missing}, status=503 if missing else 200)

    async def jwks(self) -> web.Response:
        """The public keys of access tokens, RFC 7517 and RFC 8037."""
        if not self._keys.ready:
            raise Refusal(UNAVAILABLE)
        keys = [
            {
                "kty": "OKP",
                "crv": "Ed25519",
                "alg": "EdDSA",
                "use": "sig",
                "kid": key_id,
                "x": base64url.encode(public_key),
            }
            for key_id, public_key in sorted(self._keys.key_set.items())
        ]
        return json_response({"keys": keys}, cache_seconds=KEYS_CACHE_SECONDS)

    async def openapi(self) -> web.Response:
        """The description of all routes, OpenAPI 3.1."""
        return respond(self._openapi, "application/json", cache_seconds=OPENAPI_CACHE_SECONDS)
