import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from handshaker_core.client import Client, prekeys
from handshaker_core.store import vault
from handshaker_local.system import System
from handshaker_local.testing import system  # noqa: F401 - a fixture

sys.path.insert(0, os.path.dirname(__file__))  # noqa: PTH120 - helpers of these tests stand beside them

from engine_world import person

MakePerson = Callable[..., Awaitable[Client]]


@pytest.fixture(scope="session", autouse=True)
def quick_passphrases() -> Iterator[None]:
    """Stretching a passphrase takes a third of a second on purpose, which these many tests cannot afford."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vault, "ARGON2ID_MEMORY_KIB", 64)
        patch.setattr(vault, "ARGON2ID_ITERATIONS", 1)
        yield


@pytest.fixture
def server_urls(system: System) -> list[str]:  # noqa: F811
    """Two gateways of one system of real services with real databases."""
    return system.gateway_urls


@pytest.fixture
def few_prekeys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Making a hundred post-quantum keys for everybody takes longer than most tests."""
    monkeypatch.setattr(prekeys, "FULL", 12)
    monkeypatch.setattr(prekeys, "LOW", 6)
    monkeypatch.setattr(prekeys, "UPLOAD_PIECE", 5)


@pytest_asyncio.fixture
async def new_person(server_urls: list[str], tmp_path: Path, few_prekeys: None) -> AsyncIterator[MakePerson]:
    """Makes registered clients, each at another gateway than the one before."""
    async with AsyncExitStack() as stack:
        made = 0

        async def make(username: str | None = None, *, server: str | None = None, name: str = "") -> Client:
            nonlocal made
            made += 1
            url = server or server_urls[made % len(server_urls)]
            return await stack.enter_async_context(person(tmp_path / str(made), url, username, name))

        yield make
