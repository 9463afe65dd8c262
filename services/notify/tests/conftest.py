"""Real PostgreSQL and a real Mosquitto for all tests of notify."""

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from handshaker_common.postgres import migrate, open_pool
from handshaker_common.testing import *  # noqa: F403
from handshaker_common.testing import FakeClock
from handshaker_notify.store import WakeTargetStore

sys.path.insert(0, str(Path(__file__).parent))
from notify_world import Mosquitto


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
def shared_mosquitto(state_folder: Path) -> Iterator[Mosquitto]:
    server = Mosquitto(state_folder / "mosquitto")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def mosquitto(shared_mosquitto: Mosquitto) -> Mosquitto:
    """A running Mosquitto, whatever the test before did to it."""
    if shared_mosquitto.process is None:
        shared_mosquitto.start()
    return shared_mosquitto


@pytest_asyncio.fixture
async def store(database: str) -> AsyncIterator[WakeTargetStore]:
    pool = await open_pool(database, max_size=4)
    await migrate(pool, "handshaker_notify")
    yield WakeTargetStore(pool)
    await pool.close()
