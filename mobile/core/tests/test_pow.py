"""Proof of work: found, checked, stopped, and refused when it is too dear."""

import asyncio
import hashlib
import threading

import pytest
from handshaker_core.net.errors import UnreasonablePrice
from handshaker_core.net.pow import MAX_DIFFICULTY_BITS, NONCE_SIZE, is_solution, search, solve
from hypothesis import given, settings
from hypothesis import strategies as st


@settings(max_examples=50, deadline=None)
@given(challenge=st.binary(max_size=128), bits=st.integers(0, 11))
def test_what_is_found_is_a_solution(challenge: bytes, bits: int) -> None:
    nonce = search(challenge, bits, threading.Event(), lambda _: None)
    assert nonce is not None
    assert len(nonce) == NONCE_SIZE
    assert is_solution(challenge, nonce, bits)
    digest = hashlib.sha256(challenge + nonce).digest()
    assert bin(int.from_bytes(digest, "big") | 1 << 256)[3:].startswith("0" * bits)


def test_most_nonces_are_no_solution() -> None:
    paying = sum(is_solution(b"challenge", n.to_bytes(8, "big"), 8) for n in range(4096))
    assert 2 <= paying <= 40


async def test_progress_is_told_while_the_loop_goes_on() -> None:
    told: list[float] = []
    nonce = await solve(b"\x00another", 17, told.append)
    assert is_solution(b"\x00another", nonce, 17)
    assert told == sorted(told)
    assert told[0] > 0


async def test_cancelling_stops_the_thread() -> None:
    before = threading.active_count()
    first = asyncio.Event()
    task = asyncio.create_task(solve(b"challenge", MAX_DIFFICULTY_BITS, lambda _: first.set()))
    async with asyncio.timeout(30):
        await first.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        stopped = threading.Event()
        await asyncio.to_thread(stopped.set)  # the same pool takes new work: its thread is free
    assert threading.active_count() <= before + 2


async def test_an_unreasonable_price_is_not_paid() -> None:
    with pytest.raises(UnreasonablePrice):
        await solve(b"challenge", MAX_DIFFICULTY_BITS + 1)
