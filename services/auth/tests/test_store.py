"""Auth's tables in a real PostgreSQL, most of all under concurrency and after a restart."""

import asyncio
import datetime as dt
import hashlib
import re
import secrets

import asyncpg
import pytest
from handshaker_auth.domain.challenges import Spend
from handshaker_auth.domain.refresh import FAMILIES_PER_DEVICE, RefreshToken
from handshaker_auth.domain.registration import new_account
from handshaker_auth.main import PACKAGE
from handshaker_auth.store import CLOCK_SKEW_SECONDS, AuthStore, RefreshFailure
from handshaker_common.entropy import system_entropy
from handshaker_common.identity import Identity
from handshaker_common.postgres import service_database
from handshaker_common.testing import FakeClock
from handshaker_local.embedded import Postgres
from handshaker_proto.options.v1 import options_pb2

TODAY = dt.date(2026, 11, 22)
OLDEST = TODAY - dt.timedelta(days=30)
LATER = 1_800_000_600


def spend(until=LATER):
    return Spend(secrets.token_bytes(32), until)


@pytest.fixture
def store(pool):
    return AuthStore(pool)


@pytest.fixture
async def registered(store, device):
    """A registered device: its identity and its first refresh token."""
    account, token = new_account(device.public, FakeClock(), system_entropy), RefreshToken.first(system_entropy)
    assert await store.register(account, token, TODAY)
    return Identity(account.account_id, account.device_id), token


async def refresh(store, device, token, **changes):
    arguments = {"presented": token, "replacement": token.next(system_entropy), "today": TODAY, "oldest_use": OLDEST}
    arguments |= changes
    return await store.refresh(arguments.pop("spend", None) or spend(), device.public, **arguments)


async def rows(pool, table):
    return await pool.fetchval(f"SELECT count(*) FROM {table}")


async def test_a_challenge_is_spent_once_in_fifty_tries_by_two_processes_and_after_a_restart(settings, store):
    same, other = spend(), spend()
    async with service_database(settings, PACKAGE) as second_pool:
        stores = [store, AuthStore(second_pool)]
        results = await asyncio.gather(*(stores[i % 2].spend(same) for i in range(50)))
    assert sorted(results) == [False] * 49 + [True]
    async with service_database(settings, PACKAGE) as third_pool:
        assert not await AuthStore(third_pool).spend(same)
        assert await AuthStore(third_pool).spend(other)


async def test_a_device_key_registers_once_in_twenty_tries(pool, store, device):
    accounts = [new_account(device.public, FakeClock(), system_entropy) for _ in range(20)]
    tokens = [RefreshToken.first(system_entropy) for _ in accounts]
    results = await asyncio.gather(*(store.register(a, t, TODAY) for a, t in zip(accounts, tokens, strict=True)))
    assert results.count(True) == 1
    assert [await rows(pool, table) for table in ("accounts", "devices", "refresh_families")] == [1, 1, 1]
    winner = accounts[results.index(True)]
    stored = await pool.fetchrow("SELECT * FROM accounts JOIN devices USING (account_id)")
    assert (stored["account_id"], stored["device_id"]) == (winner.account_id, winner.device_id)
    assert stored["created_week"].isoweekday() == 1
    one = tokens[results.index(True)]
    assert await refresh(store, device, one) == Identity(winner.account_id, winner.device_id)


async def test_a_login_takes_one_unspent_challenge_and_a_known_key(pool, store, registered, device, new_device):
    identity, _ = registered
    used, token = spend(), RefreshToken.first(system_entropy)
    results = await asyncio.gather(
        *(store.log_in(used, device.public, RefreshToken.first(system_entropy), TODAY) for _ in range(10))
    )
    assert results.count(identity) == 1
    assert results.count(None) == 9
    assert await rows(pool, "refresh_families") == 2
    unknown = spend()
    assert await store.log_in(unknown, new_device().public, token, TODAY) is None
    assert not await store.spend(unknown), "the work for an unknown key includes spending its challenge"
    assert await rows(pool, "refresh_families") == 2


async def test_the_longest_unused_login_makes_room_for_the_next(pool, store, registered, device):
    _, first = registered
    await pool.execute("UPDATE refresh_families SET last_used_day = $1", TODAY - dt.timedelta(days=1))
    tokens = [RefreshToken.first(system_entropy) for _ in range(FAMILIES_PER_DEVICE)]
    for token in tokens[:-1]:
        assert await store.log_in(spend(), device.public, token, TODAY)
    assert await rows(pool, "refresh_families") == FAMILIES_PER_DEVICE
    assert await store.log_in(spend(), device.public, tokens[-1], TODAY)
    assert await rows(pool, "refresh_families") == FAMILIES_PER_DEVICE
    assert await refresh(store, device, first) is RefreshFailure.REFUSED
    assert isinstance(await refresh(store, device, tokens[-1]), Identity)


async def test_of_concurrent_refreshes_with_one_token_one_succeeds_and_the_family_ends(pool, store, registered, device):
    _, token = registered
    replacements = [token.next(system_entropy) for _ in range(8)]
    results = await asyncio.gather(*(refresh(store, device, token, replacement=r) for r in replacements))
    assert sum(isinstance(result, Identity) for result in results) == 1
    assert RefreshFailure.REUSED in results
    assert await rows(pool, "refresh_families") == 0
    winner = replacements[[isinstance(result, Identity) for result in results].index(True)]
    assert await refresh(store, device, winner) is RefreshFailure.REFUSED


async def test_concurrent_refreshes_of_different_families_all_succeed(store, registered, device):
    identity, _ = registered
    tokens = [RefreshToken.first(system_entropy) for _ in range(8)]
    for token in tokens:
        await store.log_in(spend(), device.public, token, TODAY)
    assert await asyncio.gather(*(refresh(store, device, token) for token in tokens)) == [identity] * 8


async def test_a_repeated_request_ends_nothing(store, registered, device):
    _, token = registered
    used, following = spend(), token.next(system_entropy)
    assert isinstance(await refresh(store, device, token, spend=used, replacement=following), Identity)
    assert await refresh(store, device, token, spend=used) is RefreshFailure.REFUSED
    assert isinstance(await refresh(store, device, following), Identity)


async def test_a_copied_token_is_worth_nothing_to_another_device(store, registered, device, new_device):
    _, token = registered
    thief = new_device()
    await store.register(
        new_account(thief.public, FakeClock(), system_entropy), RefreshToken.first(system_entropy), TODAY
    )
    assert await refresh(store, thief, token) is RefreshFailure.REFUSED
    assert isinstance(await refresh(store, device, token), Identity)


async def test_a_family_ends_when_it_was_not_used_for_too_long(pool, store, registered, device):
    _, token = registered
    following = token.next(system_entropy)
    last_day, day_after = (TODAY + dt.timedelta(days=days) for days in (30, 61))
    kept = await refresh(
        store, device, token, replacement=following, today=last_day, oldest_use=last_day - dt.timedelta(days=30)
    )
    assert isinstance(kept, Identity)
    late = await refresh(store, device, following, today=day_after, oldest_use=day_after - dt.timedelta(days=30))
    assert late is RefreshFailure.REFUSED
    assert await rows(pool, "refresh_families") == 0


async def test_only_hashes_and_days_are_stored(pool, registered):
    _, token = registered
    row = await pool.fetchrow("SELECT * FROM refresh_families")
    assert row["token_hash"] == hashlib.sha256(token.secret).digest()
    assert row["last_used_day"] == TODAY
    assert token.secret[:16] not in b"".join(value for value in row.values() if isinstance(value, bytes))


async def test_logging_out_ends_all_logins_of_the_device_and_no_others(store, registered, device, new_device):
    identity, token = registered
    neighbour, neighbours_token = new_device(), RefreshToken.first(system_entropy)
    await store.register(new_account(neighbour.public, FakeClock(), system_entropy), neighbours_token, TODAY)
    await store.end_sessions(identity)
    assert await refresh(store, device, token) is RefreshFailure.REFUSED
    assert isinstance(await refresh(store, neighbour, neighbours_token), Identity)


async def test_what_expired_is_deleted_and_nothing_else(pool, store, registered, monkeypatch):
    monkeypatch.setattr("handshaker_auth.store.accounts.CLEANED_AT_ONCE", 2)
    gone, kept = [spend(LATER) for _ in range(5)], spend(LATER + 600)
    for each in [*gone, kept]:
        await store.spend(each)
    assert await store.forget_challenges(LATER + CLOCK_SKEW_SECONDS) == 0
    assert await store.forget_challenges(LATER + CLOCK_SKEW_SECONDS + 1) == 5
    assert not await store.spend(kept)
    assert await store.end_unused_families(TODAY) == 0
    assert await store.end_unused_families(TODAY + dt.timedelta(days=1)) == 1


async def test_a_database_that_goes_away_is_noticed_and_used_again(state_folder):
    server = Postgres(state_folder / "own")
    server.start()
    try:
        dsn = server.dsn()
        async with asyncpg.create_pool(dsn, min_size=1) as pool:
            store = AuthStore(pool)
            assert await store.is_up()
            server.kill()
            while await store.is_up():  # until its sessions have noticed, too
                await asyncio.sleep(0.01)
            server.start()
            assert await store.is_up()
    finally:
        server.stop()


async def test_every_column_says_what_it_tells_and_for_how_long(pool):
    columns = await pool.fetch(
        "SELECT attrelid::regclass::text || '.' || attname AS name, col_description(attrelid, attnum) AS comment "
        "FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid "
        "WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND attnum > 0 AND NOT attisdropped"
    )
    classes, retentions = set(options_pb2.PrivacyClass.keys()), set(options_pb2.Retention.keys())
    assert len(columns) >= 11
    for name, comment in columns:
        found = re.fullmatch(r"class=(\w+); retention=(\w+); \S.*", comment or "")
        assert found, name
        assert found[1] in classes
        assert found[2] in retentions
