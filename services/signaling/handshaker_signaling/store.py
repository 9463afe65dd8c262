"""Leases in Redis: which process holds a mailbox's live subscription.

A lease is one key that names the holding process with its address, so looking a lease up says where to forward to.
Redis may lose all of it: leases are hints that the holders renew, and a frame's way never depends on them alone.
"""

from collections.abc import Sequence
from typing import Any

import redis.asyncio as redis
from handshaker_common.ids import RecvId
from redis.exceptions import RedisError

from handshaker_signaling.domain import LeaseKind, LeaseRequest, Process

# The braces put all leases into one slot of a Redis Cluster, so that many can be asked for at once.
PREFIX = b"{handshaker:lease}:"

# Takes a lease that is free or ours. Sent with its text each time: Redis knows it by its hash, and a Redis that has
# been restarted needs no loading.
RENEW = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return holder end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return ARGV[1]
"""
RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class LeasesUnavailable(Exception):
    """Redis did not answer, or not sensibly."""


class LeaseStore:
    """All leases of one deployment, seen by the process `me`. Methods raise LeasesUnavailable without Redis."""

    def __init__(self, client: "redis.Redis", me: Process, lease_seconds: int) -> None:
        self._client = client
        self._me = me
        self._seconds = lease_seconds

    async def carry_out(self, requests: Sequence[LeaseRequest]) -> list[Process | None]:
        """Carries the requests out in their order, in one round trip; the holder for each (see LeaseKind)."""
        pipeline: Any = self._client.pipeline(transaction=False)
        for kind, recv_id, _ in requests:
            key = PREFIX + recv_id
            if kind is LeaseKind.CLAIM:
                pipeline.set(key, self._me, ex=self._seconds, get=True)
            elif kind is LeaseKind.RENEW:
                pipeline.eval(RENEW, 1, key, self._me, self._seconds)
            elif kind is LeaseKind.CHECK:
                pipeline.get(key)
            else:
                pipeline.eval(RELEASE, 1, key, self._me)
        try:
            answers = await pipeline.execute()
        except (RedisError, OSError, TimeoutError) as error:
            raise LeasesUnavailable("Redis did not answer.") from error
        return [Process(answer) if isinstance(answer, bytes) else None for answer in answers]

    async def holders(self, recv_ids: Sequence[RecvId]) -> list[Process | None]:
        """Who holds each of these mailboxes."""
        try:
            answers = await self._client.mget([PREFIX + recv_id for recv_id in recv_ids])
        except (RedisError, OSError, TimeoutError) as error:
            raise LeasesUnavailable("Redis did not answer.") from error
        return [Process(answer) if isinstance(answer, bytes) else None for answer in answers]

    async def is_up(self) -> bool:
        """Whether Redis answers."""
        try:
            return bool(await self._client.ping())
        except (RedisError, OSError, TimeoutError):
            return False
