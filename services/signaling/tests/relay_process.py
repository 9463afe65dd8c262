"""Real processes of signaling and blobstore, and a gateway's stream to them with clients behind it."""

import asyncio
import contextlib
import itertools
import json
import os
import signal
import sys
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
from handshaker_proto.blobstore.v1 import frames_pb2, frames_pb2_grpc, mailboxes_pb2, mailboxes_pb2_grpc
from handshaker_proto.signaling.v1 import relay_pb2, relay_pb2_grpc, socket_pb2
from relay_parties import Event, Inbox, Mailbox, acknowledge

START_SECONDS = 30
WAIT_SECONDS = 15
STORED_METRIC = 'handshaker_frames_total{outcome="stored"}'


class Processes:
    """The processes of one deployment, by name."""

    def __init__(self, folder: Path, dsn: str, redis_url: str) -> None:
        self._folder, self._dsn, self._redis_url = folder, dsn, redis_url
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._metrics: dict[str, str] = {}
        self.blobstore = ""

    async def start_blobstore(self) -> None:
        self.blobstore = await self._start("blobstore", "blobstore", HANDSHAKER_DATABASE_URL=self._dsn)

    async def start_signaling(self, name: str, redis_url: str = "") -> str:
        """Starts a signaling process; its address."""
        return await self._start(
            name,
            "signaling",
            HANDSHAKER_REDIS_URL=redis_url or self._redis_url,
            HANDSHAKER_BLOBSTORE_TARGET=self.blobstore,
        )

    async def _start(self, name: str, service: str, **environment: str) -> str:
        ready = self._folder / f"{name}.json"
        ready.unlink(missing_ok=True)
        kept = {key: value for key, value in os.environ.items() if not key.startswith("HANDSHAKER_")}
        process = self._processes[name] = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            f"handshaker_{service}",
            env=kept
            | environment
            | {"HANDSHAKER_READY_FILE": str(ready), "HANDSHAKER_DRAIN_SECONDS": "5"}
            | {"PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(START_SECONDS):
            while not ready.exists():
                assert process.returncode is None, f"{service} did not start"
                await asyncio.sleep(0.02)
        ports = json.loads(ready.read_text())
        self._metrics[name] = f"http://127.0.0.1:{ports['metrics']}/metrics"
        return f"127.0.0.1:{ports['grpc']}"

    def kill(self, name: str) -> None:
        self._processes[name].kill()

    async def terminate(self, name: str) -> int:
        """Ends a process with SIGTERM; its exit status."""
        self._processes[name].send_signal(signal.SIGTERM)
        async with asyncio.timeout(WAIT_SECONDS):
            return await self._processes[name].wait()

    async def stop(self) -> None:
        for process in reversed(self._processes.values()):
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def mailbox(self, wake_id: bytes = b"") -> Mailbox:
        """A new mailbox at blobstore."""
        mailbox = Mailbox(wake_id)
        label = b"handshaker/v1/mailbox-create"
        request = mailboxes_pb2.CreateMailboxRequest(
            recv_public_key=mailbox.public_key,
            send_secret_hash=mailbox.secret_hash,
            signature=mailbox.key.sign(label + mailbox.public_key + mailbox.secret_hash + wake_id),
            wake_id=wake_id,
        )
        async with grpc.aio.insecure_channel(self.blobstore) as channel:
            response = await mailboxes_pb2_grpc.MailboxesServiceStub(channel).CreateMailbox(request)
        assert response.HasField("created")
        return mailbox

    async def stored(self, mailbox: Mailbox) -> int:
        """How many frames wait in a mailbox."""
        read = frames_pb2.ReadFramesRequest.Read(recv_id=mailbox.recv_id)
        count = 0
        async with grpc.aio.insecure_channel(self.blobstore) as channel:
            call = frames_pb2_grpc.FramesServiceStub(channel).ReadFrames()
            while True:
                await call.write(frames_pb2.ReadFramesRequest(batch_id=1, reads=[read]))
                [page] = (await call.read()).pages
                count += len(page.frames)
                if not page.more:
                    return count
                read.after = page.frames[-1].sequence

    async def ever_stored(self) -> float:
        """How many frames blobstore says it has stored since it started."""
        text = await asyncio.to_thread(lambda: urllib.request.urlopen(self._metrics["blobstore"], timeout=5).read())
        values = [line.split()[1] for line in text.decode().splitlines() if line.startswith(STORED_METRIC)]
        return float(values[0]) if values else 0.0


class Client:
    """A client behind a `GatewayStream`."""

    def __init__(self, gateway: "GatewayStream", number: int) -> None:
        self._gateway = gateway
        self.number = number
        self.inbox = Inbox()
        # Called with each message; acknowledges what was delivered, as a client whose store commits at once.
        self.on_message: Callable[[socket_pb2.ServerMessage], None] = lambda message: None

    def say(self, message: socket_pb2.ClientMessage) -> None:
        self._gateway.send(socket=self.number, message=message.SerializeToString())

    def send(self, *sends: socket_pb2.Send) -> None:
        self.say(socket_pb2.ClientMessage(send=sends))

    def acknowledge_all(self) -> None:
        """Acknowledges everything from now on."""

        def on_message(message: socket_pb2.ServerMessage) -> None:
            if message.delivery:
                self.say(acknowledge(message.delivery))

        self.on_message = on_message
        if self.inbox.deliveries:
            self.say(acknowledge(self.inbox.deliveries))

    async def subscribe(self, *mailboxes: Mailbox) -> None:
        """Subscribes and waits until everything that was stored is there."""
        assert self.inbox.challenge is not None
        before = {mailbox.recv_id: len(self.inbox.states(mailbox)) for mailbox in mailboxes}
        self.say(socket_pb2.ClientMessage(subscribe=[mailbox.subscribe(self.inbox.challenge) for mailbox in mailboxes]))
        await self.until(
            lambda: all(Event.STATE_DRAINED in self.inbox.states(m)[before[m.recv_id] :] for m in mailboxes)
        )

    def disconnect(self) -> None:
        self._gateway.send(socket=self.number, closed=True)
        self._gateway.clients.pop(self.number, None)

    async def until(self, condition: Callable[[], bool]) -> None:
        await self._gateway.until(condition)


class GatewayStream:
    """What a gateway does, in little: one Attach stream and the clients on it."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.aio.insecure_channel(address)
        self._call = relay_pb2_grpc.RelayServiceStub(self._channel).Attach()
        self._numbers = itertools.count(1)
        self._outgoing: asyncio.Queue[relay_pb2.AttachRequest.SocketInput] = asyncio.Queue()
        self._changed = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []
        self.clients: dict[int, Client] = {}
        self.draining = False
        self.ended = False

    async def open(self) -> None:
        await asyncio.wait_for(self._call.initial_metadata(), WAIT_SECONDS)
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._write())]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._call.cancel()
        await self._channel.close()

    def send(self, **parts: Any) -> None:
        self._outgoing.put_nowait(relay_pb2.AttachRequest.SocketInput(**parts))

    async def connect(self) -> Client:
        """A new client that has got its challenge."""
        client = Client(self, next(self._numbers))
        self.clients[client.number] = client
        self.send(socket=client.number, opened=True)
        await self.until(lambda: client.inbox.challenge is not None)
        return client

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits until something that depends on what has come is so."""
        async with asyncio.timeout(WAIT_SECONDS), self._changed:
            await self._changed.wait_for(condition)

    async def _write(self) -> None:
        while True:
            items = [await self._outgoing.get()]
            while not self._outgoing.empty():
                items.append(self._outgoing.get_nowait())
            await self._call.write(relay_pb2.AttachRequest(inputs=items))

    async def _read(self) -> None:
        try:
            async for response in self._call:
                self.draining |= response.draining
                for output in response.outputs:
                    client = self.clients.get(output.socket)
                    if client is None:
                        continue
                    if output.message:
                        client.on_message(client.inbox.take(output.message))
                    if output.close_code:
                        client.inbox.closed = (output.close_code, output.close_reason)
                async with self._changed:
                    self._changed.notify_all()
        except grpc.RpcError:
            pass
        finally:
            self.ended = True
            async with self._changed:
                self._changed.notify_all()


@contextlib.asynccontextmanager
async def gateway_to(*addresses: str) -> AsyncIterator[list[GatewayStream]]:
    """A gateway's streams to these signaling processes."""
    streams = [GatewayStream(address) for address in addresses]
    try:
        for stream in streams:
            await stream.open()
        yield streams
    finally:
        for stream in streams:
            await stream.close()
