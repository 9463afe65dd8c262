"""The load, the same for every server: N pairs in a closed loop, live or stored."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from .flow import Flow
from .result import PeerError, PeerResult, percentile
from .server import Server

STORED_PER_PAIR = 5000
"""Most messages a pair leaves at the server in a stored run, so that memory and disk stay small."""

_LOGIN_SECONDS = 30.0
_DRAIN_SECONDS = 60.0


class Client(Protocol):
    """A logged-in client of the measured server."""

    def send(self, bodies: list[bytes]) -> None:
        """Send the messages in one write."""

    async def close(self) -> None:
        """Log out in an orderly way; the server keeps what arrives later."""


class Clients(Protocol):
    """Logs in the clients of one server. Each call returns once the client can send or receive."""

    async def sender(self, pair: int, flow: Flow) -> Client:
        """The sending client of the pair."""

    async def receiver(self, pair: int, flow: Flow) -> Client:
        """The receiving client of the pair; messages arrive from now on, those that waited first."""


async def measure(
    name: str, server: Server, clients: Clients, *, pairs: int, window: int, payload: int, seconds: float, stored: bool
) -> PeerResult:
    """Run the load and return its figures.

    Live: both ends are online, sending goes on for `seconds`, then what is in flight arrives. Stored: the receivers log
    in once and out again, sending goes on for `seconds` or until STORED_PER_PAIR messages a pair, then the receivers
    come back and drain; the result covers both phases. Raises PeerError if anything is lost, doubled, reordered,
    altered or not acknowledged.
    """
    if pairs < 1:
        raise ValueError("there must be at least 1 pair")
    if not 0 < seconds < math.inf:
        raise ValueError("the time must be a number of seconds above 0")
    limit = STORED_PER_PAIR if stored else None
    flows = [Flow(window=window, payload=payload, stored=stored, limit=limit) for _ in range(pairs)]
    try:
        receivers, senders = await _log_in(clients, flows)
        if stored:
            await _log_out(receivers)
        server_cpu, client_cpu, started = server.cpu_seconds(), time.process_time(), time.perf_counter()
        await _send(flows, senders, seconds)
        if stored:
            receivers = await _receivers(clients, flows)
        await _drain(flows)
        elapsed = time.perf_counter() - started
        server_cpu, client_cpu = server.cpu_seconds() - server_cpu, time.process_time() - client_cpu
        await _log_out([*receivers, *senders])
    except PeerError as error:
        raise PeerError(f"{name}: {error}") from error
    messages = sum(flow.received for flow in flows)
    latencies = sorted(latency for flow in flows for latency in flow.latencies)
    return PeerResult(
        name=name,
        pairs=pairs,
        window=window,
        payload=payload,
        seconds=elapsed,
        messages=messages,
        rate=messages / elapsed,
        p50_ms=percentile(latencies, 0.50) * 1e3,
        p99_ms=percentile(latencies, 0.99) * 1e3,
        server_cpu_us=server_cpu / messages * 1e6,
        client_cpu_us=client_cpu / messages * 1e6,
    )


async def _receivers(clients: Clients, flows: list[Flow]) -> list[Client]:
    async with _within(_LOGIN_SECONDS, lambda: "the receivers could not log in"):
        return await asyncio.gather(*(clients.receiver(pair, flow) for pair, flow in enumerate(flows)))


async def _log_in(clients: Clients, flows: list[Flow]) -> tuple[list[Client], list[Client]]:
    receivers = await _receivers(clients, flows)
    async with _within(_LOGIN_SECONDS, lambda: "the senders could not log in"):
        senders = await asyncio.gather(*(clients.sender(pair, flow) for pair, flow in enumerate(flows)))
    return receivers, senders


async def _log_out(clients: list[Client]) -> None:
    async with _within(_LOGIN_SECONDS, lambda: "the clients could not log out"):
        await asyncio.gather(*(client.close() for client in clients))


async def _send(flows: list[Flow], senders: list[Client], seconds: float) -> None:
    for flow, sender in zip(flows, senders, strict=True):
        flow.start(sender.send)
        asyncio.get_running_loop().call_later(seconds, flow.stop)
    async with _within(seconds + _DRAIN_SECONDS, lambda: f"not every message was acknowledged {_progress(flows)}"):
        await asyncio.gather(*(flow.wait_accepted() for flow in flows))


async def _drain(flows: list[Flow]) -> None:
    async with _within(_DRAIN_SECONDS, lambda: f"not every message was delivered {_progress(flows)}"):
        await asyncio.gather(*(flow.wait_finished() for flow in flows))


def _progress(flows: list[Flow]) -> str:
    sent = sum(flow.sent for flow in flows)
    acknowledged = sum(flow.acknowledged_to_sender for flow in flows)
    received = sum(flow.received for flow in flows)
    return f"({sent} sent, {acknowledged} acknowledged to the sender, {received} received)"


@asynccontextmanager
async def _within(seconds: float, describe: Callable[[], str]) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise PeerError(f"{describe()} within {seconds:.0f} s") from None
