"""Two gateways and two signaling processes behave as one."""

import asyncio

import aiohttp
import pytest
from load.mailboxes import Api

from e2e.parties import Outcome, Receiver, Sender, State, eventually


@pytest.fixture
async def mailbox(system):
    async with aiohttp.ClientSession() as session:
        return await Api(session, system.gateway_urls[0]).create_mailbox()


async def test_frames_cross_between_gateways(system, mailbox):
    first, second = system.gateway_urls[:2]
    sender, receiver = Sender([first], mailbox), Receiver([second], mailbox)
    receiver.start()
    sender.start()
    await eventually(lambda: State.STATE_ACTIVE in receiver.states and sender.connections == 1)
    for number in range(0, 200, 4):
        await sender.send(*range(number, number + 4))
        await eventually(lambda: len(sender.waiting) < 8)
    await eventually(lambda: len(sender.outcomes) == 200)
    assert sorted(receiver.numbers) == list(range(200))
    delivered = [number for number, outcome in sender.outcomes.items() if outcome == Outcome.OUTCOME_DELIVERED]
    assert len(delivered) > 150, "frames to a connected recipient are delivered live"
    await sender.stop()
    await receiver.stop()


async def test_a_recipient_may_move_in_the_middle(system, mailbox):
    first, second = system.gateway_urls[:2]
    sender, receiver = Sender([first], mailbox), Receiver([second, first], mailbox)
    receiver.start()
    sender.start()
    await eventually(lambda: State.STATE_ACTIVE in receiver.states and sender.connections == 1)
    for number in range(300):
        await sender.send(number)
        await eventually(lambda: len(sender.waiting) < 4)
        if number % 50 == 25:
            moved = receiver.connections
            await receiver.drop()
            await eventually(lambda moved=moved: receiver.connections > moved)
    await eventually(lambda: len(sender.outcomes) == 300)
    await eventually(lambda: len(receiver.numbers) == 300, say=lambda: len(receiver.numbers))
    assert sorted(receiver.numbers) == list(range(300))
    assert receiver.connections >= 6
    await sender.stop()
    await receiver.stop()


async def test_a_second_subscription_displaces_the_first_across_processes(system, mailbox):
    first, second = system.gateway_urls[:2]
    old, new = Receiver([first], mailbox), Receiver([second], mailbox)
    old.start()
    await eventually(lambda: State.STATE_ACTIVE in old.states)
    new.start()
    await eventually(lambda: State.STATE_ACTIVE in new.states)
    await eventually(lambda: State.STATE_DISPLACED in old.states)
    sender = Sender([first], mailbox)
    sender.start()
    await eventually(lambda: sender.connections == 1)
    await sender.send(*range(10))
    await eventually(lambda: len(new.numbers) == 10)
    assert old.numbers == []
    assert State.STATE_DISPLACED not in new.states
    await asyncio.gather(old.stop(), new.stop(), sender.stop())
