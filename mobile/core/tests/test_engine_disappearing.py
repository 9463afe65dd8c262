"""Disappearing messages through two whole clients and the real services, with clocks that the test sets."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from engine_world import PASSPHRASE, PATIENCE, Watch, befriend
from handshaker_core.client import Client, MessageExpired, MessageState, NoticeAdded
from handshaker_core.client.unit import Signal
from handshaker_core.clock import system_clock

MakePerson = Callable[..., Awaitable[Client]]
HOUR = 3_600


class Later:
    """A clock that runs as always, ahead by as much as the test says."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return system_clock() + self.ahead


def advance(client: Client, clock: Later, seconds: float) -> None:
    """Let time pass for a client, and let it notice without waiting for its next look at the clock."""
    clock.ahead += seconds
    client._core.signals[Signal.TIMERS].set()


async def texts(client: Client, contact: int) -> list[str]:
    return [message.text for message in await client.history(contact) if message.notice is None]


async def test_two_clients_forget_alike(new_person: MakePerson) -> None:
    alice, bob = await new_person(), await new_person()
    clocks = {}
    for client in (alice, bob):
        clocks[client] = client._core.clock = Later()
    with_bob, with_alice = await befriend(alice, bob)
    async with alice.online(), bob.online(), asyncio.timeout(PATIENCE):
        watch = Watch(bob)
        await alice.safe.disappear(with_bob, HOUR)
        notice = await watch.until(NoticeAdded)
        assert "1 hour" in notice.message.text
        assert await bob.safe.disappears_after(with_alice) == HOUR

        sent = await alice.send(with_bob, "not for ever")
        received = await watch.message("not for ever")
        await alice.settled(sent.id)
        while (await alice.message(sent.id)).expires_at_ms is None:
            await asyncio.sleep(0.01)
        assert received.expires_at_ms is None  # not read yet

        watch_alice = Watch(alice)
        advance(alice, clocks[alice], HOUR + 1)
        gone = await watch_alice.until(MessageExpired)
        assert (gone.number, gone.contact_id) == (sent.id, with_bob)
        assert "not for ever" not in await texts(alice, with_bob)

        advance(bob, clocks[bob], 5 * HOUR)
        assert "not for ever" in await texts(bob, with_alice)
        await bob.mark_read(with_alice)
        while (await bob.message(received.id)).expires_at_ms is None:
            await asyncio.sleep(0.01)
        advance(bob, clocks[bob], HOUR + 1)
        await watch.until(MessageExpired)
        assert "not for ever" not in await texts(bob, with_alice)


async def test_what_became_due_while_the_client_was_closed_is_gone_when_it_opens(
    new_person: MakePerson,
) -> None:
    alice, bob = await new_person(), await new_person()
    with_bob, _ = await befriend(alice, bob)
    await alice.safe.disappear(with_bob, HOUR)
    async with alice.online(), asyncio.timeout(PATIENCE):
        sent = await alice.send(with_bob, "not for ever")
        assert (await alice.settled(sent.id)).state in (MessageState.STORED, MessageState.DELIVERED)
        while (await alice.message(sent.id)).expires_at_ms is None:
            await asyncio.sleep(0.01)
    home = alice._core.store.home
    await alice.close()
    clock = Later()
    clock.ahead = HOUR + 1
    again = await Client.open(home, PASSPHRASE, clock=clock)
    with contextlib.closing(again.events()):
        async with asyncio.timeout(PATIENCE):
            while "not for ever" in await texts(again, with_bob):
                await asyncio.sleep(0.01)
    await again.close()
