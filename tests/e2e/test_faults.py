"""Each process is killed in turn while pairs talk: what was reported stored or delivered arrives, once."""

import asyncio

import aiohttp
import pytest
from load.mailboxes import Api

from e2e.parties import SETTLED, Outcome, Receiver, Sender, eventually, until_works

PAIRS = 20
IN_FLIGHT = 4
MESSAGES = 120


async def make_pairs(urls):
    async with aiohttp.ClientSession() as session:
        api = Api(session, urls[0])
        mailboxes = [await until_works(api.create_mailbox) for _ in range(PAIRS)]
    senders = [Sender(urls, mailbox) for mailbox in mailboxes]
    receivers = [Receiver(urls[::-1], mailbox) for mailbox in mailboxes]
    for party in (*senders, *receivers):
        party.start()
    await eventually(lambda: all(party.connections for party in (*senders, *receivers)))
    return senders, receivers


async def talk(sender, stop):
    """Numbered frames until told to stop, and at least MESSAGES of them."""
    number = 0
    while number < MESSAGES or not stop.is_set():
        if len(sender.waiting) < IN_FLIGHT:
            await sender.send(number)
            number += 1
        else:
            await asyncio.sleep(0.002)
    return number


def answered(senders):
    return sum(len(sender.outcomes) for sender in senders)


@pytest.mark.parametrize("victim", ["gateway", "signaling", "blobstore", "postgres", "redis", "notify", "auth", "keys"])
async def test_nothing_reported_is_lost(system, victim):
    senders, receivers = await make_pairs(system.gateway_urls)
    stop = asyncio.Event()
    talks = [asyncio.ensure_future(talk(sender, stop)) for sender in senders]
    await eventually(lambda: answered(senders) > PAIRS * 5)
    # Some recipients are away, so that stored frames are at stake as well as live ones.
    for receiver in receivers[::4]:
        await receiver.stop()
    before = answered(senders)
    await eventually(lambda: answered(senders) > before + PAIRS * 5)
    component = system.component(victim)
    await asyncio.to_thread(component.kill)
    await asyncio.to_thread(component.restart)
    for receiver in receivers[::4]:
        receiver.start()
    before = answered(senders)
    await eventually(lambda: answered(senders) > before + PAIRS * 5, 60, lambda: "no message was answered afterwards")
    stop.set()
    counts = await asyncio.gather(*talks)
    await eventually(
        lambda: not any(sender.waiting for sender in senders),
        60,
        lambda: f"{sum(len(sender.waiting) for sender in senders)} frames were never answered",
    )

    def missing():
        return [
            sum(
                outcome in SETTLED and number not in set(receiver.numbers)
                for number, outcome in sender.outcomes.items()
            )
            for sender, receiver in zip(senders, receivers, strict=True)
        ]

    await eventually(lambda: not any(missing()), 60, lambda: f"reported and not received, by pair: {missing()}")
    for sender, receiver, count in zip(senders, receivers, counts, strict=True):
        assert set(sender.outcomes) == set(range(count))
        assert set(sender.outcomes.values()) <= SETTLED, [Outcome.Name(o) for o in set(sender.outcomes.values())]
        assert sorted(receiver.numbers) == list(range(count)), "each once, none twice, none invented"
    for party in (*senders, *receivers):
        await party.stop()
