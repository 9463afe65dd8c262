"""Anonymous tokens: how many were issued to whom today, and which were spent."""

from collections.abc import Sequence
from datetime import date

import asyncpg
from handshaker_common.identity import Identity

from handshaker_auth.domain.anonymous_tokens import IssuerKeyId, SpentToken

CLEANED_AT_ONCE = 5_000

# Only for a device that is still there. A process whose clock is behind at midnight counts into the new day.
GRANT = """
INSERT INTO token_counters (account_id, day, issued)
SELECT account_id, $3::date, $4::integer FROM devices WHERE account_id = $1 AND device_id = $2 AND $4 <= $5::integer
ON CONFLICT (account_id) DO UPDATE SET
    day = greatest(token_counters.day, excluded.day),
    issued = excluded.issued + CASE WHEN token_counters.day >= excluded.day THEN token_counters.issued ELSE 0 END
WHERE token_counters.day < excluded.day OR token_counters.issued + excluded.issued <= $5
RETURNING true
"""

OPEN_EPOCH = "INSERT INTO token_epochs (key_id) VALUES ($1) ON CONFLICT DO NOTHING"

# The epoch is held while its digests are written: whoever ends it waits, and then deletes these too.
SPEND = """
WITH epoch AS (SELECT epoch FROM token_epochs WHERE key_id = $2 AND NOT ended FOR SHARE)
INSERT INTO spent_tokens (digest, epoch) SELECT $1, epoch FROM epoch ON CONFLICT DO NOTHING RETURNING true
"""

# A process with older keys than others ends nothing, whenever it was started.
END_EPOCHS = """
UPDATE token_epochs SET ended = true
WHERE NOT ended AND epoch < (SELECT min(epoch) FROM token_epochs WHERE key_id = ANY($1::bytea[]))
"""

FORGET_SPENT = """
DELETE FROM spent_tokens WHERE digest IN (
    SELECT digest FROM spent_tokens JOIN token_epochs USING (epoch) WHERE ended LIMIT $1
    FOR UPDATE OF spent_tokens SKIP LOCKED
)
"""

FORGET_COUNTERS = """
DELETE FROM token_counters WHERE account_id IN (
    SELECT account_id FROM token_counters WHERE day < $2 LIMIT $1 FOR UPDATE SKIP LOCKED
)
"""


class TokenStore:
    """Counters and spent tokens in PostgreSQL."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._epochs: set[IssuerKeyId] = set()

    async def grant(self, caller: Identity, count: int, quota: int, today: date) -> bool:
        """Counts `count` tokens for the caller's account; False, and nothing counted, if that were more than `quota`.

        Also False for a caller that is no device any more.
        """
        granted = await self._pool.fetchval(GRANT, caller.account_id, caller.device_id, today, count, quota)
        return bool(granted)

    async def spend(self, token: SpentToken) -> bool:
        """Takes a token out of circulation; False if somebody did before, in whichever process, or its epoch is over."""
        await self._open([token.key_id])
        return bool(await self._pool.fetchval(SPEND, token.digest, token.key_id))

    async def end_epochs_before(self, taken: Sequence[IssuerKeyId]) -> int:
        """Ends the epochs before the oldest of `taken`, and forgets what was spent in them; returns how many digests.

        Args:
            taken: keys whose tokens are taken, oldest first. None of them ends anything.
        """
        await self._open(taken)
        await self._pool.execute(END_EPOCHS, list(taken))
        return await self._delete(FORGET_SPENT)

    async def forget_counters(self, today: date) -> int:
        """Deletes the counters of earlier days; returns how many."""
        return await self._delete(FORGET_COUNTERS, today)

    async def _open(self, keys: Sequence[IssuerKeyId]) -> None:
        """Gives a number to each key that has none, once in the life of this process."""
        for key_id in keys:
            if key_id not in self._epochs:
                await self._pool.execute(OPEN_EPOCH, key_id)
                self._epochs.add(key_id)

    async def _delete(self, statement: str, *arguments: date) -> int:
        """Deletes in portions, so that no lock is held for long."""
        total = 0
        while True:
            status = await self._pool.execute(statement, CLEANED_AT_ONCE, *arguments)
            deleted = int(status.rpartition(" ")[2])
            total += deleted
            if deleted < CLEANED_AT_ONCE:
                return total
