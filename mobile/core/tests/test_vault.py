"""The vault: what opens it, what does not, and what damage does."""

import os
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from handshaker_core.store import vault as module
from handshaker_core.store.errors import StoreCorrupt, StoreTooNew, WrongPassphrase
from handshaker_core.store.vault import SLOTS, VAULT_SIZE, DatabaseKey, Vault
from hypothesis import given, settings
from hypothesis import strategies as st

KEY = DatabaseKey(bytes(range(32)))
PASSPHRASE = "correct horse"


@pytest.fixture(scope="module")
def vault() -> Vault:
    return Vault.create(KEY, PASSPHRASE)


def test_the_passphrase_opens_the_key_after_a_round_trip(vault: Vault, tmp_path: Path) -> None:
    vault.write(tmp_path / "vault")
    assert Vault.read(tmp_path / "vault").open(PASSPHRASE) == KEY


@pytest.mark.parametrize("wrong", ["", "Correct horse", "correct horse ", "correct horsf", "\udcff"])
def test_another_passphrase_is_wrong(vault: Vault, wrong: str) -> None:
    with pytest.raises(WrongPassphrase, match="Nothing was changed"):
        vault.open(wrong)


def test_the_same_characters_typed_differently_are_the_same_passphrase() -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    assert Vault.create(KEY, composed).open(decomposed) == KEY


def test_the_file_does_not_tell_which_slot_is_used() -> None:
    used = set()
    for _ in range(24):
        vault = Vault.create(KEY, PASSPHRASE)
        assert len(vault.encode()) == VAULT_SIZE
        assert len({len(slot) for slot in vault.slots}) == 1
        assert len(set(vault.slots)) == SLOTS
        used.add(vault._find(PASSPHRASE)[0])
        if len(used) > 1:
            return
    pytest.fail("the passphrase always stands in the same slot")


def test_every_slot_is_tried_whatever_the_first_one_says(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[bytes] = []
    original = module._unwrap
    monkeypatch.setattr(module, "_unwrap", lambda key, salt, slot: tried.append(slot) or original(key, salt, slot))
    vault.open(PASSPHRASE)
    assert tried == list(vault.slots)
    tried.clear()
    with pytest.raises(WrongPassphrase):
        vault.open("wrong")
    assert tried == list(vault.slots)


def test_a_changed_passphrase_replaces_the_old_one_and_no_other_slot(vault: Vault) -> None:
    changed = vault.with_changed_passphrase(PASSPHRASE, "another")
    assert changed.open("another") == KEY
    with pytest.raises(WrongPassphrase):
        changed.open(PASSPHRASE)
    assert sum(before == after for before, after in zip(vault.slots, changed.slots, strict=True)) == SLOTS - 1
    with pytest.raises(WrongPassphrase):
        vault.with_changed_passphrase("wrong", "another")
    assert vault.open(PASSPHRASE) == KEY


@settings(max_examples=200, deadline=None)
@given(position=st.integers(0, VAULT_SIZE - 1), bit=st.integers(0, 7))
def test_one_flipped_bit_anywhere_is_damage_not_a_wrong_passphrase(vault: Vault, position: int, bit: int) -> None:
    data = bytearray(vault.encode())
    data[position] ^= 1 << bit
    with pytest.raises((StoreCorrupt, StoreTooNew)):
        Vault.decode(bytes(data))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=VAULT_SIZE + 50) | st.integers(0, VAULT_SIZE - 1))
def test_other_files_and_cut_files_are_damage(vault: Vault, data: bytes | int) -> None:
    with pytest.raises(StoreCorrupt):
        Vault.decode(vault.encode()[:data] if isinstance(data, int) else data)


def test_a_later_version_says_so(vault: Vault) -> None:
    data = bytearray(vault.encode())
    data[8] = 2
    with pytest.raises(StoreTooNew, match="newer version"):
        Vault.decode(bytes(data))


def test_a_write_that_fails_leaves_the_old_file(vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "vault"
    vault.write(path)
    before = path.read_bytes()

    def fail(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        vault.with_changed_passphrase(PASSPHRASE, "another").write(path)
    assert path.read_bytes() == before
    monkeypatch.undo()
    vault.with_changed_passphrase(PASSPHRASE, "another").write(path)
    assert Vault.read(path).open("another") == KEY


def test_a_guess_is_expensive(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Path(module.__file__ or "").read_text("utf-8")
    assert "ARGON2ID_MEMORY_KIB = 64 * 1024\nARGON2ID_ITERATIONS = 3\n" in source
    asked: dict[str, int] = {}

    def spy(**parameters: Any) -> Argon2id:
        asked.update(parameters)
        return Argon2id(**parameters)

    monkeypatch.setattr(module, "Argon2id", spy)
    Vault.create(KEY, PASSPHRASE)
    assert (asked["memory_cost"], asked["iterations"], asked["length"]) == (
        module.ARGON2ID_MEMORY_KIB,
        module.ARGON2ID_ITERATIONS,
        32,
    )


def test_nothing_shows_the_key(vault: Vault) -> None:
    assert KEY.raw not in vault.encode()
    assert KEY.raw.hex() not in repr(vault) + repr(KEY)
