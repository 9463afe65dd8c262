"""Leases in a real Redis."""

import secrets
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import redis.asyncio as redis
from handshaker_common.ids import RecvId
from handshaker_common.redis_client import open_redis
from handshaker_signaling.domain import LeaseKind, LeaseRequest, Process
from handshaker_signaling.store import PREFIX, LeaseStore, LeasesUnavailable

HERE, THERE = Process(b"a@127.0.0.1:1"), Process(b"b@127.0.0.1:2")
CLAIM, RENEW, CHECK, RELEASE = LeaseKind


@pytest_asyncio.fixture
async def client(redis_url: str) -> AsyncIterator["redis.Redis"]:
    opened = open_redis(redis_url)
    yield opened
    await opened.aclose()


@pytest.fixture
def here(client: "redis.Redis") -> LeaseStore:
    return LeaseStore(client, HERE, 60)


@pytest.fixture
def there(client: "redis.Redis") -> LeaseStore:
    return LeaseStore(client, THERE, 60)


@pytest.fixture
def mailbox() -> RecvId:
    return RecvId(secrets.token_bytes(16))


async def do(store: LeaseStore, mailbox: RecvId, *kinds: LeaseKind) -> list[Process | None]:
    return await store.carry_out([LeaseRequest(kind, mailbox, None) for kind in kinds])


async def test_claiming_tells_the_previous_holder(here: LeaseStore, there: LeaseStore, mailbox: RecvId):
    assert await do(here, mailbox, CLAIM, CLAIM) == [None, HERE]
    assert await do(there, mailbox, CLAIM) == [HERE]
    assert await here.holders([mailbox, RecvId(bytes(16))]) == [THERE, None]


async def test_renewing_takes_what_is_free_or_ours_and_nothing_else(
    here: LeaseStore, there: LeaseStore, mailbox: RecvId, client: "redis.Redis"
):
    assert await do(here, mailbox, RENEW) == [HERE]
    await client.expire(PREFIX + mailbox, 5)
    assert await do(there, mailbox, RENEW) == [HERE]
    assert await client.ttl(PREFIX + mailbox) <= 5, "somebody else's is left as it is"
    assert await do(here, mailbox, RENEW) == [HERE]
    assert await client.ttl(PREFIX + mailbox) > 55


async def test_releasing_gives_up_only_what_is_ours(here: LeaseStore, there: LeaseStore, mailbox: RecvId):
    await do(here, mailbox, CLAIM)
    await do(there, mailbox, RELEASE)
    assert await do(there, mailbox, CHECK) == [HERE]
    await do(here, mailbox, RELEASE)
    assert await do(here, mailbox, CHECK) == [None]


async def test_requests_are_carried_out_in_their_order(here: LeaseStore, mailbox: RecvId):
    assert await do(here, mailbox, CLAIM, RELEASE, CHECK, CLAIM, CHECK) == [None, None, None, None, HERE]


async def test_a_redis_that_was_restarted_needs_no_preparation(
    here: LeaseStore, mailbox: RecvId, client: "redis.Redis"
):
    await do(here, mailbox, RENEW)
    await client.flushall()
    await client.script_flush()
    assert await do(here, mailbox, RENEW, RELEASE, CHECK) == [HERE, None, None]


async def test_a_redis_that_is_not_there_is_an_outcome_of_its_own(mailbox: RecvId):
    client = open_redis("redis://127.0.0.1:1")
    store = LeaseStore(client, HERE, 60)
    with pytest.raises(LeasesUnavailable):
        await do(store, mailbox, CLAIM)
    with pytest.raises(LeasesUnavailable):
        await store.holders([mailbox])
    assert not await store.is_up()
    await client.aclose()
