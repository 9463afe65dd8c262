"""Holds many subscribed WebSockets that do nothing, in a process of its own.

For each count on stdin, opens sockets until that many are open, prints OPEN n, and goes on; ends when stdin does.
"""

import asyncio
import json
import resource
import sys

import aiohttp
import uvloop
from handshaker_proto.signaling.v1 import socket_pb2

from load.mailboxes import Api, LoadError, Mailbox
from load.sockets import Peer, State, connect

AT_ONCE = 50


class Idle(Peer):
    """Subscribes to one mailbox and then waits."""

    def __init__(self, mailbox: Mailbox) -> None:
        super().__init__()
        self.mailbox = mailbox
        self.active: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def received(self, message: socket_pb2.ServerMessage) -> None:
        if message.HasField("hello"):
            self.write(socket_pb2.ClientMessage(subscribe=[self.mailbox.subscribe(message.hello.challenge)]))
        for event in message.subscription:
            if event.state == State.STATE_ACTIVE and not self.active.done():
                self.active.set_result(None)
            elif event.state not in (State.STATE_ACTIVE, State.STATE_DRAINED):
                raise LoadError(f"A subscription ended: {State.Name(event.state)}.")


async def open_one(api: Api, url: str, sockets: list[Idle]) -> None:
    """One more socket."""
    mailbox = await api.create_mailbox()
    idle = await connect(url, lambda: Idle(mailbox))
    sockets.append(idle)
    await asyncio.wait_for(idle.active, 30)


async def run(url: str) -> None:
    """Obeys the counts on stdin."""
    sockets: list[Idle] = []
    loop = asyncio.get_running_loop()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE)) as session:
        api = Api(session, url)
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            wanted = int(line)
            while len(sockets) < wanted:
                step = min(AT_ONCE, wanted - len(sockets))
                await asyncio.gather(*(open_one(api, url, sockets) for _ in range(step)))
            closed = [socket.closed_with for socket in sockets if socket.closed_with is not None]
            if closed:
                raise LoadError(f"The server closed {len(closed)} sockets, the first with: {closed[0]}")
            print(json.dumps({"open": len(sockets)}), flush=True)


def main() -> int:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        uvloop.run(run(sys.argv[1]))
    except (LoadError, aiohttp.ClientError, OSError, TimeoutError) as error:
        print(f"{type(error).__name__}: {error} (file limit {soft} of {hard})", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
