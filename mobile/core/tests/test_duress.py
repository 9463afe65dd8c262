"""The duress passphrase: what it opens, what it destroys, and that nothing tells it from any other opening."""

import os
import shutil
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from handshaker_core.protocol.root import StoreRecoveryKey
from handshaker_core.store import PassphraseInUse, PhraseDoesNotOpen, Store, WrongPassphrase, twins, unlocking, vault
from handshaker_core.store import settings as stored
from handshaker_core.store.connection import Connection
from handshaker_core.store.twins import padded_size
from hypothesis import given
from hypothesis import strategies as st

REAL, DURESS = "correct horse", "battery staple"
RECOVERY, DECOY_RECOVERY = StoreRecoveryKey(bytes(range(32))), StoreRecoveryKey(bytes(range(32, 64)))
OPENINGS = 5
BOUND_SECONDS = 0.06
"""How far the two ways to open may be from each other, in processor time; opening takes about 0.35 s."""


def note(text: str) -> Callable[[Connection], None]:
    return lambda c: stored.put(c, "note", text)


def get(c: Connection) -> str | None:
    return stored.get(c, "note")


async def an_armed_home(folder: Path, *, much: int = 0) -> Path:
    """A home with a decoy, closed; `much` bytes more in the real one."""
    home, other = folder / "home", folder / "other"
    real, decoy = await Store.create(home, REAL), await Store.create(other, DURESS)
    await real.run(note("real"))
    await real.run(lambda c: stored.put(c, "much", "x" * much))
    await real.set_recovery(RECOVERY)
    await decoy.run(note("harmless"))
    await decoy.set_recovery(DECOY_RECOVERY)
    await decoy.close()
    await real.set_duress(other, DURESS)
    await real.close()
    return home


async def opened(home: Path, passphrase: str) -> str | None:
    store = await Store.open(home, passphrase)
    try:
        return await store.run(get)
    finally:
        await store.close()


def listing(home: Path) -> list[tuple[str, int, int]]:
    """What `ls -la` shows: names, sizes, and which files share a time."""
    found = sorted(home.iterdir())
    times = sorted({path.stat().st_mtime_ns for path in found if path.name in twins.NAMES})
    return [
        (path.name, path.stat().st_size, times.index(path.stat().st_mtime_ns) if path.name in twins.NAMES else 0)
        for path in found
    ]


async def test_the_real_home_is_opened_until_the_decoy_is(tmp_path: Path) -> None:
    home = await an_armed_home(tmp_path)
    for _ in range(3):
        assert await opened(home, REAL) == "real"
    assert await opened(home, DURESS) == "harmless"
    for passphrase in (REAL, "wrong"):
        with pytest.raises(WrongPassphrase):
            await Store.open(home, passphrase)
    with pytest.raises(PhraseDoesNotOpen):
        await Store.recover(home, RECOVERY, "new")
    assert await opened(home, DURESS) == "harmless"
    store = await Store.recover(home, DECOY_RECOVERY, "new")
    assert await store.run(get) == "harmless"
    await store.close()


async def test_no_key_of_the_real_home_is_left_anywhere(tmp_path: Path) -> None:
    home = await an_armed_home(tmp_path)
    before = (home / "vault").read_bytes()
    real = unlocking.open_home(home, REAL, keystore=None)  # type: ignore[arg-type]  # none is in use
    keys = [real.unlocked.record.database.raw, real.unlocked.stretched.raw]
    real.database.close()
    real.lock.release()
    wraps = (home / "vault").read_bytes()
    await opened(home, DURESS)
    after = (home / "vault").read_bytes()
    fixed = vault._HEADER_SIZE  # magic, version, keystore id and salt stay
    for old in (before, wraps):
        pieces = [old[start : start + 16] for start in range(fixed, vault.COPY_SIZE - 16, 16)]
        assert not any(piece in after for piece in pieces)
    assert not any(key in after for key in keys)


async def test_the_directory_looks_the_same_with_and_without_and_before_and_after(tmp_path: Path) -> None:
    plain = await Store.create(tmp_path / "plain", REAL)
    await plain.close()
    armed = await an_armed_home(tmp_path)
    never = listing(tmp_path / "plain")
    assert [name for name, _, _ in never] == ["lock", "messages-a.db", "messages-b.db", "vault"]
    assert listing(armed) == never
    await opened(armed, REAL)
    assert listing(armed) == never
    await opened(armed, DURESS)
    assert listing(armed) == never


@pytest.mark.parametrize("passphrase", [REAL, DURESS])
async def test_a_grown_home_and_its_small_decoy_have_the_same_size(tmp_path: Path, passphrase: str) -> None:
    home = await an_armed_home(tmp_path, much=3_000_000)
    before = listing(home)
    sizes = {size for name, size, _ in before if name in twins.NAMES}
    assert len(sizes) == 1
    assert sizes.pop() >= 3_000_000
    await opened(home, passphrase)
    assert listing(home) == before


async def test_what_a_dead_process_left_goes_whichever_is_opened(tmp_path: Path) -> None:
    home = await an_armed_home(tmp_path)
    for name in twins.NAMES:
        (home / f"{name}-wal").write_bytes(os.urandom(100))
    copy = tmp_path / "copy"
    shutil.copytree(home, copy)
    for folder, passphrase in ((home, REAL), (copy, DURESS)):
        await opened(folder, passphrase)
        assert [path.name for path in sorted(folder.iterdir())] == ["lock", "messages-a.db", "messages-b.db", "vault"]


class Watched:
    """The system calls that change files, in order, without the names of the databases: either may be either."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
        self.calls: list[tuple[str, Any]] = []
        self._home = home
        for name in ("write", "fsync", "utime", "replace", "unlink", "open"):
            monkeypatch.setattr(os, name, self._wrap(name, getattr(os, name)))

    def _wrap(self, name: str, original: Any) -> Any:
        def call(first: Any, *arguments: Any, **named: Any) -> Any:
            what: Any = None
            if isinstance(first, str | Path) and self._home in Path(first).parents:
                what = Path(first).name.replace("-a.", "-?.").replace("-b.", "-?.")
            elif name in ("write", "fsync"):
                what = len(arguments[0]) if arguments else 0
            else:
                return original(first, *arguments, **named)
            self.calls.append((name, what))
            return original(first, *arguments, **named)

        return call


async def test_the_same_writes_in_the_same_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = await an_armed_home(tmp_path)
    seen = {}
    for passphrase in (REAL, DURESS):
        with monkeypatch.context() as patch:
            watched = Watched(patch, home)
            await opened(home, passphrase)
        seen[passphrase] = watched.calls
    assert seen[REAL] == seen[DURESS]
    assert seen[REAL].count(("write", vault.COPY_SIZE)) == vault.COPIES
    assert [name for name, _ in seen[REAL]].count("fsync") >= vault.COPIES


async def seconds_to_open(home: Path, passphrase: str, more: Callable[[], None] = lambda: None) -> float:
    began = time.process_time()  # of all threads; other programs on the machine do not count
    store = await Store.open(home, passphrase)
    more()
    took = time.process_time() - began
    await store.close()
    return took


async def test_the_same_time_within_the_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault, "ARGON2ID_MEMORY_KIB", 64 * 1024)
    monkeypatch.setattr(vault, "ARGON2ID_ITERATIONS", 3)
    home = await an_armed_home(tmp_path, much=500_000)

    def an_attempt_more() -> None:
        vault.stretch(REAL, bytes(16))  # what trying the passphrases one after the other would cost

    took: dict[str, list[float]] = {"real": [], "duress": [], "control": []}
    for number in range(OPENINGS):
        for way, passphrase, more in (
            ("real", REAL, lambda: None),
            ("duress", DURESS, lambda: None),
            ("control", DURESS, an_attempt_more),
        ):
            copy = tmp_path / f"{way}-{number}"
            shutil.copytree(home, copy)
            took[way].append(await seconds_to_open(copy, passphrase, more))
            shutil.rmtree(copy)
    # Noise only ever adds time: the fastest of each says what the work itself takes.
    fastest = {way: min(times) for way, times in took.items()}
    medians = {way: statistics.median(times) for way, times in took.items()}
    assert abs(fastest["real"] - fastest["duress"]) < BOUND_SECONDS, medians
    assert fastest["control"] - fastest["real"] > BOUND_SECONDS, medians


async def test_the_two_passphrases_must_differ_and_nothing_is_touched(tmp_path: Path) -> None:
    home, other = tmp_path / "home", tmp_path / "other"
    store = await Store.create(home, REAL)
    await (await Store.create(other, REAL)).close()
    with pytest.raises(PassphraseInUse):
        await store.set_duress(other, REAL)
    with pytest.raises(WrongPassphrase):
        await store.set_duress(other, "wrong")
    await store.close()
    assert await opened(other, REAL) is None
    assert await opened(home, REAL) is None


async def test_a_decoy_can_be_given_up_and_replaced(tmp_path: Path) -> None:
    home = await an_armed_home(tmp_path)
    store = await Store.open(home, REAL)
    await store.clear_duress()
    await store.clear_duress()
    await store.close()
    with pytest.raises(WrongPassphrase):
        await Store.open(home, DURESS)
    assert await opened(home, REAL) == "real"
    other = await Store.create(tmp_path / "third", "third")
    await other.run(note("third"))
    await other.close()
    store = await Store.open(home, REAL)
    await store.set_duress(tmp_path / "third", "third")
    await store.close()
    assert not (tmp_path / "third" / "vault").exists()
    assert await opened(home, "third") == "third"


async def test_changing_the_passphrase_keeps_the_decoy(tmp_path: Path) -> None:
    home = await an_armed_home(tmp_path)
    store = await Store.open(home, REAL)
    with pytest.raises(PassphraseInUse):
        await store.change_passphrase(REAL, DURESS)
    await store.change_passphrase(REAL, "changed")
    await store.close()
    assert await opened(home, "changed") == "real"
    assert await opened(home, DURESS) == "harmless"


@given(st.integers(0, 2**40))
def test_padded_sizes_are_few_and_near(size: int) -> None:
    padded = padded_size(size)
    assert padded >= max(size, twins.SMALLEST)
    assert padded <= max(size * 1.125 + 1, twins.SMALLEST)
    assert padded_size(padded) == padded
