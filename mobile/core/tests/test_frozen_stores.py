"""Stores that earlier versions wrote, byte for byte: each opens, keeps its history, and is of today's schema after that."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from handshaker_core.model import Contact, Direction, MessageState
from handshaker_core.store import (
    Connection,
    Store,
    accounts,
    contacts,
    messages,
    migrations,
    requests,
    twins,
    vault,
    vault_file,
)

FROZEN = sorted((Path(__file__).parent / "frozen").glob("schema-*"))


@pytest.fixture
def full_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frozen stores were made with the real cost of a passphrase."""
    monkeypatch.setattr(vault, "ARGON2ID_MEMORY_KIB", 64 * 1024)
    monkeypatch.setattr(vault, "ARGON2ID_ITERATIONS", 3)


def test_the_first_schema_is_among_them() -> None:
    assert [path.name for path in FROZEN][:1] == ["schema-0001"]


@pytest.mark.parametrize("frozen", FROZEN, ids=lambda path: path.name)
async def test_a_frozen_store_opens_and_keeps_everything(frozen: Path, tmp_path: Path, full_cost: None) -> None:
    home = tmp_path / "home"
    shutil.copytree(frozen, home)
    expected: dict[str, Any] = json.loads((home / "expected.json").read_text("utf-8"))
    for _ in range(2):  # the second time it is of today's schema already
        store = await Store.open(home, expected["passphrase"])
        await store.run(lambda c: check(c, expected))
        await store.close()


def check(c: Connection, expected: dict[str, Any]) -> None:
    assert c.execute("PRAGMA user_version").fetchone() == (migrations.scripts()[-1][0],)
    assert c.execute("PRAGMA foreign_key_check").fetchall() == []
    assert c.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    row = accounts.get(c)
    assert row is not None
    assert (row.display_name, row.username) == ("Anna", "anna.4711")
    known = {contact.username: contact for contact in contacts.everybody(c)}
    friend = known[expected["contact"]["username"]]
    assert friend.verified is expected["contact"]["verified"]
    assert contacts.identity(c, friend.id).raw.hex() == expected["contact"]["identity"]
    check_history(c, friend, expected)
    # A request that nobody answered before the wire changed has come to nothing, and is still seen.
    assert [r.greeting for r in requests.listed(c, only_pending=False) if r.name != friend.name] == [
        expected["request"]
    ]


def check_history(c: Connection, friend: Contact, expected: dict[str, Any]) -> None:
    history = messages.history(c, friend.id, None, 1000, None)
    for direction, name in ((Direction.OUTGOING, "outgoing"), (Direction.INCOMING, "incoming")):
        assert [m.text for m in history if m.direction is direction] == expected[name]
    # What was on its way when the wire changed cannot be sent any more; it says so and is not lost.
    assert [m.text for m in history if m.state in (MessageState.SENDING, MessageState.FAILED)] == [expected["waiting"]]
    for search, texts in expected["search"].items():
        assert [m.text for m in messages.history(c, friend.id, search, 1000, None)] == texts


class Died(BaseException):
    """Stands for the end of the process in the middle of an upgrade."""


UPGRADE_STEPS = ["write_atomically", "_overwrite", "replace", "level"]


@pytest.mark.parametrize("step", UPGRADE_STEPS)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_an_upgrade_of_the_vault_that_was_cut_short_goes_on(
    tmp_path: Path, full_cost: None, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    """From the first vault to the second: the process dies before or after every change that it makes to files."""
    home = tmp_path / "home"
    shutil.copytree(FROZEN[0], home)
    expected: dict[str, Any] = json.loads((home / "expected.json").read_text("utf-8"))
    where = {"write_atomically": vault_file, "_overwrite": vault_file, "replace": Path, "level": twins}[step]
    original = getattr(where, step)

    def die(*arguments: Any) -> None:
        if after:
            original(*arguments)
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(where, step, die)
        with pytest.raises(Died):
            await Store.open(home, expected["passphrase"])
    store = await Store.open(home, expected["passphrase"])
    await store.run(lambda c: check(c, expected))
    await store.close()
    left = {path.name for path in home.iterdir()}
    assert left == {"expected.json", "lock", "vault", *twins.NAMES}
