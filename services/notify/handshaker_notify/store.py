"""Wake targets in PostgreSQL."""

from collections.abc import Sequence

import asyncpg
from handshaker_common.errors import DatabaseUnavailable
from handshaker_common.ids import WakeId
from handshaker_common.postgres import answering

from handshaker_notify.domain.targets import SealedTarget

# Rows of one transaction of the cleaning-up.
MOST_DELETED_AT_ONCE = 1_000

PUT = """
    INSERT INTO wake_targets AS kept (wake_id, owner_public_key, sealed_target, revision, last_used_day)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (wake_id) DO UPDATE SET
        sealed_target = excluded.sealed_target, revision = excluded.revision, last_used_day = excluded.last_used_day
    WHERE kept.revision < excluded.revision AND kept.owner_public_key = excluded.owner_public_key
    RETURNING true
"""
# Whoever else holds a row is deleting it or noting the same use.
TOUCH = """
    WITH used AS (
        SELECT wake_id FROM wake_targets WHERE wake_id = ANY($1::bytea[]) AND last_used_day < $2
        FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE wake_targets SET last_used_day = $2 FROM used WHERE wake_targets.wake_id = used.wake_id
"""
DELETE_UNUSED = """
    WITH unused AS (
        SELECT wake_id FROM wake_targets WHERE last_used_day < $1 LIMIT $2 FOR UPDATE SKIP LOCKED
    )
    DELETE FROM wake_targets USING unused WHERE wake_targets.wake_id = unused.wake_id
"""


class WakeTargetStore:
    """Keeps sealed targets. Every method raises DatabaseUnavailable when PostgreSQL does not answer."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def is_up(self) -> bool:
        """Whether the database answers."""
        try:
            async with answering():
                return bool(await self._pool.fetchval("SELECT true"))
        except DatabaseUnavailable:
            return False

    async def put(self, target: SealedTarget, day: int) -> bool:
        """Sets or replaces a target; False, and nothing, unless its revision is larger than the one that is kept."""
        async with answering():
            put = await self._pool.fetchval(
                PUT, target.wake_id, target.owner_public_key, target.sealed, target.revision, day
            )
        return put is True

    async def delete(self, wake_id: WakeId) -> None:
        """Deletes a target; nothing happens when there is none."""
        async with answering():
            await self._pool.execute("DELETE FROM wake_targets WHERE wake_id = $1", wake_id)

    async def find(self, wake_ids: Sequence[WakeId]) -> dict[WakeId, bytes]:
        """The sealed targets of those ids that have one."""
        query = "SELECT wake_id, sealed_target FROM wake_targets WHERE wake_id = ANY($1::bytea[])"
        async with answering():
            rows = await self._pool.fetch(query, wake_ids)
        return {WakeId(row[0]): row[1] for row in rows}

    async def touch(self, used: Sequence[WakeId], day: int) -> None:
        """Notes that these targets were used on this day."""
        async with answering():
            await self._pool.execute(TOUCH, used, day)

    async def delete_unused(self, before: int) -> int:
        """Deletes some targets that were last used before this day; how many, 0 when none is left."""
        async with answering():
            status = await self._pool.execute(DELETE_UNUSED, before, MOST_DELETED_AT_ONCE)
        return int(status.rpartition(" ")[2])
