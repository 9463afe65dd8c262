"""Pytest fixtures: real PostgreSQL and Redis, a clock that moves by hand, a real gRPC server on loopback."""

import contextlib
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import asyncpg
import grpc
import pytest
import pytest_asyncio
from handshaker_local.embedded import Postgres, Redis

from handshaker_common.config import ServiceSettings
from handshaker_common.guard import Verifier
from handshaker_common.redis_client import open_redis
from handshaker_common.server import Service

__all__ = [
    "FakeClock",
    "database",
    "free_port",
    "postgres",
    "redis_server",
    "redis_url",
    "running_service",
    "state_folder",
]


class FakeClock:
    """A clock that stands still until it is advanced."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self._now = now
        self._monotonic = 1_000.0

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        self._now += seconds
        self._monotonic += seconds


def free_port() -> int:
    """A TCP port on loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def state_folder() -> Iterator[Path]:
    """A temporary folder that other users may enter (PostgreSQL runs as another user under root)."""
    folder = Path(tempfile.mkdtemp(prefix="handshaker-test-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(state_folder: Path) -> Iterator[Postgres]:
    """A running PostgreSQL, one for the whole session."""
    server = Postgres(state_folder / "pg")
    server.start()
    yield server
    server.stop()


@pytest_asyncio.fixture
async def database(postgres: Postgres) -> AsyncIterator[str]:
    """The DSN of a new, empty database; dropped afterwards."""
    name = f"test_{os.getpid()}_{secrets.token_hex(6)}"
    admin = await asyncpg.connect(postgres.dsn())
    await admin.execute(f'CREATE DATABASE "{name}"')
    await admin.close()
    yield postgres.dsn(name)
    admin = await asyncpg.connect(postgres.dsn())
    await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await admin.close()


@pytest.fixture(scope="session")
def redis_server(state_folder: Path) -> Iterator[Redis]:
    """A running Redis, one for the whole session."""
    server = Redis(state_folder / "redis")
    server.start()
    yield server
    server.stop()


@pytest_asyncio.fixture
async def redis_url(redis_server: Redis) -> str:
    """The URL of an empty Redis."""
    client = open_redis(redis_server.url)
    await client.flushall()
    await client.aclose()
    return redis_server.url


@contextlib.asynccontextmanager
async def running_service(
    name: str,
    add: Callable[[Service], None],
    *,
    settings: ServiceSettings | None = None,
    verifier: Verifier | None = None,
) -> AsyncIterator[grpc.aio.Channel]:
    """A real server with all interceptors on a free loopback port, and a channel to it.

    `add(service)` adds the servicers.
    """
    settings = settings or ServiceSettings()
    async with Service(name, settings, verifier=verifier) as service:
        add(service)
        await service.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
            yield channel
        await service.server.stop(None)
