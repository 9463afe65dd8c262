"""The partitions of the stored frames: one for each day on which frames die, made ahead and dropped when it is over."""

import asyncpg
from handshaker_common.postgres import answering

from handshaker_blobstore.domain.frames import Day

PREFIX = "frames_day_"
# Two numbers, so that it cannot meet a mailbox's lock; held while partitions change, one process at a time.
LOCK = (0x66726D73, 1)
# A partition is a queue: rows come, are read by cursor and go. 2 KiB frames stay in the row (three to a page), 16 KiB
# ones go out of it. Vacuum runs after some thousand deletions, whatever the size, and without pausing.
STORAGE = (
    "toast_tuple_target = 8160, fillfactor = 100, "
    "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0, "
    "autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 20000, "
    "autovacuum_analyze_scale_factor = 0.5, autovacuum_analyze_threshold = 50000, "
    "toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 20000"
)
EXISTING = """
    SELECT relname FROM pg_class
    WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND relname ~ '^frames_day_[0-9]+$'
"""


class PartitionStore:
    """Makes and drops partitions. Every method raises DatabaseUnavailable when PostgreSQL does not answer."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def days(self) -> set[Day]:
        """The days that have a partition."""
        async with answering():
            return await self._days(self._pool)

    async def _days(self, connection: "asyncpg.Pool | asyncpg.pool.PoolConnectionProxy") -> set[Day]:
        return {Day(int(row[0].removeprefix(PREFIX))) for row in await connection.fetch(EXISTING)}

    async def arrange(self, needed: range) -> list[Day]:
        """Makes the partitions that are missing from `needed` and drops those of earlier days; returns the dropped.

        Reading and storing go on meanwhile, but for a moment at each drop; where that moment does not come within
        two seconds the drop is left for the next time, so that a long transaction cannot hold everybody up.
        """
        there = await self.days()
        for day in needed:
            if day not in there:
                async with answering():
                    await self._make(Day(day))
        dropped = []
        for day in sorted(there):
            if day < needed.start:
                async with answering():
                    await self._drop(day)
                dropped.append(day)
        return dropped

    async def _make(self, day: Day) -> None:
        name = f"{PREFIX}{day}"
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1, $2)", *LOCK)
            if day in await self._days(connection):
                return
            # Attaching a finished table locks less than making it as a partition.
            await connection.execute(f"CREATE TABLE {name} (LIKE frames INCLUDING ALL) WITH ({STORAGE})")
            await connection.execute(
                f"ALTER TABLE frames ATTACH PARTITION {name} FOR VALUES FROM ({day}) TO ({day + 1})"
            )

    async def _drop(self, day: Day) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("SET LOCAL lock_timeout = '2s'")
            await connection.execute("SELECT pg_advisory_xact_lock($1, $2)", *LOCK)
            await connection.execute(f"DROP TABLE IF EXISTS {PREFIX}{day}")
