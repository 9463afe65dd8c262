"""Panic: in which order it destroys, that no step can be undone by dying after it, and what it does without a network."""

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from engine_world import PASSPHRASE, PATIENCE, Network
from handshaker_core.client import Client
from handshaker_core.client.safekeeping import Panicked
from handshaker_core.net.errors import RefusedByServer
from handshaker_core.store import NoStore, Store, StoreCorrupt, StoreError, panic, twins
from handshaker_core.store import settings as stored

MakePerson = Callable[..., Awaitable[Client]]
SECRET = "Treffen um neun am Brunnen"
KILLED = 9


async def a_store(home: Path) -> bytes:
    store = await Store.create(home, PASSPHRASE)
    await store.run(lambda c: stored.put(c, "note", SECRET))
    key = store._unlocked.record.database.raw
    await store.close()
    return key


def names(home: Path) -> list[str]:
    return sorted(path.name for path in home.iterdir())


def die_at(home: Path, step: int) -> int:
    """Panic in a child that ends at the given step. Returns: its exit status."""
    child = os.fork()
    if child == 0:
        left = step

        def fault() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                os._exit(KILLED)

        try:
            panic.destroy(home, fault=fault)
            os._exit(0)
        finally:
            os._exit(3)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


async def test_killed_between_any_two_steps_it_cannot_be_opened_and_is_finished_by_the_next(tmp_path: Path) -> None:
    await a_store(tmp_path / "whole")
    kept = (tmp_path / "whole" / "vault").read_bytes()
    for step in range(1, 30):
        home = tmp_path / str(step)
        shutil.copytree(tmp_path / "whole", home)
        (home / "messages-a.db-wal").write_bytes(b"left by a crash")
        status = die_at(home, step)
        for passphrase in (PASSPHRASE, "wrong"):
            with pytest.raises((StoreCorrupt, NoStore)):
                await Store.open(home, passphrase)
        for path in home.iterdir():
            content = path.read_bytes()
            assert not any(kept[start : start + 16] in content for start in range(0, len(kept), 16))
        if status == 0:
            assert step > 4
            break
        assert status == KILLED
        left = names(home)
        assert panic.destroy(home) is bool(left)
        assert names(home) == []
        assert not panic.destroy(home)
    else:
        pytest.fail("panic has no end")


async def test_before_its_first_step_is_done_everything_is_there(tmp_path: Path) -> None:
    """The positive control of the test above: what was not touched opens."""
    await a_store(tmp_path / "home")
    store = await Store.open(tmp_path / "home", PASSPHRASE)
    assert await store.run(lambda c: stored.get(c, "note")) == SECRET
    await store.close()


async def test_the_wraps_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await a_store(tmp_path)
    order: list[str] = []
    unlink, fsync = Path.unlink, os.fsync
    monkeypatch.setattr(os, "fsync", lambda d: (order.append("sync"), fsync(d))[1])
    monkeypatch.setattr(Path, "unlink", lambda p, missing_ok=False: (order.append(p.name), unlink(p, missing_ok))[1])
    panic.destroy(tmp_path)
    assert order[:2] == ["sync", "messages-a.db"]
    assert order.index("vault") > order.index("messages-b.db")


async def test_a_home_that_somebody_has_open_is_destroyed_all_the_same(tmp_path: Path) -> None:
    await a_store(tmp_path)
    holder = await Store.open(tmp_path, PASSPHRASE)
    assert panic.destroy(tmp_path)
    await holder.close()
    panic.destroy(tmp_path)  # what the holder wrote at its end has no key any more
    with pytest.raises(NoStore):
        await Store.open(tmp_path, PASSPHRASE)


async def test_other_files_in_the_directory_stay(tmp_path: Path) -> None:
    await a_store(tmp_path)
    (tmp_path / "letter.txt").write_text("mine")
    panic.destroy(tmp_path)
    assert names(tmp_path) == ["letter.txt"]


async def test_an_empty_directory_has_nothing_to_destroy(tmp_path: Path) -> None:
    assert not panic.destroy(tmp_path)
    assert not panic.destroy(tmp_path / "nowhere")


async def test_the_server_ends_the_account(new_person: MakePerson) -> None:
    client = await new_person("panicking", name="P")
    device, home, server = client._core.keys.device, client._core.store.home, client._core.server
    assert await client.find("panicking.4711") is None
    name = (await client.whoami()).username
    assert name is not None
    assert await client.find(name) is not None
    api = client._core.api
    assert await client.safe.panic() == Panicked(server_told=True)
    assert names(home) == []
    with pytest.raises(RefusedByServer, match="refused"):
        await api.log_in(device)
    with pytest.raises(StoreError):
        await client.whoami()
    await client.close()
    other = await new_person()
    assert await other.find(name) is None
    assert other._core.server.url.split(":")[0] == server.url.split(":")[0]


async def test_the_local_part_does_not_wait_for_the_network(new_person: MakePerson, server_urls: list[str]) -> None:
    network = Network(server_urls[0])
    await network.restore()
    client = await new_person(server=network.url)
    home = client._core.store.home
    async with client.online(), asyncio.timeout(PATIENCE):
        network.muted = True  # connections stand, and no answer ever comes
        panicking = asyncio.create_task(client.safe.panic(2 * PATIENCE))
        while names(home):
            await asyncio.sleep(0.01)
        assert not panicking.done()
        await network.cut()
        assert await panicking == Panicked(server_told=False)


async def test_the_server_has_its_time_and_no_more(new_person: MakePerson, server_urls: list[str]) -> None:
    network = Network(server_urls[0])
    await network.restore()
    client = await new_person(server=network.url)
    network.muted = True
    async with asyncio.timeout(PATIENCE):
        assert await client.safe.panic(0.5) == Panicked(server_told=False)
    await network.cut()


async def test_a_panic_whose_caller_is_cancelled_is_finished(new_person: MakePerson) -> None:
    client = await new_person()
    home = client._core.store.home
    panicking = asyncio.create_task(client.safe.panic())
    while not client._core.store._closed:
        await asyncio.sleep(0)
    panicking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await panicking
    assert names(home) == []


async def test_a_ticket_is_left_with_the_server_once(new_person: MakePerson) -> None:
    client = await new_person()
    rows = await client._core.store.run(lambda c: c.execute("SELECT length(ticket), known FROM wipe_ticket").fetchall())
    assert rows == [(32, 1)]


def test_both_databases_are_known_to_it() -> None:
    assert all(name.startswith("messages") for name in twins.NAMES)
