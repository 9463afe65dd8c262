"""Several devices of one person, against the real services: linking, messages everywhere, removal, recovery."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from engine_world import PASSPHRASE, PATIENCE, Watch, befriend, reaches
from handshaker_core.client import Client, Direction, MessageState, NotConnected
from handshaker_core.client.errors import AttentionNeeded, DeviceUnknown, HomeInUse, RecoveryRefused
from handshaker_core.client.events import NoticeAdded
from handshaker_core.errors import LinkingCancelled, LinkingExpired, LinkingMismatch, PrimaryDeviceOnly
from handshaker_core.model import Attention, Notice
from handshaker_core.net.errors import RefusedByServer
from handshaker_core.protocol import phrase

MakePerson = Callable[..., Awaitable[Client]]
MakeHome = Callable[[], Awaitable[Client]]


@pytest_asyncio.fixture
async def empty_home(server_urls: list[str], tmp_path: Path, few_prekeys: None) -> AsyncIterator[MakeHome]:
    """Makes clients whose stores have no account."""
    async with AsyncExitStack() as stack:
        made = 0

        async def make() -> Client:
            nonlocal made
            made += 1
            opened = await Client.open(tmp_path / f"empty{made}", PASSPHRASE, server=server_urls[0], create=True)
            client = await stack.enter_async_context(opened)
            await client.change_settings(receipt_delay=[0.0, 0.05])
            return client

        yield make


async def link(primary: Client, new: Client, name: str = "laptop", *, same: tuple[bool, bool] = (True, True)) -> None:
    """Link two clients, whose owner compares what both show."""
    shown: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    numbers: list[str] = []

    def says(answer: bool) -> Callable[[str, str], Awaitable[bool]]:
        async def compare(number: str, called: str) -> bool:
            assert called == name
            numbers.append(number)
            return answer

        return compare

    async def add() -> None:
        await primary.devices.add(await shown, compare=says(same[1]))

    async with asyncio.timeout(PATIENCE):
        linking = new.devices.link(name, show=shown.set_result, compare=says(same[0]))
        ended = await asyncio.gather(linking, add(), return_exceptions=True)
    if any(ended):
        raise ExceptionGroup("linking came to nothing", [error for error in ended if isinstance(error, Exception)])
    assert len(set(numbers)) == 1
    assert len(numbers) == 2


@asynccontextmanager
async def everybody_online(*clients: Client) -> AsyncIterator[list[Watch]]:
    async with AsyncExitStack() as stack:
        watches = [Watch(client) for client in clients]
        for client in clients:
            await stack.enter_async_context(client.online())
        yield watches


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    """Wait for something that no single event tells."""
    async with asyncio.timeout(PATIENCE):
        while not await condition():
            await asyncio.sleep(0.05)


async def knows(device: Client, contact: str) -> bool:
    """Whether a linked device can write to the contact."""
    return any(found.name == contact for found in await device.contacts())


async def test_a_second_device_sends_and_receives(new_person: MakePerson, empty_home: MakeHome) -> None:
    alice, bob, laptop = await new_person(name="Alice"), await new_person(name="Bob"), await empty_home()
    bob_id, alice_id = await befriend(alice, bob)
    await alice.verify(bob_id)
    await link(alice, laptop)
    assert [(each.name, each.this, each.primary) for each in await alice.devices.listed()] == [
        ("", True, True),
        ("laptop", False, False),
    ]
    assert (await laptop.whoami()).account_id == (await alice.whoami()).account_id
    async with everybody_online(alice, bob, laptop) as (watch_alice, watch_bob, watch_laptop):
        notice = await watch_bob.until(NoticeAdded)
        assert notice.message.notice is Notice.DEVICE_ADDED
        assert notice.contact.attention is Attention.DEVICE_ADDED
        with pytest.raises(AttentionNeeded):
            await bob.send(alice_id, "paused")
        await until(lambda: knows(laptop, "Bob"))
        (bob_at_laptop,) = await laptop.contacts()
        assert bob_at_laptop.verified
        # The laptop introduces itself to Bob; from then on he writes to both.
        await _can_send(laptop, bob_at_laptop.id)
        await laptop.send(bob_at_laptop.id, "from the laptop")
        await watch_bob.message("from the laptop")
        await until(lambda: _has(alice, bob_id, "from the laptop"))
        await bob.devices.acknowledge(alice_id)
        both = await bob.send(alice_id, "to both")
        await asyncio.gather(watch_alice.message("to both"), watch_laptop.message("to both"))
        await reaches(bob, both.id, MessageState.DELIVERED)
        sent = await alice.send(bob_id, "from the phone")
        await watch_bob.message("from the phone")
        await until(lambda: _has(laptop, bob_at_laptop.id, "from the phone"))
        await reaches(alice, sent.id, MessageState.DELIVERED)
        # What is read on one device is read on the other.
        assert (await laptop.contact(bob_at_laptop.id)).unread == 1
        await alice.mark_read(bob_id)
        await until(lambda: _all_read(laptop, bob_at_laptop.id))
        assert (await bob.contact(alice_id)).verified is False
    assert (await bob.safety_number(alice_id)) == (await laptop.safety_number(bob_at_laptop.id))


async def _can_send(client: Client, contact: int) -> None:
    """Wait until the device has introduced itself."""

    async def ready() -> bool:
        try:
            await client.send(contact, "hello?")
        except NotConnected:
            return False
        return True

    await until(ready)


async def _has(client: Client, contact: int, text: str) -> bool:
    return any(
        message.text == text and message.direction is Direction.OUTGOING for message in await client.history(contact)
    )


async def _all_read(client: Client, contact: int) -> bool:
    return (await client.contact(contact)).unread == 0


async def test_numbers_that_differ_link_nothing(new_person: MakePerson, empty_home: MakeHome) -> None:
    alice, laptop = await new_person(), await empty_home()
    for same in ((True, False), (False, True)):
        with pytest.raises(ExceptionGroup) as raised:
            await link(alice, laptop, same=same)
        assert raised.group_contains(LinkingMismatch)
        assert raised.group_contains(LinkingCancelled)
        assert len(await alice.devices.listed()) == 1
    await link(alice, laptop)
    assert len(await alice.devices.listed()) == 2


async def test_who_may_link(new_person: MakePerson, empty_home: MakeHome) -> None:
    alice, bob, laptop, tablet = await new_person(), await new_person(), await empty_home(), await empty_home()

    async def compare(_: str, __: str) -> bool:
        return True

    with pytest.raises(HomeInUse):
        await bob.devices.link("x", show=lambda _: None, compare=compare)
    await link(alice, laptop)
    shown: list[str] = []
    waiting = asyncio.create_task(tablet.devices.link("tablet", show=shown.append, compare=compare))
    await until(lambda: asyncio.sleep(0, bool(shown)))
    with pytest.raises(PrimaryDeviceOnly):
        await laptop.devices.add(shown[0], compare=compare)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    with pytest.raises(LinkingExpired):
        await alice.devices.add(shown[0], compare=compare)


async def test_a_removed_device_reads_and_sends_nothing(new_person: MakePerson, empty_home: MakeHome) -> None:
    alice, bob, laptop = await new_person(name="Alice"), await new_person(name="Bob"), await empty_home()
    bob_id, alice_id = await befriend(alice, bob)
    await link(alice, laptop)
    before = await alice.link()
    async with everybody_online(alice, bob, laptop) as (_, watch_bob, watch_laptop):
        await until(lambda: knows(laptop, "Bob"))
        await _can_send(laptop, (await laptop.contacts())[0].id)
        await watch_bob.message("hello?")
        with pytest.raises(DeviceUnknown):
            await alice.devices.remove("nobody")
        with pytest.raises(PrimaryDeviceOnly):
            await laptop.devices.remove("laptop")
        await alice.devices.remove("Laptop")
        assert await alice.link() != before
        removed = await watch_bob.until(NoticeAdded, lambda event: event.message.notice is Notice.DEVICE_REMOVED)
        assert removed.contact.id == alice_id
        await bob.devices.acknowledge(alice_id)
        with pytest.raises(RefusedByServer):
            await laptop.log_in()
        # What it sends is refused; what is sent does not reach it.
        lost = await laptop.send((await laptop.contacts())[0].id, "from the thief")
        await laptop.settled(lost.id)
        await bob.send(alice_id, "between us")
        await until(lambda: _received(alice, bob_id, "between us"))
        await alice.send(bob_id, "answer")
        await watch_bob.message("answer")
    texts = [message.text for message in await bob.history(alice_id)]
    assert "from the thief" not in texts
    assert not [event for event in watch_laptop.seen if "between us" in repr(event)]
    assert "between us" not in [message.text for message in await laptop.history((await laptop.contacts())[0].id)]


async def _received(client: Client, contact: int, text: str) -> bool:
    return text in [message.text for message in await client.history(contact)]


async def test_a_lost_phone_is_survived_by_the_phrase(new_person: MakePerson, empty_home: MakeHome) -> None:
    alice, bob, new = await new_person(name="Alice"), await new_person(name="Bob"), await empty_home()
    _, alice_id = await befriend(alice, bob)
    root = alice._core.keys.root
    assert root is not None
    words = " ".join(phrase.encode(root))
    with pytest.raises(HomeInUse):
        await bob.devices.recover(words)
    await new.devices.recover(words)
    assert (await new.whoami()).account_id == (await alice.whoami()).account_id
    with pytest.raises(RefusedByServer):
        await alice.log_in()
    # Without a backup nobody is known; the identity is the same, so that people are found again.
    async with everybody_online(new, bob) as (_, watch_bob):
        request = await new.connect(await bob.link(), "it is me, with a new phone")
        notice = await watch_bob.until(NoticeAdded, lambda event: event.message.notice is Notice.DEVICE_ADDED)
        assert notice.contact.id == alice_id
        await watch_bob.message("it is me, with a new phone")
        with pytest.raises(AttentionNeeded):
            await bob.send(alice_id, "who is there?")
        await bob.verify(alice_id, await new.safety_number(request.contact_id))
        watch_new = Watch(new)
        await bob.send(alice_id, "welcome back")
        await watch_new.message("welcome back")


async def test_with_a_backup_contacts_are_there_again(
    new_person: MakePerson, empty_home: MakeHome, tmp_path: Path
) -> None:
    alice, bob, new = await new_person(name="Alice"), await new_person(name="Bob"), await empty_home()
    bob_id, alice_id = await befriend(alice, bob)
    await alice.verify(bob_id)
    async with everybody_online(alice, bob) as (_, watch_bob):
        await alice.send(bob_id, "before the loss")
        await watch_bob.message("before the loss")
    await alice.safe.back_up(tmp_path / "backup")
    root = alice._core.keys.root
    assert root is not None
    await alice.close()
    await new.devices.recover(" ".join(phrase.encode(root)))
    await new.safe.restore(tmp_path / "backup")
    (known,) = await new.contacts()
    assert (known.name, known.verified) == ("Bob", True)
    async with everybody_online(new, bob) as (watch_new, watch_bob):
        notice = await watch_bob.until(NoticeAdded, lambda event: event.message.notice is Notice.DEVICE_ADDED)
        assert notice.contact.id == alice_id
        assert Notice.DEVICE_REMOVED in [message.notice for message in await bob.history(alice_id)]
        await bob.devices.acknowledge(alice_id)
        await bob.send(alice_id, "is it you?")
        await watch_new.message("is it you?")
        await new.send(known.id, "it is")
        await watch_bob.message("it is")
    texts = [message.text for message in await new.history(known.id)]
    assert texts == ["before the loss", "is it you?", "it is"]


async def test_another_phrase_recovers_nothing(new_person: MakePerson, empty_home: MakeHome) -> None:
    await new_person()
    stranger = await empty_home()
    root = stranger._core.keys.root
    assert root is not None
    with pytest.raises(RecoveryRefused):
        await stranger.devices.recover(" ".join(phrase.encode(root)))
    await stranger.register()
