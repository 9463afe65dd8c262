"""The vault: what opens it, what does not, what damage does, and what its bytes tell."""

import os
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from handshaker_core.protocol.root import StoreRecoveryKey
from handshaker_core.store import vault as module
from handshaker_core.store import vault_file
from handshaker_core.store.errors import PassphraseInUse, StoreCorrupt, StoreTooNew, WrongPassphrase
from handshaker_core.store.vault import COPY_SIZE, SLOTS, VAULT_SIZE, DatabaseKey, KeystoreSecret, Unlocked, Vault
from hypothesis import given, settings
from hypothesis import strategies as st

KEY = DatabaseKey(bytes(range(32)))
DECOY_KEY = DatabaseKey(bytes(range(32, 64)))
RECOVERY = StoreRecoveryKey(bytes(range(64, 96)))
DECOY_RECOVERY = StoreRecoveryKey(bytes(range(96, 128)))
SECRET = KeystoreSecret(bytes(range(128, 160)))
PASSPHRASE = "correct horse"
DURESS = "battery staple"
USED = module._HEADER_SIZE + SLOTS * module._SLOT_SIZE + 32


@pytest.fixture(scope="module")
def unlocked() -> Unlocked:
    return module.create(PASSPHRASE, KEY, 1).with_recovery(RECOVERY)


@pytest.fixture(scope="module")
def vault(unlocked: Unlocked) -> Vault:
    return unlocked.vault()


def written(vault: Vault) -> bytes:
    return vault.encode() + vault.encode()


def test_the_passphrase_opens_the_key_after_a_round_trip(vault: Vault, tmp_path: Path) -> None:
    vault_file.create(tmp_path / "vault", vault)
    opened = Vault.read((tmp_path / "vault").read_bytes()).open(PASSPHRASE)
    assert (opened.record.database, opened.record.file, opened.record.recovery) == (KEY, 1, RECOVERY)


@pytest.mark.parametrize("wrong", ["", "Correct horse", "correct horse ", "correct horsf", "\udcff"])
def test_another_passphrase_is_wrong(vault: Vault, wrong: str) -> None:
    with pytest.raises(WrongPassphrase, match="Nothing was changed"):
        vault.open(wrong)


def test_the_same_characters_typed_differently_are_the_same_passphrase() -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    assert module.create(composed, KEY, 0).vault().open(decomposed).record.database == KEY


def test_the_recovery_phrase_opens_it_and_sets_a_new_passphrase(vault: Vault) -> None:
    recovered = vault.recover(RECOVERY, "another")
    assert recovered.record.database == KEY
    again = recovered.vault()
    assert again.open("another").record == recovered.record
    with pytest.raises(WrongPassphrase):
        again.open(PASSPHRASE)
    with pytest.raises(WrongPassphrase):
        vault.recover(DECOY_RECOVERY, "another")


def test_with_a_keystore_the_passphrase_alone_opens_nothing(unlocked: Unlocked) -> None:
    kept = unlocked.with_secret(SECRET).vault()
    assert kept.uses_keystore
    assert kept.open(PASSPHRASE, SECRET).record.database == KEY
    for secret in (None, KeystoreSecret(bytes(32))):
        with pytest.raises(WrongPassphrase):
            kept.open(PASSPHRASE, secret)
    # The phrase needs no keystore, and what it makes of the vault needs none either.
    recovered = kept.recover(RECOVERY, PASSPHRASE).vault()
    assert not recovered.uses_keystore
    assert recovered.open(PASSPHRASE).record.database == KEY


def test_opening_the_decoy_leaves_no_way_to_the_home(unlocked: Unlocked) -> None:
    both = unlocked.with_decoy(DURESS, DECOY_KEY, DECOY_RECOVERY).vault()
    assert both.open(PASSPHRASE).record.database == KEY
    decoy = both.open(DURESS)
    assert (decoy.record.database, decoy.record.file, decoy.record.decoy) == (DECOY_KEY, 0, None)
    after = decoy.vault()
    with pytest.raises(WrongPassphrase):
        after.open(PASSPHRASE)
    with pytest.raises(WrongPassphrase):
        after.recover(RECOVERY, "x")
    assert after.open(DURESS).record == decoy.record
    assert after.recover(DECOY_RECOVERY, "x").record.database == DECOY_KEY
    # Opened by its own passphrase, the home keeps the decoy at every writing.
    assert both.open(PASSPHRASE).vault().open(DURESS).record.database == DECOY_KEY


def test_a_keystore_protects_the_decoy_as_well(unlocked: Unlocked) -> None:
    both = unlocked.with_decoy(DURESS, DECOY_KEY, None).with_secret(SECRET).vault()
    assert both.open(DURESS, SECRET).record.database == DECOY_KEY
    with pytest.raises(WrongPassphrase):
        both.open(DURESS)


def test_the_two_passphrases_differ(unlocked: Unlocked) -> None:
    with pytest.raises(PassphraseInUse):
        unlocked.with_decoy(PASSPHRASE, DECOY_KEY, None)
    with pytest.raises(PassphraseInUse):
        unlocked.with_decoy(DURESS, DECOY_KEY, None).with_passphrase(DURESS)


def test_every_writing_changes_every_slot_and_tells_nothing(unlocked: Unlocked) -> None:
    """With a decoy or without, by the passphrase or by the duress passphrase: no byte range of the slots stays."""
    plain, armed = unlocked, unlocked.with_decoy(DURESS, DECOY_KEY, None)
    for before, after in ((plain, plain), (armed, armed), (armed, armed.vault().open(DURESS))):
        old, new = before.vault(), after.vault()
        assert len(old.encode()) == len(new.encode()) == COPY_SIZE
        assert not set(old.slots) & set(new.slots)
        assert len({len(slot) for slot in old.slots + new.slots}) == 1
        assert module._header(old) == module._header(new)


def test_used_slots_stand_anywhere(unlocked: Unlocked) -> None:
    key = module._passphrase_key(unlocked.stretched, None)
    places = set()
    for _ in range(200):
        vault = unlocked.vault()
        header = module._header(vault)
        places.add([module._unwrap(key, header, slot) is not None for slot in vault.slots].index(True))
    assert places == set(range(SLOTS))


def test_every_slot_is_tried_whatever_the_first_one_says(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[bytes] = []
    original = module._unwrap
    monkeypatch.setattr(module, "_unwrap", lambda key, header, slot: tried.append(slot) or original(key, header, slot))
    vault.open(PASSPHRASE)
    assert tried == list(vault.slots)
    tried.clear()
    with pytest.raises(WrongPassphrase):
        vault.open("wrong")
    assert tried == list(vault.slots)


def test_a_changed_passphrase_replaces_the_old_one(unlocked: Unlocked) -> None:
    changed = unlocked.with_passphrase("another").vault()
    assert changed.open("another").record.database == KEY
    with pytest.raises(WrongPassphrase):
        changed.open(PASSPHRASE)


def test_every_byte_flipped_in_one_copy_is_mended_from_the_other(vault: Vault, unlocked: Unlocked) -> None:
    data = written(vault)
    key, secret = module._passphrase_key(unlocked.stretched, None), unlocked.record
    for position in range(VAULT_SIZE):
        damaged = bytearray(data)
        damaged[position] ^= 0xFF
        if position % COPY_SIZE == 8:
            continue  # the version: of the future, it is refused instead (below)
        assert Vault.read(bytes(damaged))._find(key) == secret


@settings(max_examples=200, deadline=None)
@given(position=st.integers(0, USED - 1), bit=st.integers(0, 7))
def test_one_flipped_bit_in_both_copies_is_damage_not_a_wrong_passphrase(vault: Vault, position: int, bit: int) -> None:
    copy = bytearray(vault.encode())
    copy[position] ^= 1 << bit
    with pytest.raises((StoreCorrupt, StoreTooNew)):
        Vault.read(bytes(copy) * 2)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=VAULT_SIZE + 50) | st.integers(0, USED - 1))
def test_other_files_and_cut_files_are_damage(vault: Vault, data: bytes | int) -> None:
    with pytest.raises(StoreCorrupt):
        Vault.read(vault.encode()[:data] if isinstance(data, int) else data)


def test_a_file_cut_in_its_second_copy_still_opens(vault: Vault) -> None:
    assert Vault.read(written(vault)[: COPY_SIZE + 7]).open(PASSPHRASE).record.database == KEY


def test_a_later_version_says_so(vault: Vault) -> None:
    data = bytearray(written(vault))
    data[8] = data[COPY_SIZE + 8] = module.VERSION + 1
    with pytest.raises(StoreTooNew, match="newer version"):
        Vault.read(bytes(data))


class FailingDisk:
    """Fails one system call of a writing, after half of what was to be written came to the disk."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, failing: int) -> None:
        self.left = failing
        for name in ("write", "fsync", "lseek"):
            monkeypatch.setattr(os, name, self.wrap(getattr(os, name)))

    def wrap(self, original: Any) -> Any:
        def call(*arguments: Any) -> Any:
            self.left -= 1
            if self.left >= 0:
                return original(*arguments)
            if original.__name__ == "write":
                original(arguments[0], arguments[1][: len(arguments[1]) // 2])
            raise OSError(28, "No space left on device")

        return call


@pytest.mark.parametrize("failing", range(6), ids=["seek 1", "write 1", "sync 1", "seek 2", "write 2", "sync 2"])
def test_a_write_that_fails_anywhere_leaves_a_vault_that_opens(
    unlocked: Unlocked, tmp_path: Path, failing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, changed = tmp_path / "vault", unlocked.with_passphrase("another")
    vault_file.create(path, unlocked.vault())
    with monkeypatch.context() as patch:
        FailingDisk(patch, failing)
        with pytest.raises(OSError, match="No space"):
            vault_file.update(path, changed.vault())
    left = Vault.read(path.read_bytes())
    keys = [module._passphrase_key(which.stretched, None) for which in (unlocked, changed)]
    header = module._header(left)
    opened = [key for key in keys if any(module._unwrap(key, header, slot) for slot in left.slots)]
    assert len(opened) == 1
    with monkeypatch.context() as patch:
        FailingDisk(patch, 6)  # every call of a writing is among those above
        vault_file.update(path, changed.vault())


def test_destroying_leaves_nothing_of_either_copy(vault: Vault, tmp_path: Path) -> None:
    path = tmp_path / "vault"
    vault_file.create(path, vault)
    before = path.read_bytes()
    vault_file.destroy(path)
    after = path.read_bytes()
    assert len(after) == len(before)
    assert not [start for start in range(0, len(before) - 16, 16) if before[start : start + 16] in after]
    with pytest.raises(StoreCorrupt):
        Vault.read(after)


def test_a_guess_is_expensive(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Path(module.__file__ or "").read_text("utf-8")
    assert "ARGON2ID_MEMORY_KIB = 64 * 1024\nARGON2ID_ITERATIONS = 3\n" in source
    asked: dict[str, int] = {}

    def spy(**parameters: Any) -> Argon2id:
        asked.update(parameters)
        return Argon2id(**parameters)

    monkeypatch.setattr(module, "Argon2id", spy)
    module.create(PASSPHRASE, KEY, 0)
    assert (asked["memory_cost"], asked["iterations"], asked["length"]) == (
        module.ARGON2ID_MEMORY_KIB,
        module.ARGON2ID_ITERATIONS,
        32,
    )


def test_nothing_shows_a_key(vault: Vault, unlocked: Unlocked) -> None:
    armed = unlocked.with_decoy(DURESS, DECOY_KEY, DECOY_RECOVERY).with_secret(SECRET)
    shown = repr(vault) + repr(armed) + repr(KEY)
    for key in (KEY, DECOY_KEY, RECOVERY, SECRET, armed.stretched):
        assert key.raw not in written(armed.vault())
        assert key.raw.hex() not in shown
        assert repr(key.raw) not in repr(armed.record)
