"""Accounts, refresh families and spent challenges."""

import datetime as dt
import enum
from datetime import UTC, date

import asyncpg
from handshaker_common.identity import Identity

from handshaker_auth.domain.challenges import Spend
from handshaker_auth.domain.ids import DevicePublicKey
from handshaker_auth.domain.refresh import FAMILIES_PER_DEVICE, RefreshToken
from handshaker_auth.domain.registration import NewAccount

# Processes' clocks differ: what one believes expired another may still take.
CLOCK_SKEW_SECONDS = 60
CLEANED_AT_ONCE = 5_000

SPEND = "INSERT INTO spent_challenges (digest, remember_until) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING true"

# A key that is taken leaves no account behind: the account is made from the device that was.
REGISTER = """
WITH device AS (
    INSERT INTO devices (device_id, account_id, device_public_key, is_primary) VALUES ($2, $1, $3, true)
    ON CONFLICT (device_public_key) DO NOTHING RETURNING account_id
), account AS (
    INSERT INTO accounts (account_id, created_week) SELECT account_id, $4::date FROM device
)
INSERT INTO refresh_families (family_hash, device_id, token_hash, last_used_day)
SELECT $5, $2, $6, $7 FROM device RETURNING true
"""

# The device is locked before its families, as by whoever removes it: the two wait for each other instead of dying.
LOG_IN = """
WITH spent AS (
    INSERT INTO spent_challenges (digest, remember_until) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING true
), device AS (
    SELECT devices.device_id, devices.account_id FROM devices, spent WHERE device_public_key = $3
    FOR KEY SHARE OF devices
), surplus AS (
    DELETE FROM refresh_families WHERE family_hash IN (
        SELECT family_hash FROM refresh_families JOIN device USING (device_id)
        ORDER BY last_used_day DESC, family_hash OFFSET $7::integer
    )
), family AS (
    INSERT INTO refresh_families (family_hash, device_id, token_hash, last_used_day)
    SELECT $4, device_id, $5, $6 FROM device
)
SELECT account_id, device_id FROM device
"""

# Two refreshes with one token meet at the row: the second waits for the first, then finds another token in it.
ROTATE = """
UPDATE refresh_families AS family SET token_hash = $3, last_used_day = $4 FROM devices
WHERE family.family_hash = $1 AND family.token_hash = $2 AND family.last_used_day >= $5
  AND devices.device_id = family.device_id AND devices.device_public_key = $6
RETURNING devices.account_id, devices.device_id
"""

REVOKE = """
DELETE FROM refresh_families AS family USING devices
WHERE family.family_hash = $1 AND devices.device_id = family.device_id AND devices.device_public_key = $2
RETURNING family.last_used_day
"""

FORGET_CHALLENGES = """
DELETE FROM spent_challenges WHERE digest IN (
    SELECT digest FROM spent_challenges WHERE remember_until < $1 LIMIT $2 FOR UPDATE SKIP LOCKED
)
"""

END_UNUSED_FAMILIES = """
DELETE FROM refresh_families WHERE family_hash IN (
    SELECT family_hash FROM refresh_families WHERE last_used_day < $1 LIMIT $2 FOR UPDATE SKIP LOCKED
)
"""


class RefreshFailure(enum.Enum):
    """Why a refresh was refused. Callers are told nothing of it; operators count it."""

    REFUSED = "refused"
    REUSED = "reused"


def moment(seconds: float) -> dt.datetime:
    """Unix seconds as PostgreSQL takes them."""
    return dt.datetime.fromtimestamp(seconds, UTC)


def identity_of(row: asyncpg.Record) -> Identity:
    """The account and device of a row."""
    return Identity(row["account_id"], row["device_id"])


def _affected(status: str) -> int:
    """The number of rows in PostgreSQL's command tag, `DELETE 3`."""
    return int(status.rpartition(" ")[2])


class AuthStore:
    """Accounts, devices, refresh families and spent challenges."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def is_up(self) -> bool:
        """Whether the database answers."""
        try:
            return bool(await self._pool.fetchval("SELECT true"))
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False

    async def spend(self, spend: Spend) -> bool:
        """Takes a challenge out of circulation; False if somebody did before, in whichever process."""
        return bool(await self._pool.fetchval(SPEND, spend.digest, moment(spend.remember_until)))

    async def register(self, account: NewAccount, token: RefreshToken, today: date) -> bool:
        """Adds the account, its device and a first refresh family; False, and nothing, if the key is taken."""
        made = await self._pool.fetchval(
            REGISTER,
            account.account_id,
            account.device_id,
            account.device_public_key,
            account.created_week,
            token.family_hash,
            token.token_hash,
            today,
        )
        return bool(made)

    async def log_in(
        self, spend: Spend, device_public_key: DevicePublicKey, token: RefreshToken, today: date
    ) -> Identity | None:
        """Spends the challenge and starts a family; None if it was spent before or no device has the key.

        The device's longest unused families end when it has more than FAMILIES_PER_DEVICE.
        """
        row = await self._pool.fetchrow(
            LOG_IN,
            spend.digest,
            moment(spend.remember_until),
            device_public_key,
            token.family_hash,
            token.token_hash,
            today,
            FAMILIES_PER_DEVICE - 1,
        )
        return None if row is None else identity_of(row)

    async def refresh(
        self,
        spend: Spend,
        device_public_key: DevicePublicKey,
        *,
        presented: RefreshToken,
        replacement: RefreshToken,
        today: date,
        oldest_use: date,
    ) -> Identity | RefreshFailure:
        """Spends the challenge and replaces the family's token, in one transaction.

        A token that is not the newest of its family ends the family. A spent challenge changes nothing: it is a
        repeated request, not a repeated token. So does a token of another device, whose copy proves nothing.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            if not await connection.fetchval(SPEND, spend.digest, moment(spend.remember_until)):
                return RefreshFailure.REFUSED
            row = await connection.fetchrow(
                ROTATE,
                presented.family_hash,
                presented.token_hash,
                replacement.token_hash,
                today,
                oldest_use,
                device_public_key,
            )
            if row is not None:
                return identity_of(row)
            last_used = await connection.fetchval(REVOKE, presented.family_hash, device_public_key)
            unused_for_too_long = last_used is None or last_used < oldest_use
            return RefreshFailure.REFUSED if unused_for_too_long else RefreshFailure.REUSED

    async def end_sessions(self, identity: Identity) -> None:
        """Ends all refresh families of the device."""
        await self._pool.execute("DELETE FROM refresh_families WHERE device_id = $1", identity.device_id)

    async def forget_challenges(self, now: float) -> int:
        """Deletes spent challenges that have expired; returns how many."""
        return await self._clean(FORGET_CHALLENGES, moment(now - CLOCK_SKEW_SECONDS))

    async def end_unused_families(self, oldest_use: date) -> int:
        """Deletes families last used before that day; returns how many."""
        return await self._clean(END_UNUSED_FAMILIES, oldest_use)

    async def _clean(self, statement: str, before: date | dt.datetime) -> int:
        """Deletes in portions, so that no lock is held for long."""
        total = 0
        while True:
            deleted = _affected(await self._pool.execute(statement, before, CLEANED_AT_ONCE))
            total += deleted
            if deleted < CLEANED_AT_ONCE:
                return total
