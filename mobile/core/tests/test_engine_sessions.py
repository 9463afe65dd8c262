"""Live sessions and their end between two whole clients, over the real services."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from engine_world import PATIENCE, Watch, befriend, network, person
from handshaker_core.client import Client, NetworkError, NoSession
from handshaker_core.client.events import FrameUnreadable, LiveSessionChanged, NoticeAdded
from handshaker_core.errors import LiveSessionOpen, NoLiveSession
from handshaker_core.model import Notice, SessionStatus
from handshaker_core.protocol.live import EndReason, LiveKeys, Phase

MakePerson = Callable[..., Awaitable[Client]]


async def reaches(watch: Watch, phase: Phase) -> LiveSessionChanged:
    return await watch.until(LiveSessionChanged, lambda event: event.session.phase is phase)


async def go_live(a: Client, a_id: int, b: Client, b_id: int) -> tuple[LiveKeys, LiveKeys]:
    watch_a, watch_b = Watch(a), Watch(b)
    assert (await a.sessions.start(b_id)).live.phase is Phase.OFFERED
    await reaches(watch_b, Phase.ACCEPTING)
    assert (await b.sessions.start(a_id)).live.phase is Phase.LIVE
    await reaches(watch_a, Phase.LIVE)
    one, other = await a.sessions.keys(b_id), await b.sessions.keys(a_id)
    assert one is not None
    assert other is not None
    return one, other


async def test_two_people_agree_on_keys_that_are_in_no_file_and_end_them(
    new_person: MakePerson, tmp_path: Path
) -> None:
    a, b = await new_person(), await new_person()
    b_id, a_id = await befriend(a, b)
    async with a.online(), b.online(), asyncio.timeout(PATIENCE):
        one, other = await go_live(a, a_id, b, b_id)
        assert (one.sending, one.receiving) == (other.receiving, other.sending)
        with pytest.raises(LiveSessionOpen):
            await a.sessions.start(b_id)
        watch_b = Watch(b)
        ended = await a.sessions.end(b_id, only_live=True)
        assert (ended.live.phase, ended.live.ended, ended.sessions) == (Phase.ENDED, EndReason.ENDED_HERE, 1)
        event = await reaches(watch_b, Phase.ENDED)
        assert event.session.ended is EndReason.ENDED_BY_CONTACT
        assert await a.sessions.keys(b_id) is None
        assert await b.sessions.keys(a_id) is None
        with pytest.raises(NoLiveSession):
            await b.sessions.end(a_id, only_live=True)
        again, _ = await go_live(b, b_id, a, a_id)
        assert again.sending not in (one.sending, one.receiving)


async def test_somebody_who_is_away_is_offered_nothing(new_person: MakePerson) -> None:
    a, b = await new_person(), await new_person()
    b_id, a_id = await befriend(a, b)
    async with a.online(), asyncio.timeout(PATIENCE):
        watch = Watch(a)
        await a.sessions.start(b_id)
        event = await reaches(watch, Phase.ENDED)
        assert event.session.ended is EndReason.NOT_THERE
    async with b.online(), asyncio.timeout(PATIENCE):
        await b.drained()
        assert (await b.sessions.status(a_id)).live.phase is Phase.IDLE


async def test_a_restart_ends_a_live_session_and_the_other_side_learns_it(
    new_person: MakePerson, server_urls: list[str], tmp_path: Path, few_prekeys: None
) -> None:
    a = await new_person()
    async with person(tmp_path / "b", server_urls[0]) as b:
        b_id, a_id = await befriend(a, b)
        async with a.online(), b.online(), asyncio.timeout(PATIENCE):
            await go_live(a, a_id, b, b_id)
    async with person(tmp_path / "b", server_urls[0]) as b, asyncio.timeout(PATIENCE):
        assert (await b.sessions.status(a_id)).live.phase is Phase.IDLE
        watch = Watch(a)
        async with a.online(), b.online():
            await reaches(watch, Phase.ENDED)
            assert await a.sessions.keys(b_id) is None


async def test_ending_a_session_deletes_keys_on_both_sides_and_the_next_message_begins_anew(
    new_person: MakePerson,
) -> None:
    a, b = await new_person(), await new_person()
    b_id, a_id = await befriend(a, b)
    async with a.online(), b.online(), asyncio.timeout(PATIENCE):
        for one, one_id, other, other_id in ((a, a_id, b, b_id), (b, b_id, a, a_id)):
            await go_live(one, one_id, other, other_id)
            watch = Watch(other)
            status = await one.sessions.end(other_id)
            assert (status.sessions, status.live.ended) == (0, EndReason.SESSION_ENDED)
            told = await watch.until(NoticeAdded)
            assert told.message.notice is Notice.SESSION_ENDED_BY_CONTACT
            assert await keys_of(other, one_id) == (0, None)
            with pytest.raises(NoSession):
                await one.sessions.end(other_id)
            watch = Watch(one)
            await other.send(one_id, "hello again")
            await watch.message("hello again")
            watch = Watch(other)
            await one.send(other_id, "with new keys")
            await watch.message("with new keys")
            assert (await one.sessions.status(other_id)).sessions == 1
            assert not any(isinstance(event, FrameUnreadable) for event in watch.seen)
        lines = [line.notice for line in await a.history(b_id) if line.notice is not None]
        assert lines == [Notice.SESSION_ENDED, Notice.SESSION_ENDED_BY_CONTACT]


async def keys_of(client: Client, contact: int) -> tuple[int, LiveKeys | None]:
    status: SessionStatus = await client.sessions.status(contact)
    return status.sessions, await client.sessions.keys(contact)


async def test_after_the_end_nothing_is_queued_while_the_server_cannot_be_reached(
    new_person: MakePerson, server_urls: list[str], tmp_path: Path, few_prekeys: None
) -> None:
    b = await new_person()
    async with network(server_urls[0]) as between, person(tmp_path / "a", between.url) as a:
        b_id, _ = await befriend(a, b)
        await a.sessions.end(b_id)
        before = await a.history(b_id)
        await between.cut()
        with pytest.raises(NetworkError):
            await a.send(b_id, "cannot be encrypted")
        assert await a.history(b_id) == before
        await between.restore()
        async with a.online(), b.online(), asyncio.timeout(PATIENCE):
            watch = Watch(b)
            await a.send(b_id, "now it can")
            await watch.message("now it can")


async def test_a_timer_can_be_set_after_the_end(new_person: MakePerson) -> None:
    a, b = await new_person(), await new_person()
    b_id, a_id = await befriend(a, b)
    async with a.online(), b.online(), asyncio.timeout(PATIENCE):
        watch = Watch(b)
        await a.sessions.end(b_id)
        await watch.until(NoticeAdded)
        await a.safe.disappear(b_id, 3_600)
        told = await watch.until(NoticeAdded)
        assert told.message.notice is Notice.TIMER_CHANGED_BY_CONTACT
        assert await b.safe.disappears_after(a_id) == 3_600
