"""The price of an anonymous call: a nonce for which SHA-256(challenge || nonce) begins with enough zero bits."""

import asyncio
import hashlib
import threading
from collections.abc import Callable
from typing import TypeAlias

from handshaker_core.net.errors import UnreasonablePrice

NONCE_SIZE = 8
MAX_DIFFICULTY_BITS = 28
"""More than this takes minutes; no honest deployment asks for it."""

_BATCH = 16_384

Progress: TypeAlias = Callable[[float], None]
"""Called now and then with the work done so far, as a share of the work to be expected; luck may make it exceed 1."""


def is_solution(challenge: bytes, nonce: bytes, difficulty_bits: int) -> bool:
    """Whether the nonce (8 bytes) pays."""
    digest = hashlib.sha256(challenge + nonce).digest()
    return int.from_bytes(digest, "big") >> (len(digest) * 8 - difficulty_bits) == 0


def search(
    challenge: bytes, difficulty_bits: int, stop: threading.Event, report: Callable[[int], None]
) -> bytes | None:
    """Try nonces from zero on until one pays, in the calling thread.

    Args:
        challenge: opaque bytes from the server.
        difficulty_bits: leading zero bits asked for.
        stop: set it to give up.
        report: called after every batch with the number of nonces tried.

    Returns:
        The nonce (8 bytes), or None when it was stopped.
    """
    prefix = hashlib.sha256(challenge)
    limit = 1 << (256 - difficulty_bits)
    tried = 0
    while not stop.is_set():
        for counter in range(tried, tried + _BATCH):
            nonce = counter.to_bytes(NONCE_SIZE, "big")
            state = prefix.copy()
            state.update(nonce)
            if int.from_bytes(state.digest(), "big") < limit:
                return nonce
        tried += _BATCH
        report(tried)
    return None


async def solve(challenge: bytes, difficulty_bits: int, progress: Progress | None = None) -> bytes:
    """Find a nonce in a thread, so that the loop stays free. Cancelling it stops the work.

    Args:
        challenge: opaque bytes from the server.
        difficulty_bits: leading zero bits asked for; each one doubles the work.
        progress: called in the loop's thread.

    Returns:
        The nonce (8 bytes).

    Raises:
        UnreasonablePrice: more than `MAX_DIFFICULTY_BITS` are asked for.
    """
    if difficulty_bits > MAX_DIFFICULTY_BITS:
        raise UnreasonablePrice
    loop = asyncio.get_running_loop()
    stop = threading.Event()
    expected = 1 << difficulty_bits

    def report(tried: int) -> None:
        if progress is not None:
            loop.call_soon_threadsafe(progress, tried / expected)

    try:
        nonce = await asyncio.to_thread(search, challenge, difficulty_bits, stop, report)
    finally:
        stop.set()
    if nonce is None:
        raise asyncio.CancelledError  # it was stopped, which only this coroutine's own end does
    return nonce
