"""Real PostgreSQL for all tests of blobstore."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from handshaker_common.testing import *  # noqa: F403
from handshaker_common.testing import FakeClock

sys.path.insert(0, str(Path(__file__).parent))
from blobstore_world import Stores, open_stores


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest_asyncio.fixture
async def stores(database: str, clock: FakeClock) -> AsyncIterator[Stores]:
    opened = await open_stores(database, clock)
    yield opened
    await opened.pool.close()
