"""What a client keeps in memory about live sessions follows what it has committed, and goes when it is closed."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from engine_world import PASSPHRASE
from handshaker_core.client import Client
from handshaker_core.client.unit import Unit
from handshaker_core.model import ContactId
from handshaker_core.protocol.device import DeviceId
from handshaker_core.protocol.keys import ExportedSecret
from handshaker_core.protocol.live import Idle, LiveId, LiveState, Offered
from handshaker_core.store import StoreUnusable

CONTACT, DEVICE = ContactId(1), DeviceId(bytes(16))
SECRET = ExportedSecret(b"\x5a" * 32)
NOW = 2e9
OFFERED = Offered(LiveId(bytes(16)), SECRET, NOW)


@pytest_asyncio.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    async with await opened(tmp_path / "home") as made:
        yield made


async def opened(home: Path) -> Client:
    return await Client.open(home, PASSPHRASE, server="https://chat.example", create=True, clock=lambda: NOW)


def offering(failure: Exception | None) -> Callable[[Unit], None]:
    def work(u: Unit) -> None:
        u.live.set(CONTACT, DEVICE, OFFERED)
        if failure is not None:
            raise failure

    return work


async def state(client: Client) -> LiveState:
    return await client._core.run(lambda u: u.live.get(CONTACT))


async def test_what_is_committed_is_kept(client: Client) -> None:
    assert await state(client) == Idle()
    await client._core.run(offering(None))
    assert await state(client) == OFFERED


async def test_what_fails_has_not_happened(client: Client) -> None:
    with pytest.raises(ZeroDivisionError):
        await client._core.run(offering(ZeroDivisionError()))
    assert await state(client) == Idle()


async def test_where_it_is_not_known_what_was_committed_nothing_is_kept(client: Client) -> None:
    await client._core.run(offering(None))
    with pytest.raises(StoreUnusable):
        await client._core.run(offering(StoreUnusable("The disk is full.")))
    assert await state(client) == Idle()


async def test_a_client_that_is_closed_keeps_nothing(tmp_path: Path) -> None:
    client = await opened(tmp_path / "home")
    await client._core.run(offering(None))
    assert SECRET.raw.hex() not in repr(client._core) + repr(client._core.live)
    await client.close()
    assert client._core.live.contacts() == []
    await client.close()
