"""Token buckets in a real Redis: never more than the burst, refilled evenly, gone when full, honest in an outage."""

import asyncio

import pytest
import pytest_asyncio
from handshaker_common.clock import SystemClock
from handshaker_common.entropy import system_entropy
from handshaker_common.redis_client import open_redis
from handshaker_common.testing import FakeClock
from handshaker_gateway import store as store_module
from handshaker_gateway.limiters import KeyedBy, Limiter, OnOutage, limits_with
from handshaker_gateway.store import KEY_PREFIX, REST_SECONDS, SALT_PREFIX, LimiterAway, LimiterStore
from handshaker_local.embedded import Redis


@pytest_asyncio.fixture
async def client(redis_url):
    client = open_redis(redis_url)
    yield client
    await client.aclose()


def new_store(client, clock=None, **overrides):
    limits = limits_with({name: (burst, period) for name, (burst, period) in overrides.items()})
    return LimiterStore(client, limits, clock or SystemClock(), system_entropy)


async def buckets(client):
    return await client.keys(f"{KEY_PREFIX}*")


async def test_the_burst_and_not_one_more(client):
    store = new_store(client, lookup=(5, 60))
    assert [await store.take(Limiter.LOOKUP, "a") for _ in range(5)] == [None] * 5
    wait = await store.take(Limiter.LOOKUP, "a")
    assert 11 < wait <= 12
    assert await store.take(Limiter.LOOKUP, "b") is None
    assert await store.take(Limiter.BUNDLE, "a") is None


async def test_fifty_at_once_get_the_burst_between_them(client):
    first, second = (new_store(client, lookup=(10, 600)) for _ in range(2))
    waits = await asyncio.gather(*(store.take(Limiter.LOOKUP, "a") for store in (first, second) for _ in range(25)))
    assert waits.count(None) == 10


async def test_one_use_comes_back_at_a_time(client):
    store = new_store(client, lookup=(4, 1))
    for _ in range(4):
        assert await store.take(Limiter.LOOKUP, "a") is None
    wait = await store.take(Limiter.LOOKUP, "a")
    assert 0 < wait <= 0.25
    await asyncio.sleep(wait)
    assert await store.take(Limiter.LOOKUP, "a") is None
    assert await store.take(Limiter.LOOKUP, "a") is not None


async def test_a_refused_use_costs_nothing(client):
    store = new_store(client, lookup=(1, 600))
    await store.take(Limiter.LOOKUP, "a")
    first = await store.take(Limiter.LOOKUP, "a")
    for _ in range(20):
        assert await store.take(Limiter.LOOKUP, "a") <= first


async def test_a_full_bucket_is_not_there(client):
    store = new_store(client, lookup=(100, 10))
    await store.take(Limiter.LOOKUP, "a")
    (bucket,) = await buckets(client)
    assert 0 < await client.pttl(bucket) <= 100

    async def gone():
        while await buckets(client):
            await asyncio.sleep(0.01)

    await asyncio.wait_for(gone(), 5)


async def test_keys_name_nobody_and_change_with_the_day(client):
    clock = FakeClock()
    store = new_store(client, clock)
    subject = "203.0.113.0/24"
    await store.take(Limiter.LOOKUP, subject)
    (first,) = await buckets(client)
    assert b"203" not in first.removeprefix(KEY_PREFIX.encode())
    assert len(first) == len(KEY_PREFIX) + 64
    assert await new_store(client, clock).take(Limiter.LOOKUP, subject) is None
    assert await buckets(client) == [first]  # another gateway finds the same bucket
    clock.advance(86_400)
    await store.take(Limiter.LOOKUP, subject)
    assert len(await buckets(client)) == 2
    salts = await client.keys(f"{SALT_PREFIX}*")
    assert len(salts) == 2
    for salt in salts:
        assert len(await client.get(salt)) == 32
        assert 86_400 < await client.ttl(salt) <= 2 * 86_400


async def test_an_outage_and_its_end(state_folder):
    server = Redis(state_folder / "limiter-outage")
    server.start()
    client = open_redis(server.url)
    try:
        store = new_store(client, lookup=(1, 600))
        assert await store.take(Limiter.LOOKUP, "a") is None
        server.kill()
        with pytest.raises(LimiterAway):
            await store.take(Limiter.LOOKUP, "a")
        server.start()
        assert await store.take(Limiter.LOOKUP, "a") is None
        assert await store.take(Limiter.LOOKUP, "a") is not None
        assert len(await client.keys(f"{SALT_PREFIX}*")) == 1  # made anew, because the old one was lost
    finally:
        await client.aclose()
        server.stop()


async def test_a_redis_that_hangs_is_left_alone_for_a_while():
    connections = asyncio.Queue()

    async def hang(reader, writer):
        connections.put_nowait(None)
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    client = open_redis(f"redis://127.0.0.1:{port}", timeout=0.1)
    clock = FakeClock()
    store = new_store(client, clock)
    for _ in range(3):
        with pytest.raises(LimiterAway):
            await store.take(Limiter.LOOKUP, "a")
    await asyncio.wait_for(connections.get(), 5)
    assert connections.empty()
    clock.advance(REST_SECONDS)
    with pytest.raises(LimiterAway):
        await store.take(Limiter.LOOKUP, "a")
    await asyncio.wait_for(connections.get(), 5)
    await client.aclose()
    silent.close()


async def test_only_commands_of_redis_6_2_are_used():
    words = {word for word in ("TIME", "GET", "SET") if f"'{word}'" in store_module.TAKE}
    assert words == {"TIME", "GET", "SET"}
    assert store_module.TAKE.count("redis.call") == 3


def test_the_registry():
    for limiter in Limiter:
        limit = limiter.value
        assert limiter is Limiter.named(limit.name)
        assert limiter.key == limit.name == limiter.name.lower()
        assert limit.burst >= 1
        assert limit.period > 0
    guarded = (Limiter.REGISTRATION, Limiter.SESSION, Limiter.LOOKUP, Limiter.BUNDLE, Limiter.PREKEYS, Limiter.USERNAME)
    assert all(limiter.value.on_outage is OnOutage.CLOSED for limiter in guarded)
    assert {limiter.value.keyed_by for limiter in Limiter} == set(KeyedBy)


def test_an_operator_may_change_numbers_and_nothing_else():
    limits = limits_with({"lookup": (7, 2.5)})
    assert (limits[Limiter.LOOKUP].burst, limits[Limiter.LOOKUP].period) == (7, 2.5)
    assert limits[Limiter.LOOKUP].on_outage is OnOutage.CLOSED
    assert limits[Limiter.BUNDLE] == Limiter.BUNDLE.value
    with pytest.raises(ValueError, match="there are account, bundle"):
        limits_with({"nothing": (1, 1)})
    for wrong in ((0, 1), (1, 0)):
        with pytest.raises(ValueError, match="burst of 1"):
            limits_with({"lookup": wrong})


async def test_a_limiter_that_was_changed_forgives_what_was_drawn_under_the_old_one(client):
    slow, quick = new_store(client, lookup=(1, 6000)), new_store(client, lookup=(2, 1))
    assert await slow.take(Limiter.LOOKUP, "a") is None
    wait = await quick.take(Limiter.LOOKUP, "a")
    assert 0 < wait <= 0.5


async def test_draws_that_come_together_share_a_round_trip(client):
    store = new_store(client, lookup=(1000, 6000))
    await store.take(Limiter.LOOKUP, "a")
    before = (await client.info("clients"))["connected_clients"]
    waits = await asyncio.gather(*(store.take(Limiter.LOOKUP, "a") for _ in range(600)))
    assert waits == [None] * 600
    assert (await client.info("clients"))["connected_clients"] == before


async def test_a_redis_that_was_emptied_unnoticed(client):
    store = new_store(client, lookup=(1, 600))
    assert await store.take(Limiter.LOOKUP, "a") is None
    await client.flushall()
    await client.script_flush()
    assert await store.take(Limiter.LOOKUP, "a") is None
    assert await store.take(Limiter.LOOKUP, "a") is not None
    assert len(await client.keys(f"{SALT_PREFIX}*")) == 1
    assert await new_store(client, lookup=(1, 600)).take(Limiter.LOOKUP, "a") is not None  # by the same salt


async def test_whoever_gives_up_holds_nobody_up(client):
    store = new_store(client, lookup=(10, 600))
    impatient = asyncio.ensure_future(store.take(Limiter.LOOKUP, "a"))
    patient = asyncio.ensure_future(store.take(Limiter.LOOKUP, "a"))
    await asyncio.sleep(0)
    impatient.cancel()
    assert await patient is None
    assert impatient.cancelled()
