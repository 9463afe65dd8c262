"""Token buckets in Redis, atomic across all gateways, under keys that say nothing.

A bucket is one number: the moment at which it is full again (the generic cell rate algorithm, which is a token bucket
written differently). It expires at that very moment, so a bucket that nobody draws from does not exist. Its key is an
HMAC under a salt that Redis itself makes up each day and forgets after two.
"""

import asyncio
import hashlib
import hmac

import redis.asyncio as redis
from handshaker_common.clock import Clock
from handshaker_common.entropy import Entropy
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from handshaker_gateway.limiters import Limiter, Limits

DAY_SECONDS = 86_400
SALT_SIZE = 32
SALT_LIFETIME_SECONDS = 2 * DAY_SECONDS
KEY_PREFIX = "handshaker:limit:"
SALT_PREFIX = "handshaker:limit-salt:"
NO_SALT = (-1, b"")
# One gateway keeps at most this many commands, and so connections, on their way to Redis.
MOST_AT_ONCE = 32
# After a time-out Redis is left alone for this long: waiting for it again would only hold up more requests.
REST_SECONDS = 1.0

# KEYS[1] the bucket; ARGV[1] microseconds that one use takes to come back, ARGV[2] uses in a full bucket.
# Returns 0 when the use is granted, otherwise the microseconds until one would be.
# All times are integers below 2^53, which Lua's numbers hold exactly.
TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local empty_at = now + ARGV[1] * ARGV[2]
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
-- A bucket that was drawn from under a slower limiter is at worst empty under this one.
full_at = math.min(full_at, empty_at) + ARGV[1]
local wait = full_at - empty_at
if wait > 0 then
  return wait
end
redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', math.ceil((full_at - now) / 1000))
return 0
"""


class LimiterAway(Exception):
    """Redis did not answer; whether that lets a request pass is the limiter's own rule."""


class LimiterStore:
    """Draws from the buckets of `limits`."""

    def __init__(self, client: "redis.Redis", limits: Limits, clock: Clock, entropy: Entropy) -> None:
        self._client = client
        self._clock = clock
        self._entropy = entropy
        self._script = client.register_script(TAKE)
        self._rates = {
            limiter: (max(1, int(limit.period * 1_000_000 / limit.burst)), limit.burst)
            for limiter, limit in limits.items()
        }
        self._salt = NO_SALT
        self._salting = asyncio.Lock()
        self._places = asyncio.Semaphore(MOST_AT_ONCE)
        self._resting_until = float("-inf")

    async def take(self, limiter: Limiter, subject: str) -> float | None:
        """One use from the bucket of `subject`, a network prefix or an account id.

        Returns None when it is granted, otherwise the seconds after which one would be.

        Raises:
            LimiterAway: Redis did not answer.
        """
        if self._clock.monotonic() < self._resting_until:
            raise LimiterAway
        try:
            async with self._places:
                key = await self._key(limiter, subject)
                wait = int(await self._script(keys=[key], args=self._rates[limiter]))
        except (RedisError, OSError) as error:
            # A Redis that was away may have come back empty: all gateways must agree on the salt anew.
            self._salt = NO_SALT
            if isinstance(error, RedisTimeoutError):
                self._resting_until = self._clock.monotonic() + REST_SECONDS
            raise LimiterAway from None
        return wait / 1_000_000 if wait else None

    async def _key(self, limiter: Limiter, subject: str) -> str:
        salt = await self._salt_of(int(self._clock.now() // DAY_SECONDS))
        named = hmac.digest(salt, f"{limiter.key}\0{subject}".encode(), hashlib.sha256)
        return KEY_PREFIX + named.hex()

    async def _salt_of(self, day: int) -> bytes:
        """The salt of the day: whichever gateway comes first makes it, the others read it."""
        async with self._salting:
            if self._salt[0] != day:
                name = f"{SALT_PREFIX}{day}"
                await self._client.set(name, self._entropy(SALT_SIZE), nx=True, ex=SALT_LIFETIME_SECONDS)
                salt = await self._client.get(name)
                if salt is None:  # evicted between the two commands
                    raise LimiterAway
                self._salt = (day, salt if isinstance(salt, bytes) else salt.encode())
            return self._salt[1]
