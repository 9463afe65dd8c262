"""Puts signaling together and runs it."""

import asyncio
from typing import NoReturn

import grpc
from handshaker_common.channels import Channels, Peer
from handshaker_common.clock import Clock
from handshaker_common.command import run_service
from handshaker_common.entropy import Entropy, system_entropy
from handshaker_common.redis_client import open_redis
from handshaker_common.server import Service
from handshaker_proto.signaling.v1 import relay_pb2_grpc

from handshaker_signaling.domain import Limits, Process, Relay
from handshaker_signaling.engine import Engine
from handshaker_signaling.frames import FrameClient
from handshaker_signaling.leases import LeaseKeeper
from handshaker_signaling.peers import PeerLinks
from handshaker_signaling.rpc import PeerServicer, RelayServicer
from handshaker_signaling.settings import SignalingSettings
from handshaker_signaling.store import LeaseStore
from handshaker_signaling.wakes import WakeClient

NAME = "signaling"
PROCESS_NAME_BYTES = 8
# Parts of the time for draining: for settling what is in care, and for closing sockets and giving leases up.
SETTLING_PART, CLOSING_PART = 0.6, 0.3


class Signaling:
    """One relay with everything that it needs. `address` is where the other signaling processes reach it."""

    def __init__(
        self, settings: SignalingSettings, channels: Channels, address: str, clock: Clock, entropy: Entropy
    ) -> None:
        me = Process(b"%s@%s" % (entropy(PROCESS_NAME_BYTES).hex().encode(), address.encode()))
        limits = Limits(default_ttl_hours=settings.default_ttl_hours)
        relay = Relay(me, limits, entropy)
        self._settings = settings
        self.engine = engine = Engine(relay, clock)
        self._redis = open_redis(settings.redis_url.get_secret_value())
        store = LeaseStore(self._redis, me, limits.lease_seconds)
        self._leases = LeaseKeeper(store, relay, now=engine.now, touch=engine.touch)
        self._frames = FrameClient(channels.channel(Peer.BLOBSTORE), relay, now=engine.now, touch=engine.touch)
        self._peers = PeerLinks(channels, relay, now=engine.now, touch=engine.touch)
        self._wakes = WakeClient(channels.channel(Peer.NOTIFY) if settings.notify_target else None)
        engine.connect(leases=self._leases, frames=self._frames, peers=self._peers, wakes=self._wakes)

    def add_to(self, server: grpc.aio.Server) -> None:
        """Adds signaling's methods to a server."""
        relay_pb2_grpc.add_RelayServiceServicer_to_server(RelayServicer(self.engine), server)
        relay_pb2_grpc.add_PeerServiceServicer_to_server(PeerServicer(self.engine), server)

    async def run(self) -> None:
        """Runs the relay until it is cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for work in (
                    self.engine.run(),
                    self._leases.run(),
                    self._frames.run(),
                    self._peers.run(),
                    self._wakes.run(),
                ):
                    tasks.create_task(work)
        finally:
            await self._redis.aclose()

    async def drain(self) -> None:
        """Settles what is in care, closes all sockets, gives the leases up and ends all streams."""
        seconds = self._settings.drain_seconds
        await self.engine.drain(seconds * SETTLING_PART, seconds * CLOSING_PART)


async def serve(settings: SignalingSettings) -> int:
    """Runs signaling until it is told to stop; returns the exit status."""
    async with Service(NAME, settings) as service:
        address = settings.reached_at(service.bind())
        signaling = Signaling(settings, service.channels, address, service.clock, system_entropy)
        signaling.add_to(service.server)
        service.add_task(signaling.run())
        service.on_drain(signaling.drain)
        return await service.serve()


def main() -> NoReturn:
    """The command line."""
    run_service(NAME, SignalingSettings, serve)
