"""Mailboxes in PostgreSQL."""

from collections.abc import Sequence

import asyncpg
from handshaker_common.ids import RecvId, SendId, WakeId
from handshaker_common.postgres import answering

from handshaker_blobstore.domain.frames import Day
from handshaker_blobstore.domain.mailboxes import Mailbox, Resolved
from handshaker_blobstore.store.database import lock_key

# Rows of one transaction of the cleaning-up.
MOST_DELETED_AT_ONCE = 1_000

CREATE = """
    INSERT INTO mailboxes AS kept (recv_id, send_id, recv_public_key, send_secret_hash, wake_id, last_used_day)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (recv_id) DO UPDATE SET last_used_day = greatest(kept.last_used_day, excluded.last_used_day)
    WHERE kept.send_secret_hash = excluded.send_secret_hash AND kept.wake_id IS NOT DISTINCT FROM excluded.wake_id
    RETURNING true
"""
RESOLVE = """
    SELECT mailboxes.send_id, recv_id, send_secret_hash, wake_id
    FROM unnest($1::bytea[]) AS asked (send_id) JOIN mailboxes ON mailboxes.send_id = asked.send_id
"""
# Whoever else holds a row is deleting it or noting the same use.
TOUCH = """
    WITH used AS (
        SELECT mailboxes.recv_id
        FROM unnest($1::bytea[]) AS noted (recv_id) JOIN mailboxes ON mailboxes.recv_id = noted.recv_id
        WHERE last_used_day < $2
        FOR NO KEY UPDATE OF mailboxes SKIP LOCKED
    )
    UPDATE mailboxes SET last_used_day = $2 FROM used WHERE mailboxes.recv_id = used.recv_id
"""
DELETE_UNUSED = """
    WITH unused AS (
        SELECT recv_id FROM mailboxes WHERE last_used_day < $1 LIMIT $2 FOR UPDATE SKIP LOCKED
    )
    DELETE FROM mailboxes USING unused WHERE mailboxes.recv_id = unused.recv_id
"""


class MailboxStore:
    """Creates, resolves and deletes mailboxes. Every method raises DatabaseUnavailable when PostgreSQL does not answer."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def create(self, mailbox: Mailbox, day: Day) -> bool:
        """Creates the mailbox; True as well when it is there already, False when a different one has its id."""
        async with answering():
            try:
                created = await self._pool.fetchval(
                    CREATE,
                    mailbox.recv_id,
                    mailbox.send_id,
                    mailbox.recv_public_key,
                    mailbox.send_secret_hash,
                    mailbox.wake_id,
                    day,
                )
            except asyncpg.UniqueViolationError:  # another mailbox has this send id
                return False
        return created is True

    async def delete(self, recv_id: RecvId) -> None:
        """Deletes the mailbox and every frame in it, in one transaction; nothing happens when it is not there.

        Whoever is storing a frame in it either commits before, and the frame is deleted, or is refused.
        """
        async with answering(), self._pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", lock_key(recv_id))
            await connection.execute("DELETE FROM mailboxes WHERE recv_id = $1", recv_id)
            await connection.execute("DELETE FROM frames WHERE recv_id = $1", recv_id)

    async def resolve(self, send_ids: Sequence[SendId]) -> list[Resolved | None]:
        """Who stands behind each send id, in their order; None where nobody does."""
        async with answering():
            rows = await self._pool.fetch(RESOLVE, list(dict.fromkeys(send_ids)))
        found = {row[0]: Resolved(RecvId(row[1]), row[2], None if row[3] is None else WakeId(row[3])) for row in rows}
        return [found.get(send_id) for send_id in send_ids]

    async def touch(self, used: Sequence[RecvId], day: Day) -> None:
        """Notes that these mailboxes were used on this day."""
        async with answering():
            await self._pool.execute(TOUCH, used, day)

    async def delete_unused(self, before: Day) -> int:
        """Deletes some mailboxes that were last used before this day; how many, 0 when none is left.

        Frames need no look: storing one is a use, and none lives as long as a mailbox may stand unused.
        """
        async with answering():
            status = await self._pool.execute(DELETE_UNUSED, before, MOST_DELETED_AT_ONCE)
        return int(status.rpartition(" ")[2])
