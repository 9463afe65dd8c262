"""Messages against the real services: offline, cut off, unheard, repeated, too many."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from engine_world import PASSPHRASE, PATIENCE, Watch, befriend, network, person, reaches
from handshaker_core.client import (
    MAX_TEXT_BYTES,
    AlreadyRunning,
    AmbiguousContact,
    Client,
    ConnectionChanged,
    ConnectionState,
    DeliveryChanged,
    Drained,
    EmptyText,
    FrameUnreadable,
    MessageReceived,
    MessageState,
    NoSuchContact,
    StoreError,
    TextTooLong,
    outbox,
)
from handshaker_core.net.relay import Outcome

MakePerson = Callable[..., Awaitable[Client]]


async def test_a_message_to_somebody_who_is_away_is_stored_and_arrives(new_person: MakePerson) -> None:
    a, b = await new_person(), await new_person()
    in_a, in_b = await befriend(a, b)
    async with a.online():
        sent = await a.send(in_a, "for later")
        async with asyncio.timeout(PATIENCE):
            assert (await a.settled(sent.id)).state is MessageState.STORED
    async with b.online(), asyncio.timeout(PATIENCE):
        await b.drained()
    assert [message.text for message in await b.unread()] == ["for later"]
    assert (await b.contact(in_b)).unread == 1
    async with b.online(), a.online():
        assert await b.mark_read(in_b) == 1
        await reaches(a, sent.id, MessageState.READ)
    assert await b.unread() == []
    async with b.online(), asyncio.timeout(PATIENCE):
        await b.drained()
    assert len(await b.history(in_b)) == 1  # it does not come a second time


async def test_a_message_is_kept_while_the_server_cannot_be_reached(
    server_urls: list[str], new_person: MakePerson, tmp_path: Path
) -> None:
    b = await new_person()
    home = tmp_path / "a"
    async with network(server_urls[0]) as between:
        async with person(home, between.url) as a:
            in_a, _ = await befriend(a, b)
            await between.cut()
            sent = await a.send(in_a, "one")
            assert sent.state is MessageState.SENDING
            watch = Watch(a)
            async with a.online():
                change = await watch.until(ConnectionChanged, lambda event: event.state is ConnectionState.OFFLINE)
                assert change.reason == "unreachable"
                assert change.sentence is not None
                assert change.retry_in is not None
                assert 0 < change.retry_in <= 0.5
                await a.send(in_a, "two")
                assert [message.state for message in await a.history(in_a)] == [MessageState.SENDING] * 2
        async with await Client.open(home, PASSPHRASE) as again, b.online():  # a new process, the server remembered
            watch_b = Watch(b)
            async with again.online():
                await between.restore()
                await watch_b.message("one")
                await watch_b.message("two")
                for message in await again.history(in_a):
                    await reaches(again, message.id, MessageState.DELIVERED)


async def test_what_the_server_did_not_answer_is_sent_again_and_arrives_once(
    server_urls: list[str], new_person: MakePerson, tmp_path: Path
) -> None:
    b = await new_person()
    async with network(server_urls[0]) as between, person(tmp_path / "a", between.url) as a:
        in_a, in_b = await befriend(a, b)
        async with a.online(), b.online():
            watch_a, watch_b = Watch(a), Watch(b)
            async with asyncio.timeout(PATIENCE):
                await a.drained()
            between.muted = True
            texts = [f"text {number}" for number in range(10)]
            for text in texts:
                await a.send(in_a, text)
            for text in texts:
                await watch_b.message(text)
            assert {message.state for message in await a.history(in_a)} == {MessageState.SENDING}
            between.drop()
            await between.restore()
            await watch_a.until(ConnectionChanged, lambda event: event.state is ConnectionState.OFFLINE)
            for message in await a.history(in_a):
                await reaches(a, message.id, MessageState.DELIVERED)
            marker = await a.send(in_a, "marker")
            await watch_b.message("marker")
            await reaches(a, marker.id, MessageState.DELIVERED)
        assert [message.text for message in await b.history(in_b)] == [*texts, "marker"]
        received = [event.message.text for event in watch_b.seen if isinstance(event, MessageReceived)]
        assert received == [*texts, "marker"]
        assert not [event for event in watch_b.seen if isinstance(event, FrameUnreadable)]


async def test_a_connection_that_breaks_again_and_again_loses_nothing(
    server_urls: list[str], new_person: MakePerson, tmp_path: Path
) -> None:
    b = await new_person()
    async with network(server_urls[0]) as between, person(tmp_path / "a", between.url) as a:
        in_a, in_b = await befriend(a, b)
        async with a.online(), b.online():
            watch_a, watch_b = Watch(a), Watch(b)
            for number in range(12):
                await a.send(in_a, f"{number} from a")
                await b.send(in_b, f"{number} from b")
                if number % 3 == 1:
                    between.drop()
            for number in range(12):
                await watch_b.message(f"{number} from a")
                await watch_a.message(f"{number} from b")
        for client, contact in ((a, in_a), (b, in_b)):
            incoming = [message.text for message in await client.history(contact) if message.direction == "incoming"]
            assert sorted(incoming) == sorted(set(incoming))
            assert len(incoming) == 12


async def test_states_only_move_forward_and_are_told_in_order(new_person: MakePerson) -> None:
    a, b = await new_person(), await new_person()
    in_a, in_b = await befriend(a, b)
    watch_a = Watch(a)
    async with a.online():
        sent = await a.send(in_a, "hello")
        await reaches(a, sent.id, MessageState.STORED)
        async with b.online():
            await reaches(a, sent.id, MessageState.DELIVERED)
            await b.mark_read(in_b, up_to=sent.id + 1000)
            await reaches(a, sent.id, MessageState.READ)
            last = await watch_a.until(DeliveryChanged, lambda event: event.message.state is MessageState.READ)
    told = [event.message.state for event in watch_a.seen if isinstance(event, DeliveryChanged)]
    assert told == [MessageState.STORED, MessageState.DELIVERED, MessageState.READ]
    assert last.message.id == sent.id


async def test_a_full_mailbox_is_waited_for(new_person: MakePerson, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(outbox._HOLDS, Outcome.QUOTA, (0.3, 1.0))
    a, b = await new_person(), await new_person()
    in_a, in_b = await befriend(a, b)
    count = 520  # a mailbox holds 512
    async with a.online():
        for number in range(count):
            last = await a.send(in_a, str(number))
        async with asyncio.timeout(PATIENCE):
            await a.flushed()
        states = [message.state for message in await a.history(in_a, limit=count)]
        assert states.count(MessageState.STORED) == 512
        assert (await a.message(last.id)).state is MessageState.SENDING
        async with b.online():
            await reaches(a, last.id, MessageState.DELIVERED)
            watch_b = Watch(b)
            await a.send(in_a, "the last")
            await watch_b.message("the last")
            async with asyncio.timeout(PATIENCE):
                await b.drained()  # what was stored may be overtaken by what was not
    assert [message.text for message in await b.history(in_b, limit=1000)] == [*map(str, range(count)), "the last"]


async def test_texts_come_back_as_they_were_written(new_person: MakePerson) -> None:
    a, b = await new_person(), await new_person()
    in_a, in_b = await befriend(a, b)
    texts = [
        "\U0001f642 \u4f60\u597d \u0645\u0631\u062d\u0628\u0627",
        " leading and trailing \n",
        "x" * MAX_TEXT_BYTES,
        "a\x00b\x1b[31m",
    ]
    async with a.online(), b.online():
        watch_b = Watch(b)
        for text in texts:
            await a.send(in_a, text)
            await watch_b.message(text)
    for bad, error in (("", EmptyText), (" \n\t", EmptyText), ("x" * (MAX_TEXT_BYTES + 1), TextTooLong)):
        with pytest.raises(error):
            await a.send(in_a, bad)
    assert [message.text for message in await a.history(in_a)] == texts
    assert [message.text for message in await b.history(in_b)] == texts


async def test_history_can_be_paged_and_searched(new_person: MakePerson) -> None:
    a, b = await new_person(), await new_person()
    in_a, _ = await befriend(a, b)
    for text in (
        "Treffen um neun",
        "treffen wir uns?",
        "etwas anderes",
        "100 % sicher",
        'sagt "ja"',
        "\u5317\u4eac\u5927\u5b66",
        "Caf\u00e9 OR AND NOT",
    ):
        await a.send(in_a, text)

    async def found(search: str) -> list[str]:
        return [message.text for message in await a.history(in_a, search=search)]

    assert await found("TREFFEN") == ["Treffen um neun", "treffen wir uns?"]
    assert await found("um ne") == ["Treffen um neun"]
    assert await found("%") == ["100 % sicher"]
    assert await found("0 % s") == ["100 % sicher"]
    assert await found('"ja"') == ['sagt "ja"']
    assert await found("\u5927\u5b66") == ["\u5317\u4eac\u5927\u5b66"]
    assert await found("\u4eac\u5927\u5b66") == ["\u5317\u4eac\u5927\u5b66"]
    assert await found("cafe") == ["Caf\u00e9 OR AND NOT"]
    assert await found("OR AND") == ["Caf\u00e9 OR AND NOT"]
    assert await found("nirgends") == []
    page = await a.history(in_a, limit=3)
    assert [message.text for message in page][-1] == "Caf\u00e9 OR AND NOT"
    older = await a.history(in_a, limit=10, before=page[0].id)
    assert [message.text for message in older] == [message.text for message in await a.history(in_a)][:4]


async def test_contacts_are_found_by_what_people_call_them(new_person: MakePerson) -> None:
    a = await new_person()
    people = [await new_person(name=name) for name in ("Bob", "Bob", "Carol 7")]
    ids = [(await befriend(a, client))[0] for client in people]
    assert (
        (await a.contact("carol 7")).id == (await a.contact(str(ids[2]))).id == (await a.contact(ids[2])).id == ids[2]
    )
    with pytest.raises(AmbiguousContact):
        await a.contact("Bob")
    for nobody in ("Dave", "", "0", 10**30, str(10**30), "\u0662"):
        with pytest.raises(NoSuchContact):
            await a.contact(nobody)


async def test_one_run_at_a_time_and_a_clean_end(new_person: MakePerson) -> None:
    a = await new_person()
    watch = Watch(a)
    async with a.online():
        await watch.until(Drained)
        assert a.connection is ConnectionState.ONLINE
        with pytest.raises(AlreadyRunning):
            await a.run()
        assert a.connection is ConnectionState.ONLINE
    assert a.connection is ConnectionState.OFFLINE
    running = asyncio.create_task(a.run())
    await watch.until(Drained)
    await a.close()
    assert running.cancelled()
    with pytest.raises(StoreError):
        await a.whoami()
    async for event in watch._listener:
        watch.seen.append(event)  # ends by itself
    assert isinstance(watch.seen[-1], ConnectionChanged)
