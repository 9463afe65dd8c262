"""End session where a person has two devices, against the real services: each device ends its own."""

from engine_world import befriend
from handshaker_core.client import SessionStatus
from handshaker_core.client.events import NoticeAdded
from handshaker_core.model import Notice
from test_engine_devices import (  # noqa: F401 - the last is a fixture
    MakeHome,
    MakePerson,
    _can_send,
    empty_home,
    everybody_online,
    knows,
    link,
    until,
)


async def test_a_device_that_ended_its_session_gets_a_new_one_with_the_next_message(
    new_person: MakePerson,
    empty_home: MakeHome,  # noqa: F811
) -> None:
    alice, bob, laptop = await new_person(name="Alice"), await new_person(name="Bob"), await empty_home()
    bob_id, alice_id = await befriend(alice, bob)
    await link(alice, laptop)
    async with everybody_online(alice, bob, laptop) as (watch_alice, watch_bob, watch_laptop):
        await watch_bob.until(NoticeAdded)
        await bob.devices.acknowledge(alice_id)
        await until(lambda: knows(laptop, "Bob"))
        (bob_at_laptop,) = await laptop.contacts()
        await _can_send(laptop, bob_at_laptop.id)
        await laptop.send(bob_at_laptop.id, "from the laptop")
        await watch_bob.message("from the laptop")

        async def sessions() -> SessionStatus:
            return await bob.sessions.status(alice_id)

        assert (await sessions()).sessions == 2
        await laptop.sessions.end(bob_at_laptop.id)
        told = await watch_bob.until(NoticeAdded)
        assert told.message.notice is Notice.SESSION_ENDED_BY_CONTACT
        assert (await sessions()).sessions == 1
        await bob.send(alice_id, "to both again")
        await watch_alice.message("to both again")
        await watch_laptop.message("to both again")
        assert (await sessions()).sessions == 2
        # The end of all of bob's sessions reaches both.
        await bob.sessions.end(alice_id)
        for watch in (watch_alice, watch_laptop):
            told = await watch.until(NoticeAdded)
            assert told.message.notice is Notice.SESSION_ENDED_BY_CONTACT
        assert (await sessions()).sessions == 0
        await alice.send(bob_id, "once more")
        await watch_bob.message("once more")
