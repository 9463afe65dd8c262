"""Wipe tickets: the hash of one for each device, and the end of what a ticket stands for."""

import asyncpg
from handshaker_common.identity import Identity

from handshaker_auth.domain.ids import WipeTicketHash

# Only for a device that is still there: an access token lives on for minutes after its device was removed.
KEEP = """
INSERT INTO wipe_tickets (device_id, ticket_hash)
SELECT device_id, $3 FROM devices WHERE account_id = $1 AND device_id = $2
ON CONFLICT (device_id) DO UPDATE SET ticket_hash = excluded.ticket_hash
RETURNING true
"""

# Devices, refresh families, recovery keys and tickets go with the account or the device.
FIND = "SELECT account_id, device_id FROM wipe_tickets JOIN devices USING (device_id) WHERE ticket_hash = $1"
LOCK = "SELECT true FROM accounts WHERE account_id = $1 FOR UPDATE"
IS_PRIMARY = "SELECT is_primary FROM devices WHERE device_id = $1"
DELETE_ACCOUNT = "DELETE FROM accounts WHERE account_id = $1"
DELETE_DEVICE = "DELETE FROM devices WHERE device_id = $1"


class WipeStore:
    """Wipe tickets in PostgreSQL."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def keep(self, caller: Identity, ticket_hash: WipeTicketHash) -> bool:
        """Keeps the caller's ticket in place of the one before; False for a caller that is no device any more."""
        return bool(await self._pool.fetchval(KEEP, caller.account_id, caller.device_id, ticket_hash))

    async def wipe(self, ticket_hash: WipeTicketHash) -> bool:
        """Ends the account of a primary's ticket, the device of a linked one's; False when there is no such ticket."""
        async with self._pool.acquire() as connection, connection.transaction():
            found = await connection.fetchrow(FIND, ticket_hash)
            # Who is the primary may change until the account's row is held.
            if found is None or not await connection.fetchval(LOCK, found["account_id"]):
                return False
            if await connection.fetchval(IS_PRIMARY, found["device_id"]):
                await connection.execute(DELETE_ACCOUNT, found["account_id"])
            else:
                await connection.execute(DELETE_DEVICE, found["device_id"])
            return True
