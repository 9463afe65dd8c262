"""Channels to other services: mutual TLS when configured, client-side balancing, a deadline on every call."""

import asyncio
import json
import socket
from collections.abc import Callable
from typing import Any

import grpc
from handshaker_proto.options.v1 import options_pb2
from handshaker_proto.rules import all_methods, full_name, method_rule

from handshaker_common.config import ServiceSettings

Peer = options_pb2.Peer

# Between services only; frames of 16 KiB in batches of 512 must pass.
LARGEST_MESSAGE = 16 * 1024 * 1024
SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "healthCheckConfig": {"serviceName": ""},
}
OPTIONS: list[tuple[str, Any]] = [
    ("grpc.service_config", json.dumps(SERVICE_CONFIG)),
    ("grpc.max_receive_message_length", LARGEST_MESSAGE),
    ("grpc.max_send_message_length", LARGEST_MESSAGE),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
]


def peer_name(peer: "options_pb2.Peer.ValueType") -> str:
    """The lower-case name of a service, as in settings and certificates: "auth"."""
    return options_pb2.Peer.Name(peer).lower()


def tls_name(peer: str) -> str:
    """The DNS name in a service's certificate: whoever answers must be that service, wherever it runs."""
    return f"{peer}.handshaker"


def spiffe_id(peer: str) -> str:
    """The URI in a service's certificate, by which callers are told apart."""
    return f"spiffe://handshaker/{peer}"


class Deadlines(grpc.aio.UnaryUnaryClientInterceptor):
    """Gives every unary call the deadline that its method declares; the caller's own, if shorter or given, wins."""

    def __init__(self) -> None:
        self._seconds = {full_name(method): method_rule(method).deadline_ms / 1000 for method in all_methods()}

    async def intercept_unary_unary(
        self,
        continuation: Callable[[grpc.aio.ClientCallDetails, Any], Any],
        client_call_details: grpc.aio.ClientCallDetails,
        request: Any,
    ) -> Any:
        details = client_call_details
        if details.timeout is None:
            details = grpc.aio.ClientCallDetails(
                details.method,
                self._seconds.get(_text(details.method)) or 5.0,
                details.metadata,
                details.credentials,
                details.wait_for_ready,
            )
        return await continuation(details, request)


def _text(method: Any) -> str:
    """grpc.aio hands the method over as bytes, against its own annotation."""
    return method.decode() if isinstance(method, bytes) else str(method)


class Channels:
    """Opens channels to the services whose targets are configured, each once."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._channels: dict[tuple[str, str], grpc.aio.Channel] = {}

    def target(self, peer: "options_pb2.Peer.ValueType") -> str:
        """The configured target; empty when there is none."""
        target: str = getattr(self._settings, f"{peer_name(peer)}_target")
        return target

    def channel(self, peer: "options_pb2.Peer.ValueType") -> grpc.aio.Channel:
        """The channel to a service, balanced over all its processes."""
        target = self.target(peer)
        if "," in target:
            target = f"ipv4:{target}"
        return self.open(peer, target)

    def open(self, peer: "options_pb2.Peer.ValueType", target: str) -> grpc.aio.Channel:
        """The channel to one address of a service."""
        name = peer_name(peer)
        if (name, target) not in self._channels:
            self._channels[name, target] = self._open(name, target)
        return self._channels[name, target]

    def _open(self, name: str, target: str) -> grpc.aio.Channel:
        interceptors: list[grpc.aio.ClientInterceptor] = [Deadlines()]
        if not self._settings.uses_tls:
            return grpc.aio.insecure_channel(target, options=OPTIONS, interceptors=interceptors)
        credentials = channel_credentials(self._settings)
        options = [*OPTIONS, ("grpc.ssl_target_name_override", tls_name(name))]
        return grpc.aio.secure_channel(target, credentials, options=options, interceptors=interceptors)

    async def addresses(self, peer: "options_pb2.Peer.ValueType") -> list[str]:
        """The `host:port` of each process behind a target, for streams that must reach every one of them."""
        target = self.target(peer)
        if not target:
            return []
        if not target.startswith("dns:"):
            return target.split(",")
        host, _, port = target.removeprefix("dns:").lstrip("/").rpartition(":")
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
        except OSError:
            return []
        return sorted({_join(str(entry[4][0]), int(port)) for entry in found})

    async def close(self, peer: "options_pb2.Peer.ValueType", target: str) -> None:
        """Closes the channel to one address."""
        channel = self._channels.pop((peer_name(peer), target), None)
        if channel is not None:
            await channel.close()

    async def close_all(self) -> None:
        """Closes every channel."""
        channels, self._channels = self._channels, {}
        for channel in channels.values():
            await channel.close()


def _join(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def channel_credentials(settings: ServiceSettings) -> grpc.ChannelCredentials:
    """Our own certificate and the authority that it trusts."""
    ca, key, certificate = (
        path.read_bytes() if path else None
        for path in (settings.tls_ca_file, settings.tls_key_file, settings.tls_certificate_file)
    )
    return grpc.ssl_channel_credentials(ca, key, certificate)
