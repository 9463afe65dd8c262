"""Devices in a real PostgreSQL under concurrency: however changes meet, the account's rules hold."""

import asyncio
import datetime as dt
import secrets
import uuid

import pytest
from handshaker_auth.domain.challenges import Spend
from handshaker_auth.domain.devices import MAX_DEVICES, DeviceRefusal, Recovery
from handshaker_auth.domain.refresh import FAMILIES_PER_DEVICE, RefreshToken
from handshaker_auth.domain.registration import new_account
from handshaker_auth.store import AuthStore, DeviceStore
from handshaker_common.entropy import system_entropy
from handshaker_common.identity import Identity
from handshaker_common.testing import FakeClock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

TODAY = dt.date(2026, 11, 22)
LATER = 1_800_000_600


def spend():
    return Spend(secrets.token_bytes(32), LATER)


def key():
    return secrets.token_bytes(32)


class Account:
    """A registered account whose keys the tests make up."""

    def __init__(self, pool):
        self.pool, self.auth, self.devices = pool, AuthStore(pool), DeviceStore(pool)
        self.recovery_key = key()

    async def register(self):
        account = new_account(key(), FakeClock(), system_entropy)
        assert await self.auth.register(account, RefreshToken.first(system_entropy), TODAY)
        self.primary = Identity(account.account_id, account.device_id)
        assert await self.devices.set_recovery_key(self.primary, self.recovery_key) is None
        return self

    async def add(self, device=None):
        return await self.devices.add(self.primary, uuid.uuid4(), device or key())

    async def log_in(self, device):
        return await self.auth.log_in(spend(), device, RefreshToken.first(system_entropy), TODAY)

    async def recover(self, *, remove_others=False):
        recovery = Recovery(spend(), self.recovery_key, key(), uuid.uuid4(), remove_others)
        return await self.devices.recover(recovery, RefreshToken.first(system_entropy), TODAY)

    async def check(self):
        """What is true whatever happened."""
        rows = await self.pool.fetch(
            "SELECT device_id, is_primary FROM devices WHERE account_id = $1", self.primary.account_id
        )
        assert [row["is_primary"] for row in rows].count(True) == 1
        assert len(rows) <= MAX_DEVICES
        return {row["device_id"] for row in rows}


@pytest.fixture
async def account(pool):
    return await Account(pool).register()


async def test_a_key_that_two_accounts_want_at_once_goes_to_one(pool, account):
    other = await Account(pool).register()
    for _ in range(5):
        wanted = key()
        results = await asyncio.gather(*(who.add(wanted) for who in (account, other) for _ in range(3)))
        assert results.count(DeviceRefusal.KEY_TAKEN) == 3
        [winner] = {result for result in results if result is not DeviceRefusal.KEY_TAKEN}
        removed = [await who.devices.remove(who.primary, winner) for who in (account, other)]
        assert sorted(removed) == [False, True]


async def test_logins_and_removals_that_meet_leave_no_login_behind(account):
    for _ in range(10):
        device = key()
        device_id = await account.add(device)
        for _ in range(FAMILIES_PER_DEVICE):
            assert await account.log_in(device)
        *logins, removed = await asyncio.gather(
            *(account.log_in(device) for _ in range(6)), account.devices.remove(account.primary, device_id)
        )
        assert removed
        assert set(logins) <= {None, Identity(account.primary.account_id, device_id)}
        assert await account.log_in(device) is None
    assert await account.pool.fetchval("SELECT count(*) FROM refresh_families") == 1


async def test_a_device_admits_nobody_while_it_loses_its_place(account):
    for _ in range(10):
        recovered, *added = await asyncio.gather(
            account.recover(remove_others=True), *(account.add() for _ in range(4))
        )
        left = await account.check()
        admitted = {result for result in added if isinstance(result, uuid.UUID)}
        assert recovered.device_id in left
        # Who came in before the recovery went with the others; after it the old primary admitted nobody.
        assert left == {recovered.device_id}, admitted
        assert await account.add() is DeviceRefusal.NOT_PRIMARY
        account.primary = recovered


ACTIONS = st.lists(
    st.lists(st.sampled_from(["add", "remove", "leave", "recover", "take over", "list"]), min_size=1, max_size=5),
    min_size=1,
    max_size=6,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(batches=ACTIONS)
async def test_whatever_happens_at_once_one_primary_and_eight_devices_at_most(pool, batches):
    account = await Account(pool).register()
    for batch in batches:
        devices = sorted(await account.check() - {account.primary.device_id})
        target = devices[0] if devices else uuid.uuid4()
        leaving = Identity(account.primary.account_id, target)
        calls = {
            "add": account.add,
            "remove": lambda target=target: account.devices.remove(account.primary, target),
            "leave": lambda leaving=leaving: account.devices.remove(leaving, leaving.device_id),
            "recover": account.recover,
            "take over": lambda: account.recover(remove_others=True),
            "list": lambda: account.devices.listed(account.primary),
        }
        await asyncio.gather(*(calls[action]() for action in batch))
        await account.check()
        row = await pool.fetchrow(
            "SELECT device_id FROM devices WHERE account_id = $1 AND is_primary", account.primary.account_id
        )
        account.primary = Identity(account.primary.account_id, row["device_id"])
