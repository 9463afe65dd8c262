"""Links to the other signaling processes, opened when there is something for them and closed when there is not."""

import asyncio
from collections.abc import Callable

import grpc
from handshaker_common.batching import Batcher
from handshaker_common.channels import Channels, Peer
from handshaker_common.ids import RecvId
from handshaker_common.log import get_logger, where
from handshaker_proto.signaling.v1 import relay_pb2, relay_pb2_grpc

from handshaker_signaling.domain import Forward, Process, Relay

# A link that has carried nothing for this long is closed.
IDLE_SECONDS = 60
UNBOUNDED = 2**62  # the relay itself bounds what it has in care

Poke = tuple[str, RecvId]
STORED, DISPLACED = "stored", "displaced"


def address_of(process: Process) -> str:
    """Where a process is reached."""
    return process.partition(b"@")[2].decode("ascii", "replace")


class PeerLink:
    """Our end of the stream to one life of one process."""

    def __init__(self, process: Process, channel: grpc.aio.Channel) -> None:
        self.process = process
        self.used = True
        self._call = relay_pb2_grpc.PeerServiceStub(channel).Link()
        self._batcher: Batcher[Forward | Poke] = Batcher(self._write, max_waiting=UNBOUNDED, name="link_requests")

    def add(self, item: Forward | Poke) -> None:
        """Queues a frame, or the news that something was stored or a subscription displaced."""
        self.used = True
        self._batcher.add(item)

    async def _write(self, batch: list[Forward | Poke]) -> None:
        request = relay_pb2.LinkRequest()
        for item in batch:
            if isinstance(item, Forward):
                _, reference, recv_id, frame_id, frame = item
                request.forwards.add(reference=reference, recv_id=recv_id, frame_id=frame_id, frame=frame)
            else:
                (request.stored if item[0] == STORED else request.displaced).append(item[1])
        await self._call.write(request)

    async def run(self, results: Callable[[Process, relay_pb2.LinkResponse], None]) -> None:
        """Carries the link until it breaks."""
        writer = asyncio.ensure_future(self._batcher.run())
        try:
            async for response in self._call:
                results(self.process, response)
        except grpc.RpcError:
            pass
        except Exception as error:  # noqa: BLE001 - one broken link must not end the process
            get_logger().error("a link failed", **where(error))
        finally:
            self._call.cancel()
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)


class PeerLinks:
    """All links of this process to others."""

    def __init__(
        self, channels: Channels, relay: Relay, *, now: Callable[[], float], touch: Callable[[], None]
    ) -> None:
        self._channels = channels
        self._relay = relay
        self._now = now
        self._touch = touch
        self._links: dict[Process, PeerLink] = {}
        self._runs: dict[Process, asyncio.Task[None]] = {}

    def forward(self, forwards: list[Forward]) -> None:
        """Sends frames to those who hold their recipients."""
        for forward in forwards:
            self._link(forward.holder).add(forward)

    def poke(self, pokes: list[tuple[Process, RecvId]]) -> None:
        """Tells holders that something was stored for them."""
        for process, recv_id in pokes:
            self._link(process).add((STORED, recv_id))

    def displace(self, displaced: list[tuple[Process, RecvId]]) -> None:
        """Tells former holders that they are displaced."""
        for process, recv_id in displaced:
            self._link(process).add((DISPLACED, recv_id))

    def _link(self, process: Process) -> PeerLink:
        link = self._links.get(process)
        if link is None:
            link = self._links[process] = PeerLink(process, self._channels.open(Peer.SIGNALING, address_of(process)))
            self._runs[process] = asyncio.create_task(self._run(link))
        return link

    async def _run(self, link: PeerLink) -> None:
        await link.run(self._results)
        self._links.pop(link.process, None)
        self._runs.pop(link.process, None)
        self._relay.sending.link_lost(self._now(), link.process)
        self._touch()

    def _results(self, process: Process, response: relay_pb2.LinkResponse) -> None:
        answered, now = self._relay.sending.forward_answered, self._now()
        for result in response.results:
            answered(now, process, result.reference, result.outcome)
        self._touch()

    async def run(self) -> None:
        """Closes links that carry nothing, for ever; closes all at the end."""
        try:
            while True:
                await asyncio.sleep(IDLE_SECONDS)
                for process, link in list(self._links.items()):
                    if not link.used and not self._relay.sending.awaits(process):
                        await self._close(process)
                    link.used = False
        finally:
            for process in list(self._links):
                await self._close(process)

    async def _close(self, process: Process) -> None:
        self._links.pop(process, None)
        run = self._runs.pop(process, None)
        if run is not None:
            run.cancel()
            await asyncio.wait([run])
        address = address_of(process)
        if all(address_of(other) != address for other in self._links):
            await self._channels.close(Peer.SIGNALING, address)
