"""Redis: one client with short timeouts, because nothing that it holds may hold a message up."""

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff


def open_redis(url: str, *, timeout: float = 0.5) -> "redis.Redis":
    """A client for `redis://`, `rediss://` or `unix://` that gives up after `timeout` seconds and never retries.

    Callers decide what a lost Redis means: each use is fail-open or fail-closed by its own registry.
    """
    return redis.Redis.from_url(
        url,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )
