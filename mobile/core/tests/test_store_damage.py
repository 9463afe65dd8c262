"""Damage, a full disk, a directory that cannot be written: one clear sentence, a stable reason, and nothing lost."""

import asyncio
import contextlib
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from handshaker_core.model import ContactId, Direction, MessageKind, MessageState
from handshaker_core.store import Store, StoreCorrupt, StoreError, StoreTooNew, StoreUnusable, messages, twins
from handshaker_core.store import settings as stored
from handshaker_core.store.connection import Connection
from handshaker_core.store.messages import NewMessage

PASSPHRASE = "correct horse"
PAGE = 4_096
LINES = 300


def fill(c: Connection) -> None:
    c.execute("INSERT INTO contacts (identity, created_at) VALUES (x'00', 0)")
    for number in range(LINES):
        messages.add(
            c,
            NewMessage(
                contact=ContactId(1),
                direction=Direction.OUTGOING,
                message_id=number.to_bytes(16),
                kind=MessageKind.TEXT,
                text=f"line {number} of a conversation that goes on for a while",
                sent_at_ms=number,
                created_at_ms=number,
                state=MessageState.READ,
            ),
        )


def read(c: Connection) -> int:
    found = len(messages.history(c, ContactId(1), None, 10_000, None))
    return found + len(messages.history(c, ContactId(1), "conversation", 10_000, None))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed home with some history; every test damages a copy."""
    folder = tmp_path_factory.mktemp("template") / "home"

    async def make() -> None:
        store = await Store.create(folder, PASSPHRASE)
        await store.run(fill)
        await store.close()

    asyncio.run(make())
    return folder


@pytest.fixture
def home(template: Path, tmp_path: Path) -> Path:
    shutil.copytree(template, tmp_path / "home")
    return tmp_path / "home"


async def database_of(home: Path) -> Path:
    store = await Store.open(home, PASSPHRASE)
    path = twins.path_of(home, store._unlocked.record.file)
    await store.close()
    return path


async def whole(home: Path) -> bool:
    store = await Store.open(home, PASSPHRASE)
    try:
        return await store.run(read) == 2 * LINES
    finally:
        await store.close()


def said(error: StoreError) -> None:
    """One sentence or two, a stable word, and nothing of SQLite's."""
    assert error.reason in ("store_corrupt", "store_too_new", "store_unusable", "no_store", "store_in_use")
    assert str(error).endswith(".")
    assert "sqlite" not in str(error).lower()


async def test_every_page_that_is_damaged_is_noticed_and_the_rest_of_the_files_stays(home: Path) -> None:
    path = await database_of(home)
    kept = path.read_bytes()
    store = await Store.open(home, PASSPHRASE)
    used = (await store.run(lambda c: c.execute("PRAGMA page_count").fetchone()))[0]
    await store.close()
    noticed = 0
    for page in range(0, used, max(1, used // 12)):
        damaged = bytearray(path.read_bytes())
        damaged[page * PAGE + 100] ^= 1
        path.write_bytes(damaged)
        with contextlib.suppress(StoreCorrupt):  # what lies on a page that nobody needed is not lost either way
            await whole(home)
            noticed -= 1
        noticed += 1
        path.write_bytes(kept)
        assert await whole(home)
    assert noticed >= 3


@pytest.mark.parametrize("left", [0, 1, 15, PAGE - 1, PAGE, 10 * PAGE])
async def test_a_database_that_was_cut_says_so(home: Path, left: int) -> None:
    path = await database_of(home)
    kept = path.read_bytes()
    path.write_bytes(kept[:left])
    with pytest.raises(StoreCorrupt) as info:
        assert await whole(home)
    said(info.value)
    path.write_bytes(kept)
    assert await whole(home)


DAMAGE: dict[str, tuple[Callable[[Path, Path], None], type[StoreError]]] = {
    "no vault": (lambda home, _: (home / "vault").unlink(), StoreCorrupt),
    "empty vault": (lambda home, _: (home / "vault").write_bytes(b""), StoreCorrupt),
    "vault of zeros": (lambda home, _: (home / "vault").write_bytes(bytes(8_192)), StoreCorrupt),
    "another vault": (lambda home, _: (home / "vault").write_bytes(b"HSKVAULT\x03" + bytes(8_183)), StoreTooNew),
    "no database": (lambda _, path: path.unlink(), StoreCorrupt),
    "random database": (lambda _, path: path.write_bytes(os.urandom(1 << 20)), StoreCorrupt),
    "plain SQLite": (lambda _, path: path.write_bytes(b"SQLite format 3\0" + bytes(1 << 20)), StoreCorrupt),
    "a directory for a database": (lambda _, path: (path.unlink(), path.mkdir()), StoreUnusable),
    "a directory for a vault": (lambda home, _: ((home / "vault").unlink(), (home / "vault").mkdir()), StoreUnusable),
}


@pytest.mark.parametrize("damage", DAMAGE)
async def test_what_is_missing_or_something_else_is_named(home: Path, tmp_path: Path, damage: str) -> None:
    change, expected = DAMAGE[damage]
    kept = tmp_path / "kept"
    shutil.copytree(home, kept)
    change(home, await database_of(home))
    for _ in range(2):
        with pytest.raises(StoreError) as info:
            await Store.open(home, PASSPHRASE)
        said(info.value)
        assert isinstance(info.value, expected)
    assert await whole(kept)


async def test_a_missing_twin_is_made_anew(home: Path) -> None:
    path = await database_of(home)
    other = next(home / name for name in twins.NAMES if name != path.name)
    other.unlink()
    assert await whole(home)
    assert other.stat().st_size == path.stat().st_size


FULL_DISK = """
import asyncio, pathlib, resource, sys
from handshaker_core.store import Store, StoreError, settings, vault
vault.ARGON2ID_MEMORY_KIB, vault.ARGON2ID_ITERATIONS = 64, 1
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

async def main(home):
    store = await Store.open(home, sys.argv[2])
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, resource.RLIM_INFINITY))
    try:
        await store.run(lambda c: settings.put(c, "large", "x" * 6_000_000))
    except StoreError as error:
        print(error.reason, "|", error)
    print((await store.run(lambda c: c.execute("SELECT count(*) FROM messages").fetchone()))[0])
    await store.close()

asyncio.run(main(pathlib.Path(sys.argv[1])))
"""


def test_a_file_that_cannot_grow_refuses_the_write_and_keeps_the_rest(home: Path) -> None:
    command = [sys.executable, "-c", FULL_DISK, str(home), PASSPHRASE]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    refused, count = ended.stdout.splitlines()
    assert refused.split(" | ")[0] in ("store_unusable", "store_corrupt")
    assert int(count) == LINES
    assert asyncio.run(whole(home))


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A real file system of four megabytes."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], check=False).returncode
    assert mounted == 0, "this test mounts a small file system, for which it has to run as root"
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


async def test_a_full_disk_is_said_and_nothing_is_lost(tiny: Path) -> None:
    store = await Store.create(tiny / "home", PASSPHRASE)
    await store.run(fill)
    with pytest.raises(StoreUnusable, match="The disk is full; nothing was changed"):
        await store.run(lambda c: stored.put(c, "large", "x" * 6_000_000))
    assert await store.run(read) == 2 * LINES
    await store.close()
    assert await whole(tiny / "home")
    (tiny / "filler").write_bytes(bytes(max(0, shutil.disk_usage(tiny).free)))
    with pytest.raises(StoreUnusable, match="The disk is full"):
        await Store.open(tiny / "home", PASSPHRASE)
    with pytest.raises(StoreUnusable):
        await Store.create(tiny / "second", PASSPHRASE)
    (tiny / "filler").unlink()
    assert await whole(tiny / "home")


async def test_a_read_only_file_system_is_said(tiny: Path) -> None:
    store = await Store.create(tiny / "home", PASSPHRASE)
    await store.run(fill)
    await store.close()
    subprocess.run(["mount", "-o", "remount,ro", str(tiny)], check=True)  # noqa: ASYNC221 - a moment
    with pytest.raises(StoreUnusable) as info:
        await Store.open(tiny / "home", PASSPHRASE)
    said(info.value)
    with pytest.raises(StoreUnusable):
        await Store.create(tiny / "other", PASSPHRASE)
    subprocess.run(["mount", "-o", "remount,rw", str(tiny)], check=True)  # noqa: ASYNC221 - a moment
    assert await whole(tiny / "home")


def test_limits_of_this_process_are_as_they_were() -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
