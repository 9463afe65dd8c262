"""The store on disk: who may open it, what a crash leaves, and that nobody reads it without the key."""

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from handshaker_core.model import ContactId, Direction, MessageKind, MessageState
from handshaker_core.store import (
    Connection,
    NoStore,
    Store,
    StoreCorrupt,
    StoreExists,
    StoreInUse,
    StoreTooNew,
    StoreUnusable,
    WrongPassphrase,
    messages,
    migrations,
    twins,
    unlocking,
    vault_file,
)
from handshaker_core.store import settings as stored
from handshaker_core.store.migrations import scripts, split_statements

PASSPHRASE = "correct horse"
SECRET = "Treffen um neun am Brunnen"


def _put(c: Connection) -> None:
    stored.put(c, "note", SECRET)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _get(c: Connection) -> str | None:
    return stored.get(c, "note")


async def test_what_was_committed_is_there_after_opening_again(tmp_path: Path) -> None:
    store = await Store.create(tmp_path, PASSPHRASE)
    await store.run(_put)
    await store.close()
    store = await Store.open(tmp_path, PASSPHRASE)
    assert await store.run(_get) == SECRET
    await store.close()
    await store.close()


async def test_a_wrong_passphrase_changes_no_file(tmp_path: Path) -> None:
    store = await Store.create(tmp_path, PASSPHRASE)
    await store.run(_put)
    await store.close()
    before = contents(tmp_path)
    with pytest.raises(WrongPassphrase):
        await Store.open(tmp_path, "wrong")
    assert contents(tmp_path) == before
    store = await Store.open(tmp_path, PASSPHRASE)
    assert await store.run(_get) == SECRET
    await store.close()


async def test_one_process_at_a_time(tmp_path: Path) -> None:
    store = await Store.create(tmp_path, PASSPHRASE)
    with pytest.raises(StoreInUse, match="Another Handshaker process"):
        await Store.open(tmp_path, PASSPHRASE)
    script = (
        "import asyncio, sys, pathlib\n"
        "from handshaker_core.store import Store, StoreInUse, vault\n"
        "vault.ARGON2ID_MEMORY_KIB, vault.ARGON2ID_ITERATIONS = 64, 1\n"
        "try:\n    asyncio.run(Store.open(pathlib.Path(sys.argv[1]), sys.argv[2]))\n"
        "except StoreInUse:\n    sys.exit(7)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path), PASSPHRASE]
    assert (await asyncio.to_thread(subprocess.run, command, timeout=60, check=False)).returncode == 7
    await store.close()
    assert (await asyncio.to_thread(subprocess.run, command, timeout=60, check=False)).returncode == 0
    # That process ended without closing anything; the lock went with it.
    store = await Store.open(tmp_path, PASSPHRASE)
    await store.close()


async def test_plaintext_is_never_on_the_disk(tmp_path: Path) -> None:
    store = await Store.create(tmp_path, PASSPHRASE)
    await store.run(_put)
    needles = [SECRET.encode(), SECRET.encode("utf-16-le"), b"CREATE TABLE", b"messages_fts", PASSPHRASE.encode()]

    def search() -> None:
        files = [path for path in tmp_path.iterdir() if path.is_file()]
        assert {"messages-a.db", "messages-b.db", "vault"} <= {path.name for path in files}
        for path in files:
            content = path.read_bytes()
            assert not content.startswith(b"SQLite format 3")
            for needle in needles:
                assert needle not in content, path.name

    search()  # with the write-ahead log beside it
    await store.close()
    search()
    for name in twins.NAMES:
        with pytest.raises(sqlite3.DatabaseError):
            sqlite3.connect(tmp_path / name).execute("SELECT * FROM sqlite_master")


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        ("cipher_memory_security", "1"),
        ("secure_delete", 1),
        ("foreign_keys", 1),
        ("journal_mode", "wal"),
        ("synchronous", 2),
        ("temp_store", 2),
    ],
)
async def test_the_database_is_careful(tmp_path: Path, pragma: str, value: object) -> None:
    store = await Store.create(tmp_path, PASSPHRASE)
    assert await store.run(lambda c: c.execute(f"PRAGMA {pragma}").fetchone()) == (value,)
    await store.close()


async def test_only_the_owner_may_look(tmp_path: Path) -> None:
    home = tmp_path / "home"
    store = await Store.create(home, PASSPHRASE)
    await store.run(_put)
    assert home.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o077 == 0 for path in home.iterdir() if not path.name.endswith("-shm"))
    await store.close()


async def test_nothing_is_opened_or_made_where_it_should_not(tmp_path: Path) -> None:
    with pytest.raises(NoStore):
        await Store.open(tmp_path, PASSPHRASE)
    assert contents(tmp_path) == {}
    await (await Store.create(tmp_path, PASSPHRASE)).close()
    with pytest.raises(StoreExists):
        await Store.create(tmp_path, PASSPHRASE)
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreUnusable, match="cannot be used"):
        await Store.create(tmp_path / "file" / "home", PASSPHRASE)


async def test_missing_and_damaged_files_say_so(tmp_path: Path) -> None:
    store = await Store.create(tmp_path, PASSPHRASE)
    await store.close()
    vault, database = tmp_path / "vault", twins.path_of(tmp_path, store._unlocked.record.file)
    kept = vault.read_bytes(), database.read_bytes()
    vault.unlink()
    with pytest.raises(StoreCorrupt, match="key file"):
        await Store.open(tmp_path, PASSPHRASE)
    with pytest.raises(StoreCorrupt, match="key file"):
        await Store.create(tmp_path, PASSPHRASE)
    assert database.read_bytes() == kept[1]
    vault.write_bytes(kept[0][:900])
    with pytest.raises(StoreCorrupt):
        await Store.open(tmp_path, PASSPHRASE)
    vault.write_bytes(kept[0])
    database.unlink()
    with pytest.raises(StoreCorrupt, match="database"):
        await Store.open(tmp_path, PASSPHRASE)
    database.write_bytes(b"x" * len(kept[1]))
    with pytest.raises(StoreCorrupt):
        await Store.open(tmp_path, PASSPHRASE)
    database.write_bytes(kept[1])
    await (await Store.open(tmp_path, PASSPHRASE)).close()


@pytest.mark.parametrize("after", ["database", "vault"])
async def test_creation_that_was_cut_short_is_finished_or_begun_anew(
    tmp_path: Path, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Crashed(BaseException):
        pass

    def crash(*_: object) -> None:
        raise Crashed

    if after == "database":
        monkeypatch.setattr(vault_file, "create", crash)
    else:
        monkeypatch.setattr(unlocking, "_open_database", crash)
    with pytest.raises(Crashed):
        await Store.create(tmp_path, PASSPHRASE)
    monkeypatch.undo()
    if after == "database":
        assert not Store.exists(tmp_path)
        store = await Store.create(tmp_path, PASSPHRASE)
    else:
        assert Store.exists(tmp_path)
        store = await Store.open(tmp_path, PASSPHRASE)
    await store.run(_put)
    await store.close()
    assert not [name for name in contents(tmp_path) if ".new" in name]


async def test_a_unit_commits_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    store = await Store.create(tmp_path, PASSPHRASE)

    def half(c: Connection) -> None:
        _put(c)
        raise ValueError("changed my mind")

    with pytest.raises(ValueError, match="changed my mind"):
        await store.run(half)
    assert await store.run(_get) is None
    await store.run(_put)
    assert await store.run(_get) == SECRET
    await store.close()


async def test_units_run_one_after_the_other(tmp_path: Path) -> None:
    store = await Store.create(tmp_path, PASSPHRASE)

    def increment(c: Connection) -> None:
        stored.put(c, "counter", str(int(stored.get(c, "counter") or "0") + 1))

    await asyncio.gather(*(store.run(increment) for _ in range(50)))
    assert await store.run(lambda c: stored.get(c, "counter")) == "50"
    await store.close()


async def test_opening_that_is_cancelled_leaves_no_lock(tmp_path: Path) -> None:
    await (await Store.create(tmp_path, PASSPHRASE)).close()
    opening = asyncio.create_task(Store.open(tmp_path, PASSPHRASE))
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    async with asyncio.timeout(30):
        while True:
            try:
                store = await Store.open(tmp_path, PASSPHRASE)
            except StoreInUse:
                await asyncio.sleep(0.01)
            else:
                break
    await store.close()


async def test_the_passphrase_can_be_changed(tmp_path: Path) -> None:
    store = await Store.create(tmp_path, PASSPHRASE)
    with pytest.raises(WrongPassphrase):
        await store.change_passphrase("wrong", "new")
    await store.change_passphrase(PASSPHRASE, "new")
    await store.run(_put)
    await store.close()
    with pytest.raises(WrongPassphrase):
        await Store.open(tmp_path, PASSPHRASE)
    store = await Store.open(tmp_path, "new")
    assert await store.run(_get) == SECRET
    await store.close()


async def test_a_schema_of_the_future_is_left_alone(tmp_path: Path) -> None:
    store = await Store.create(tmp_path, PASSPHRASE)
    latest = scripts()[-1][0]
    await store.run(lambda c: c.execute(f"PRAGMA user_version = {latest + 1}"))
    await store.close()
    with pytest.raises(StoreTooNew):
        await Store.open(tmp_path, PASSPHRASE)


async def test_a_migration_applies_once_and_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = scripts()
    latest = known[-1][0]
    store = await Store.create(tmp_path, PASSPHRASE)
    await store.run(_put)
    await store.close()
    broken = (latest + 1, "CREATE TABLE fresh (id INTEGER) STRICT;\nINSERT INTO nowhere VALUES (1);\n")
    monkeypatch.setattr(migrations, "scripts", lambda: [*known, broken])
    with pytest.raises(Exception, match="nowhere"):
        await Store.open(tmp_path, PASSPHRASE)
    whole = (latest + 1, "CREATE TABLE fresh (id INTEGER) STRICT;\nINSERT INTO fresh VALUES (1);\n")
    monkeypatch.setattr(migrations, "scripts", lambda: [*known, whole])
    for _ in range(2):
        store = await Store.open(tmp_path, PASSPHRASE)
        assert await store.run(lambda c: c.execute("SELECT * FROM fresh").fetchall()) == [(1,)]
        assert await store.run(_get) == SECRET
        await store.close()


def test_scripts_are_split_into_statements() -> None:
    sql = "CREATE TABLE a (x);\nCREATE TRIGGER t AFTER INSERT ON a BEGIN\n DELETE FROM a; SELECT 1;\nEND;\n"
    assert [statement.split()[1] for statement in split_statements(sql)] == ["TABLE", "TRIGGER"]
    with pytest.raises(ValueError, match="inside a statement"):
        split_statements("CREATE TABLE a (x)")


async def test_deleted_text_leaves_nothing_in_the_search_index(tmp_path: Path) -> None:
    store = await Store.create(tmp_path, PASSPHRASE)

    def fill(c: Connection) -> None:
        c.execute("INSERT INTO contacts (identity, created_at) VALUES (x'00', 0)")
        for number, text in enumerate(["geheimnisvoll", "anderes"]):
            message = messages.NewMessage(
                contact=ContactId(1),
                direction=Direction.OUTGOING,
                message_id=bytes((number,)) * 16,
                kind=MessageKind.TEXT,
                text=text,
                sent_at_ms=0,
                created_at_ms=0,
                state=MessageState.SENDING,
            )
            messages.add(c, message)
        c.execute("DELETE FROM messages WHERE text = 'geheimnisvoll'")

    await store.run(fill)

    def index(c: Connection) -> bytes:
        return b"".join(row[0] for row in c.execute("SELECT block FROM messages_fts_data").fetchall())

    content = await store.run(index)
    assert b"geh" not in content
    assert b"and" in content
    await store.close()
