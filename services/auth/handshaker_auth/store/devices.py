"""The devices of an account and its recovery key.

Changes of one account's devices wait for each other at the account's row, so that what was counted stays true until
the change is made. Who calls is looked up in the same transaction: an access token lives on for minutes after its
device was removed, and must not admit another.
"""

from datetime import date
from uuid import UUID

import asyncpg
from handshaker_common.identity import Identity

from handshaker_auth.domain.devices import MAX_DEVICES, Device, DeviceRefusal, Recovery
from handshaker_auth.domain.ids import DevicePublicKey, RecoveryPublicKey
from handshaker_auth.domain.refresh import RefreshToken
from handshaker_auth.store.accounts import SPEND, identity_of, moment

LOCK = "SELECT true FROM accounts WHERE account_id = $1 FOR NO KEY UPDATE"

# None for a device that is not there, false for a linked one.
IS_PRIMARY = "SELECT is_primary FROM devices WHERE account_id = $1 AND device_id = $2"

COUNT = "SELECT count(*) FROM devices WHERE account_id = $1"

ADD = """
INSERT INTO devices (device_id, account_id, device_public_key, is_primary) VALUES ($1, $2, $3, false)
ON CONFLICT (device_public_key) DO NOTHING RETURNING device_id
"""

FIND = "SELECT account_id, device_id FROM devices WHERE device_public_key = $1"

LIST = """
SELECT device_id, device_public_key, is_primary FROM devices
WHERE account_id = (SELECT account_id FROM devices WHERE account_id = $1 AND device_id = $2) ORDER BY device_id
"""

HAS_RECOVERY_KEY = """
SELECT EXISTS (SELECT FROM recovery_keys JOIN devices USING (account_id) WHERE account_id = $1 AND device_id = $2)
"""

# Its refresh families go with it.
REMOVE = "DELETE FROM devices WHERE account_id = $1 AND device_id = $2 AND NOT is_primary RETURNING true"

REMOVE_OTHERS = "DELETE FROM devices WHERE account_id = $1 AND device_id != $2"

SET_RECOVERY_KEY = "INSERT INTO recovery_keys (account_id, recovery_public_key) VALUES ($1, $2) ON CONFLICT DO NOTHING"

IS_RECOVERY_KEY = "SELECT EXISTS (SELECT FROM recovery_keys WHERE account_id = $1 AND recovery_public_key = $2)"

RECOVERED_ACCOUNT = "SELECT account_id FROM recovery_keys WHERE recovery_public_key = $1"

DEMOTE = "UPDATE devices SET is_primary = false WHERE account_id = $1 AND is_primary"

PROMOTE = "UPDATE devices SET is_primary = true WHERE device_id = $1"

START_FAMILY = """
INSERT INTO refresh_families (family_hash, device_id, token_hash, last_used_day) VALUES ($1, $2, $3, $4)
"""


class DeviceStore:
    """Devices and recovery keys."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def add(self, caller: Identity, device_id: UUID, device_public_key: DevicePublicKey) -> UUID | DeviceRefusal:
        """Adds a linked device for the primary `caller`; returns its id, the one before if it was there already."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.fetchval(LOCK, caller.account_id)
            if not await connection.fetchval(IS_PRIMARY, caller.account_id, caller.device_id):
                return DeviceRefusal.NOT_PRIMARY
            return await _ensure_device(connection, caller.account_id, device_id, device_public_key)

    async def listed(self, caller: Identity) -> tuple[list[Device], bool]:
        """All devices of the caller's account, and whether it has a recovery key; nothing for a removed caller."""
        rows = await self._pool.fetch(LIST, caller.account_id, caller.device_id)
        has_recovery_key = await self._pool.fetchval(HAS_RECOVERY_KEY, caller.account_id, caller.device_id)
        return [Device(row["device_id"], row["device_public_key"], row["is_primary"]) for row in rows], has_recovery_key

    async def remove(self, caller: Identity, device_id: UUID) -> bool:
        """Removes a linked device with its logins: any for the primary, itself for a linked one."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.fetchval(LOCK, caller.account_id)
            is_primary = await connection.fetchval(IS_PRIMARY, caller.account_id, caller.device_id)
            if not is_primary and device_id != caller.device_id:
                return False
            return bool(await connection.fetchval(REMOVE, caller.account_id, device_id))

    async def set_recovery_key(self, caller: Identity, recovery_public_key: RecoveryPublicKey) -> DeviceRefusal | None:
        """Sets the recovery key of the primary's account once; None when it is in force."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.fetchval(LOCK, caller.account_id)
            if not await connection.fetchval(IS_PRIMARY, caller.account_id, caller.device_id):
                return DeviceRefusal.NOT_PRIMARY
            await connection.execute(SET_RECOVERY_KEY, caller.account_id, recovery_public_key)
            is_set = await connection.fetchval(IS_RECOVERY_KEY, caller.account_id, recovery_public_key)
            return None if is_set else DeviceRefusal.ALREADY_SET

    async def recover(self, recovery: Recovery, token: RefreshToken, today: date) -> Identity | DeviceRefusal:
        """Makes a device the primary of the recovered account and starts its first login.

        The challenge is spent also when the answer is a refusal.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            spend = recovery.spend
            if not await connection.fetchval(SPEND, spend.digest, moment(spend.remember_until)):
                return DeviceRefusal.REFUSED
            account_id = await connection.fetchval(RECOVERED_ACCOUNT, recovery.recovery_public_key)
            if account_id is None:
                return DeviceRefusal.REFUSED
            await connection.fetchval(LOCK, account_id)
            return await _recover(connection, account_id, recovery, token, today)


async def _recover(
    connection: asyncpg.pool.PoolConnectionProxy, account_id: UUID, recovery: Recovery, token: RefreshToken, today: date
) -> Identity | DeviceRefusal:
    maximum = MAX_DEVICES + 1 if recovery.remove_others else MAX_DEVICES  # the others go in the same transaction
    device_id = await _ensure_device(
        connection, account_id, recovery.device_id, recovery.device_public_key, maximum=maximum
    )
    if isinstance(device_id, DeviceRefusal):
        # Whose key it is is not the caller's business.
        return DeviceRefusal.TOO_MANY if device_id is DeviceRefusal.TOO_MANY else DeviceRefusal.REFUSED
    if recovery.remove_others:
        await connection.execute(REMOVE_OTHERS, account_id, device_id)
    await connection.execute(DEMOTE, account_id)
    await connection.execute(PROMOTE, device_id)
    await connection.execute(START_FAMILY, token.family_hash, device_id, token.token_hash, today)
    return Identity(account_id, device_id)


async def _ensure_device(
    connection: asyncpg.pool.PoolConnectionProxy,
    account_id: UUID,
    device_id: UUID,
    device_public_key: DevicePublicKey,
    *,
    maximum: int = MAX_DEVICES,
) -> UUID | DeviceRefusal:
    """The account's device with that key, added as a linked one if need be. The account's row is locked."""
    known = await connection.fetchrow(FIND, device_public_key)
    if known is None:
        if await connection.fetchval(COUNT, account_id) >= maximum:
            return DeviceRefusal.TOO_MANY
        added: UUID | None = await connection.fetchval(ADD, device_id, account_id, device_public_key)
        if added is not None:
            return added
        known = await connection.fetchrow(FIND, device_public_key)  # another account was faster
    if known is None or identity_of(known).account_id != account_id:
        return DeviceRefusal.KEY_TAKEN
    return identity_of(known).device_id
