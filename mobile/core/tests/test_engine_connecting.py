"""Finding, asking, answering, against the real services."""

import asyncio
import base64
import secrets
from collections.abc import Awaitable, Callable

import pytest
from engine_world import PATIENCE, Watch, befriend, reaches
from handshaker_core.client import (
    AddressGone,
    AlreadyConnected,
    AttentionNeeded,
    Client,
    ContactState,
    Direction,
    IdentityChanged,
    MessageState,
    NewIdentity,
    NotConnected,
    NotVerified,
    OtherDeployment,
    OwnAddress,
    RequestAnswered,
    RequestClosed,
    RequestReceived,
    RequestState,
    UnknownUsername,
)
from handshaker_core.errors import InvalidLink, InvalidUsername, ProtocolError, WrongIdentity
from handshaker_core.model import Notice
from handshaker_core.protocol.address import ContactAddress, make_link, parse_link
from handshaker_core.protocol.keys import IdentityKeyPair

MakePerson = Callable[..., Awaitable[Client]]


def fresh_name(name: str) -> str:
    return f"{name}.{secrets.randbelow(10**9):09d}"


@pytest.mark.parametrize("by", ["username", "link"])
async def test_two_strangers_become_contacts_and_talk(new_person: MakePerson, by: str) -> None:
    name = fresh_name("bob")
    a, b = await new_person(fresh_name("alice"), name="Alice"), await new_person(name)
    steps: list[str] = []
    async with a.online(), b.online():
        watch_a, watch_b = Watch(a), Watch(b)
        target = f"@{name.upper()}" if by == "username" else await b.link()
        request = await a.connect(target, "hello, it is me", progress=lambda step, _: steps.append(step))
        assert (request.state, request.direction) == (RequestState.PENDING, Direction.OUTGOING)
        assert request.username == (name if by == "username" else None)
        received = (await watch_b.until(RequestReceived)).request
        assert (received.greeting, received.name) == ("hello, it is me", "Alice")
        with pytest.raises(NotConnected):
            await a.send(request.contact_id, "too early")
        contact = await b.accept(received.id)
        assert contact.state is ContactState.CONNECTED
        assert contact.username == (await a.whoami()).username  # the claim was looked up
        answered = (await watch_a.until(RequestAnswered)).request
        assert (answered.id, answered.state) == (request.id, RequestState.ACCEPTED)
        await watch_b.message("hello, it is me")
        first = await a.send(request.contact_id, "first")
        assert first.state is MessageState.SENDING
        await watch_b.message("first")
        await b.send(contact.id, "second")
        await watch_a.message("second")
        await reaches(a, first.id, MessageState.DELIVERED)
        await b.mark_read(contact.id)
        await reaches(a, first.id, MessageState.READ)
    assert [message.text for message in await a.history(request.contact_id)] == ["hello, it is me", "first", "second"]
    assert [message.text for message in await b.history(contact.id)] == ["hello, it is me", "first", "second"]
    assert (await b.contact(contact.id)).unread == 0
    assert (await a.contact(request.contact_id)).unread == 1
    numbers = await a.safety_number(request.contact_id), await b.safety_number(contact.id)
    assert numbers[0] == numbers[1]
    assert len(numbers[0]) == 60


async def test_strangers_cannot_tell_whether_somebody_is_there(new_person: MakePerson) -> None:
    a, b = await new_person(), await new_person()
    async with b.online(), a.online():
        watch_b = Watch(b)
        request = await a.connect(await b.link(), "are you there?")
        await watch_b.until(RequestReceived)
        (greeting,) = await a.history(request.contact_id)
        settled = await a.settled(greeting.id)
        assert settled.state is MessageState.STORED


async def test_two_who_ask_each_other_at_once(new_person: MakePerson) -> None:
    a, b = await new_person(), await new_person()
    links = await a.link(), await b.link()
    async with a.online(), b.online(), asyncio.timeout(PATIENCE):
        watch_a, watch_b = Watch(a), Watch(b)
        asked_a, asked_b = await asyncio.gather(a.connect(links[1], "from a"), b.connect(links[0], "from b"))
        if asked_a.state is RequestState.PENDING:
            await watch_a.until(RequestAnswered)
        if asked_b.state is RequestState.PENDING:
            await watch_b.until(RequestAnswered)
        contacts = (await a.contacts(), await b.contacts())
        assert [[contact.state for contact in known] for known in contacts] == [[ContactState.CONNECTED]] * 2
        for number in range(3):
            await asyncio.gather(
                a.send(contacts[0][0].id, f"{number} from a"), b.send(contacts[1][0].id, f"{number} from b")
            )
            await asyncio.gather(watch_b.message(f"{number} from a"), watch_a.message(f"{number} from b"))
    assert await a.requests() == await b.requests() == []


async def test_asking_somebody_who_asks_is_accepting(new_person: MakePerson) -> None:
    a, b = await new_person(), await new_person()
    async with a.online(), b.online():
        watch_a, watch_b = Watch(a), Watch(b)
        await a.connect(await b.link())
        received = (await watch_b.until(RequestReceived)).request
        answered = await b.connect(await a.link())
        assert (answered.id, answered.state) == (received.id, RequestState.ACCEPTED)
        await watch_a.until(RequestAnswered)
        with pytest.raises(AlreadyConnected):
            await a.connect(await b.link())


@pytest.mark.parametrize("tell", [False, True])
async def test_rejecting(new_person: MakePerson, tell: bool) -> None:
    a, b = await new_person(), await new_person()
    async with b.online():
        watch_b = Watch(b)
        async with a.online():
            watch_a = Watch(a)
            request = await a.connect(await b.link(), "please")
            received = (await watch_b.until(RequestReceived)).request
            rejected = await b.reject(received.id, tell=tell)
            assert rejected.state is RequestState.REJECTED
            with pytest.raises(RequestClosed):
                await b.accept(received.id)
            await b.flushed()
            if tell:
                answered = (await watch_a.until(RequestAnswered)).request
                assert (answered.id, answered.state) == (request.id, RequestState.REJECTED)
        async with a.online():
            await a.drained()
        assert (await a.request(request.id)).state is (RequestState.REJECTED if tell else RequestState.PENDING)
    assert await b.contacts() == []
    assert await b.unread() == []


async def test_withdrawing_a_request(new_person: MakePerson) -> None:
    a, b = await new_person(), await new_person()
    async with a.online():
        request = await a.connect(await b.link(), "never mind")
        await a.flushed()
        assert (await a.connect(await b.link())).id == request.id  # asking twice asks once
        assert (await a.cancel(request.id)).state is RequestState.CANCELLED
    async with b.online():
        watch_b = Watch(b)
        await b.drained()
        (received,) = await b.requests()
        # a's mailbox for the answer is gone, which b learns when answering.
        async with a.online():
            await b.accept(received.id)
            ended = (await watch_b.until(RequestAnswered)).request
            assert (ended.id, ended.state) == (received.id, RequestState.CANCELLED)
    assert (await b.contact(received.contact_id)).state is ContactState.CLOSED


async def test_names_and_links_that_lead_nowhere(new_person: MakePerson) -> None:
    a, b = await new_person(), await new_person(fresh_name("bob"))
    link = await b.link()
    base, address = parse_link(link)
    with pytest.raises(UnknownUsername):
        await a.connect(fresh_name("nobody"))
    assert await a.find(fresh_name("nobody")) is None
    with pytest.raises(InvalidUsername):
        await a.connect("not a name")
    with pytest.raises(InvalidLink):
        await a.connect(link.replace("/c#", "/x#"))
    with pytest.raises(ProtocolError):
        await a.connect(link[:-4] + ("AAAA" if link[-4:] != "AAAA" else "BBBB"))
    with pytest.raises(OwnAddress):
        await a.connect(await a.link())
    identity = IdentityKeyPair.generate()
    made_up = ContactAddress.create(
        identity,
        send_id=address.send_id,
        send_secret=address.send_secret,
        bundle_id=secrets.token_bytes(16),  # type: ignore[arg-type]
        issued_at=0,
    )
    with pytest.raises(AddressGone):
        await a.connect(make_link(made_up, a._core.server.url))
    with pytest.raises(OtherDeployment):
        await a.connect(make_link(made_up, "https://elsewhere.example"))
    # Somebody else's bundle behind an address that another person has signed.
    stolen = ContactAddress.create(
        identity, send_id=address.send_id, send_secret=address.send_secret, bundle_id=address.bundle_id, issued_at=0
    )
    with pytest.raises(WrongIdentity):
        await a.connect(make_link(stolen, base))
    assert await a.contacts(include_all=True) == []
    assert base64.urlsafe_b64encode(address.encode()).decode().rstrip("=") in link


async def test_finding_asks_nobody(new_person: MakePerson) -> None:
    name = fresh_name("bob")
    a, b = await new_person(), await new_person(name)
    found = await a.find(name)
    assert found is not None
    assert (found.username, found.contact) == (name, None)
    in_a, in_b = await befriend(a, b)
    found = await a.find(name)
    assert found is not None
    assert found.contact is not None
    assert found.contact.id == in_a
    assert found.safety_number == await b.safety_number(in_b)
    assert (await a.contact(in_a)).username is None  # met by link: the name is a claim until it is used


async def test_a_username_that_changes_hands_is_noticed(new_person: MakePerson) -> None:
    name = fresh_name("bob")
    a, b, c = await new_person(), await new_person(name), await new_person()
    async with a.online(), b.online(), c.online():
        watch_a, watch_b, watch_c = Watch(a), Watch(b), Watch(c)
        first = await a.connect(name)
        await b.accept((await watch_b.until(RequestReceived)).request.id)
        await watch_a.until(RequestAnswered)
        await a.verify(name, " ".join(await a.safety_number(name)))
        await b.release_username()
        await c.set_username(name)
        with pytest.raises(NewIdentity):
            await a.connect(name)
        assert (await watch_a.until(IdentityChanged)).contact.id == first.contact_id
        with pytest.raises(AttentionNeeded):
            await a.send(first.contact_id, "to whom?")
        assert [message.notice for message in await a.history(first.contact_id)] == [Notice.IDENTITY_CHANGED]
        assert (await a.devices.acknowledge(first.contact_id)).username is None
        await a.send(first.contact_id, "to the one I know")
        await watch_b.message("to the one I know")
        second = await a.connect(name, accept_new_identity=True)
        assert second.contact_id != first.contact_id
        await c.accept((await watch_c.until(RequestReceived)).request.id)
        await watch_a.until(RequestAnswered)
        now, before = await a.contact(name), await a.contact(first.contact_id)
        assert (now.id, now.verified) == (second.contact_id, False)
        assert (before.username, before.verified, before.state) == (None, True, ContactState.CONNECTED)


async def test_verifying(new_person: MakePerson) -> None:
    a, b = await new_person(), await new_person()
    in_a, in_b = await befriend(a, b)
    number = await b.safety_number(in_b)
    assert not (await a.contact(in_a)).verified
    wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
    for attempt in (wrong, number[:-1], "", number[::-1]):
        with pytest.raises(NotVerified):
            await a.verify(in_a, attempt)
    assert not (await a.contact(in_a)).verified
    assert (await a.verify(in_a, number)).verified
    assert not (await a.unverify(in_a)).verified
    assert (await a.verify(in_a)).verified
