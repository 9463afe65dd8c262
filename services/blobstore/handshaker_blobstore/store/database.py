"""How blobstore uses its connections, and one meaning for everything that can go wrong with them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from handshaker_blobstore.errors import StoreUnavailable

ANSWER_SECONDS = 5.0
# InternalClientError is what a connection that breaks at the wrong moment raises.
ASYNCPG_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
# The tables are queues: empty one moment, full the next, so statistics are always wrong. Every statement has one good
# plan, nested loops over index scans, and these settings leave no other, nor the cost of choosing it again.
QUEUE_PLANS = {
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "plan_cache_mode": "force_generic_plan",
}


@asynccontextmanager
async def answering() -> AsyncIterator[None]:
    """Turns whatever PostgreSQL, the connection to it or its slowness raises into StoreUnavailable."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            yield
    except (OSError, TimeoutError, *ASYNCPG_ERRORS) as error:
        raise StoreUnavailable("The store did not answer.") from error


def lock_key(recv_id: bytes) -> int:
    """The advisory lock of a mailbox: ids are hashes, so half of one is as good as a hash of it."""
    return int.from_bytes(recv_id[:8], "big", signed=True)
