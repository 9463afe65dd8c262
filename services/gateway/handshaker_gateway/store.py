"""Token buckets in Redis, atomic across all gateways, under keys that say nothing.

A bucket is one number: the moment at which it is full again (the generic cell rate algorithm, which is a token bucket
written differently). It expires at that very moment, so a bucket that nobody draws from does not exist. Its key is an
HMAC under a random salt that all gateways share for a day and Redis forgets after two.

A round trip costs as much as all the rest of a small request, so that draws which come together share one.
"""

import asyncio
import hashlib
import hmac
from dataclasses import dataclass

import redis.asyncio as redis
from handshaker_common.clock import Clock
from handshaker_common.entropy import Entropy
from redis.exceptions import NoScriptError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from handshaker_gateway.limiters import Limiter, Limits

DAY_SECONDS = 86_400
SALT_SIZE = 32
SALT_LIFETIME_SECONDS = 2 * DAY_SECONDS
KEY_PREFIX = "handshaker:limit:"
SALT_PREFIX = "handshaker:limit-salt:"
NO_SALT = (-1, b"")
# Most draws in one write to Redis; what comes while one is under way waits for the next.
MOST_AT_ONCE = 256
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


@dataclass(frozen=True, slots=True, eq=False)
class Draw:
    """A use that somebody waits for: None when it is granted, otherwise the seconds until one would be."""

    limiter: Limiter
    subject: str
    answer: "asyncio.Future[float | None]"


class LimiterStore:
    """Draws from the buckets of `limits`."""

    def __init__(self, client: "redis.Redis", limits: Limits, clock: Clock, entropy: Entropy) -> None:
        self._client = client
        self._clock = clock
        self._entropy = entropy
        self._rates = {
            limiter: (max(1, int(limit.period * 1_000_000 / limit.burst)), limit.burst)
            for limiter, limit in limits.items()
        }
        self._salt = NO_SALT
        self._script = ""  # its digest, once Redis has it
        self._waiting: list[Draw] = []
        self._flushing: asyncio.Task[None] | None = None
        self._resting_until = float("-inf")

    async def take(self, limiter: Limiter, subject: str) -> float | None:
        """One use from the bucket of `subject`, a network prefix or an account id.

        Returns None when it is granted, otherwise the seconds after which one would be.

        Raises:
            LimiterAway: Redis did not answer.
        """
        answer: asyncio.Future[float | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(Draw(limiter, subject, answer))
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())
        return await answer

    async def _flush(self) -> None:
        """Answers everybody who waits, batch after batch."""
        while self._waiting:
            batch, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
            try:
                waits = await self._draw(batch)
            except (RedisError, OSError) as error:
                self._forget()
                if isinstance(error, RedisTimeoutError):
                    self._resting_until = self._clock.monotonic() + REST_SECONDS
                self._answer(batch, [LimiterAway() for _ in batch])
            except LimiterAway as away:
                self._answer(batch, [away for _ in batch])
            else:
                self._answer(batch, [wait / 1_000_000 if wait else None for wait in waits])

    def _answer(self, batch: list[Draw], answers: "list[LimiterAway] | list[float | None]") -> None:
        for draw, answer in zip(batch, answers, strict=True):
            if draw.answer.done():  # whoever asked has gone
                continue
            if isinstance(answer, LimiterAway):
                draw.answer.set_exception(answer)
            else:
                draw.answer.set_result(answer)

    async def _draw(self, batch: list[Draw]) -> list[int]:
        if self._clock.monotonic() < self._resting_until:
            raise LimiterAway
        try:
            return await self._run(batch)
        except NoScriptError:
            # Redis was started anew and is empty: nothing was drawn, and all gateways must agree on a salt again.
            self._forget()
            return await self._run(batch)

    async def _run(self, batch: list[Draw]) -> list[int]:
        """One write and one read for the whole batch."""
        salt = await self._salt_of(int(self._clock.now() // DAY_SECONDS))
        self._script = self._script or await self._client.script_load(TAKE)
        async with self._client.pipeline(transaction=False) as pipeline:
            for draw in batch:
                interval, burst = self._rates[draw.limiter]
                pipeline.evalsha(self._script, 1, _key(salt, draw), interval, burst)
            return [int(wait) for wait in await pipeline.execute()]

    async def _salt_of(self, day: int) -> bytes:
        """The salt of the day: whichever gateway comes first makes it, the others read it."""
        if self._salt[0] != day:
            name = f"{SALT_PREFIX}{day}"
            await self._client.set(name, self._entropy(SALT_SIZE), nx=True, ex=SALT_LIFETIME_SECONDS)
            salt = await self._client.get(name)
            if salt is None:  # evicted between the two commands
                raise LimiterAway
            self._salt = (day, salt if isinstance(salt, bytes) else salt.encode())
        return self._salt[1]

    def _forget(self) -> None:
        """What Redis knew may be lost with it."""
        self._salt = NO_SALT
        self._script = ""


def _key(salt: bytes, draw: Draw) -> str:
    named = hmac.digest(salt, f"{draw.limiter.key}\0{draw.subject}".encode(), hashlib.sha256)
    return KEY_PREFIX + named.hex()
