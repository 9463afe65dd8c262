"""A state machine over refresh families: whatever happens in whatever order, PostgreSQL agrees with a simple model."""

import asyncio
import datetime as dt
import secrets

import asyncpg
from handshaker_auth.domain.challenges import Spend
from handshaker_auth.domain.refresh import RefreshPolicy, RefreshToken
from handshaker_auth.domain.registration import new_account
from handshaker_auth.main import PACKAGE
from handshaker_auth.store import AuthStore, RefreshFailure
from handshaker_common.entropy import system_entropy
from handshaker_common.identity import Identity
from handshaker_common.postgres import migrate, open_pool
from handshaker_common.testing import FakeClock
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

POLICY = RefreshPolicy(unused_days=3)


class Family:
    """The model: all tokens a family ever had, the newest last, and the day of its last use."""

    def __init__(self, token, today):
        self.tokens = [token]
        self.last_used = today
        self.alive = True


class Families(RuleBasedStateMachine):
    """Two devices, each with some logins. The test puts the event loop, the pool and the store here."""

    runner: asyncio.Runner
    pool: asyncpg.Pool
    store: AuthStore

    def __init__(self):
        super().__init__()
        self.today = dt.date(2026, 1, 1)
        self.keys = [secrets.token_bytes(32) for _ in range(2)]
        self.families = [[], []]
        self.identities = []
        for number, key in enumerate(self.keys):
            account, token = new_account(key, FakeClock(), system_entropy), RefreshToken.first(system_entropy)
            assert self.runner.run(self.store.register(account, token, self.today))
            self.identities.append(Identity(account.account_id, account.device_id))
            self.families[number].append(Family(token, self.today))

    def refresh(self, number, token, *, replacement=None, spend=None):
        return self.store.refresh(
            spend or Spend(secrets.token_bytes(32), 1_800_000_000),
            self.keys[number],
            presented=token,
            replacement=replacement or token.next(system_entropy),
            today=self.today,
            oldest_use=POLICY.oldest_use(self.today),
        )

    def is_fresh(self, family):
        return family.alive and family.last_used >= POLICY.oldest_use(self.today)

    def pick(self, data, number):
        return data.draw(st.sampled_from(self.families[number]))

    @precondition(lambda self: max(map(len, self.families)) < 6)
    @rule(number=st.integers(0, 1))
    def log_in(self, number):
        token, spend = RefreshToken.first(system_entropy), Spend(secrets.token_bytes(32), 1_800_000_000)
        assert (
            self.runner.run(self.store.log_in(spend, self.keys[number], token, self.today)) == self.identities[number]
        )
        self.families[number].append(Family(token, self.today))

    @rule(data=st.data(), number=st.integers(0, 1))
    def refresh_with_the_newest(self, data, number):
        family = self.pick(data, number)
        following = family.tokens[-1].next(system_entropy)
        result = self.runner.run(self.refresh(number, family.tokens[-1], replacement=following))
        if self.is_fresh(family):
            assert result == self.identities[number]
            family.tokens.append(following)
            family.last_used = self.today
        else:
            assert result is RefreshFailure.REFUSED
            family.alive = False

    @rule(data=st.data(), number=st.integers(0, 1))
    def refresh_with_an_older_one(self, data, number):
        family = self.pick(data, number)
        if len(family.tokens) == 1:
            return
        result = self.runner.run(self.refresh(number, data.draw(st.sampled_from(family.tokens[:-1]))))
        assert result is (RefreshFailure.REUSED if self.is_fresh(family) else RefreshFailure.REFUSED)
        family.alive = False

    @rule(data=st.data(), number=st.integers(0, 1))
    def refresh_twice_at_once(self, data, number):
        family = self.pick(data, number)
        token = family.tokens[-1]

        async def both():
            return await asyncio.gather(self.refresh(number, token), self.refresh(number, token))

        results = self.runner.run(both())
        if self.is_fresh(family):
            assert self.identities[number] in results
            assert RefreshFailure.REUSED in results
        else:
            assert results == [RefreshFailure.REFUSED] * 2
        family.alive = False

    @rule(data=st.data(), number=st.integers(0, 1))
    def refresh_from_the_other_device(self, data, number):
        token = self.pick(data, number).tokens[-1]
        assert self.runner.run(self.refresh(1 - number, token)) is RefreshFailure.REFUSED

    @rule(number=st.integers(0, 1))
    def refresh_with_an_invented_one(self, number):
        assert self.runner.run(self.refresh(number, RefreshToken.first(system_entropy))) is RefreshFailure.REFUSED

    @rule(data=st.data(), number=st.integers(0, 1))
    def repeat_a_request(self, data, number):
        family, spent = self.pick(data, number), Spend(secrets.token_bytes(32), 1_800_000_000)
        assert self.runner.run(self.store.spend(spent))
        assert self.runner.run(self.refresh(number, family.tokens[-1], spend=spent)) is RefreshFailure.REFUSED

    @rule(number=st.integers(0, 1))
    def log_out(self, number):
        self.runner.run(self.store.end_sessions(self.identities[number]))
        for family in self.families[number]:
            family.alive = False

    @rule(days=st.integers(1, 4))
    def days_pass(self, days):
        self.today += dt.timedelta(days=days)

    @rule()
    def clean(self):
        self.runner.run(self.store.end_unused_families(POLICY.oldest_use(self.today)))
        for family in (family for families in self.families for family in families):
            family.alive = self.is_fresh(family)

    @invariant()
    def the_database_agrees(self):
        ids = [identity.device_id for identity in self.identities]
        rows = self.runner.run(self.pool.fetch("SELECT * FROM refresh_families WHERE device_id = ANY($1)", ids))
        stored = {(ids.index(row["device_id"]), row["token_hash"], row["last_used_day"]) for row in rows}
        modelled = {
            (number, family.tokens[-1].token_hash, family.last_used)
            for number, families in enumerate(self.families)
            for family in families
            if family.alive
        }
        assert stored == modelled


def test_refresh_families_agree_with_the_model(database):
    with asyncio.Runner() as runner:
        Families.runner = runner
        Families.pool = runner.run(open_pool(database, max_size=4))
        try:
            runner.run(migrate(Families.pool, PACKAGE))
            Families.store = AuthStore(Families.pool)
            run_state_machine_as_test(
                Families, settings=settings(max_examples=40, stateful_step_count=25, deadline=None)
            )
        finally:
            runner.run(Families.pool.close())
