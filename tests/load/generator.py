"""Closed-loop load over WebSockets, in a process of its own.

Prints READY when everything is set up, begins when a line arrives on stdin, and prints one JSON object at the end.
Every frame carries its pair, number and time: a frame that is lost, doubled or delivered to the wrong receiver fails
the run.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import uvloop

from load.mailboxes import Api, LoadError, Mailbox
from load.sockets import STALL_SECONDS, Receiver, Sender, Tally, connect

# Below a mailbox's quota of 512, so that a stored round never meets it.
STORED_ROUND = 480
NO_LIMIT = 1 << 32


async def until(condition: Callable[[], bool], progress: Callable[[], int], what: str) -> None:
    """Waits for a condition as long as there is progress."""
    last, since = progress(), time.monotonic()
    while not condition():
        await asyncio.sleep(0.002)
        if progress() != last:
            last, since = progress(), time.monotonic()
        elif time.monotonic() - since > STALL_SECONDS:
            raise LoadError(f"Nothing has moved for {STALL_SECONDS} seconds while waiting for {what}.")


class Run:
    """Pairs of sockets under load: live, or stored in rounds whose receivers come back to drain."""

    def __init__(self, urls: list[str], *, live: bool, pairs: int, window: int) -> None:
        self.urls, self.live, self.pairs, self.window = urls, live, pairs, window
        self.tally = Tally()
        self.mailboxes: list[Mailbox] = []
        self.seen: list[set[int]] = [set() for _ in range(pairs)]
        self.senders: list[Sender] = []
        self.receivers: list[Receiver] = []

    async def prepare(self) -> None:
        """Mailboxes, senders, and for live runs receivers."""
        async with aiohttp.ClientSession() as session:
            api = Api(session, self.urls[0])
            self.mailboxes = [await api.create_mailbox() for _ in range(self.pairs)]
        for pair, mailbox in enumerate(self.mailboxes):
            self.senders.append(await connect(self.urls[0], self._sender(pair, mailbox)))
        if self.live:
            await self._receive()

    def _sender(self, pair: int, mailbox: Mailbox) -> Callable[[], Sender]:
        return lambda: Sender(pair, mailbox, self.tally, wanted="live" if self.live else "stored")

    def _receiver(self, pair: int, mailbox: Mailbox) -> Callable[[], Receiver]:
        return lambda: Receiver(pair, mailbox, self.tally, self.seen[pair], live=self.live)

    async def _receive(self) -> None:
        found = [await connect(self.urls[-1], self._receiver(p, box)) for p, box in enumerate(self.mailboxes)]
        await asyncio.gather(*(receiver.subscribe() for receiver in found))
        self.receivers = found

    def _answered(self) -> int:
        return sum(sender.answered for sender in self.senders)

    async def load(self, seconds: float) -> dict[str, Any]:
        """Loads the servers for that long; returns what was counted."""
        started, cpu = time.perf_counter(), time.process_time()
        while time.perf_counter() < started + seconds:
            await self._round(started + seconds)
        took, cpu = time.perf_counter() - started, time.process_time() - cpu
        for peer in (*self.senders, *self.receivers):
            if peer.closed_with is not None and (self.live or isinstance(peer, Sender)):
                raise LoadError(f"The server closed a socket: {peer.closed_with}")
            peer.transport.disconnect()
        return report(self.tally, self._answered(), took, cpu)

    async def _round(self, deadline: float) -> None:
        for sender in self.senders:
            sender.deadline = deadline
            sender.limit = NO_LIMIT if self.live else sender.sent + STORED_ROUND
            sender.send(self.window)

        def all_answered() -> bool:
            late = time.perf_counter() > deadline
            return all(s.answered == s.sent and (late or s.sent >= s.limit) for s in self.senders)

        await until(all_answered, self._answered, "answers")
        if not self.live:
            await self._receive()
        await until(lambda: self.tally.received >= self._answered(), lambda: self.tally.received, "deliveries")
        if not self.live:
            for receiver in self.receivers:
                receiver.transport.disconnect()


def report(tally: Tally, messages: int, seconds: float, cpu: float) -> dict[str, Any]:
    """The counts as one object."""
    ordered = sorted(tally.latencies)

    def quantile(part: float) -> float:
        return ordered[min(len(ordered) - 1, int(len(ordered) * part))] * 1000 if ordered else float("nan")

    return {
        "messages": messages,
        "seconds": seconds,
        "rate": messages / seconds,
        "p50_ms": quantile(0.5),
        "p99_ms": quantile(0.99),
        "client_cpu_us": cpu / max(messages, 1) * 1e6,
        "outcomes": tally.outcomes,
        "received": tally.received,
        "doubled": tally.doubled,
    }


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """Prepares, waits for the word, loads."""
    load = Run(options.url, live=options.mode == "live", pairs=options.pairs, window=options.window)
    await load.prepare()
    print("READY", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    return await load.load(options.seconds)


def main() -> int:
    parser = argparse.ArgumentParser(prog="load.generator", description=__doc__)
    parser.add_argument("--url", action="append", required=True, help="gateway; a second one is used by receivers")
    parser.add_argument("--mode", choices=["live", "stored"], default="live")
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--window", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=5)
    try:
        print(json.dumps(uvloop.run(run(parser.parse_args()))), flush=True)
    except (LoadError, aiohttp.ClientError, OSError) as error:
        print(f"{error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
