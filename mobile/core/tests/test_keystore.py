"""The keystore, through the real `keyring`: with it the passphrase alone opens nothing, and losing it locks nobody out."""

import json
import shutil
from pathlib import Path

import keyring
import pytest
from handshaker_core.protocol.root import StoreRecoveryKey
from handshaker_core.store import (
    KeystoreMissing,
    KeystoreUnavailable,
    NoRecoveryPhrase,
    Store,
    WrongPassphrase,
    panic,
)
from keyring.backends import fail
from keystores import FileKeyring, Forgetful, Unprotected

PASSPHRASE = "correct horse"
RECOVERY = StoreRecoveryKey(bytes(range(32)))


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a keystore that is in use."""
    path = tmp_path / "keyring.json"
    monkeypatch.setenv("KEYRING_TEST_FILE", str(path))
    before = keyring.get_keyring()
    keyring.set_keyring(FileKeyring())
    yield path
    keyring.set_keyring(before)


@pytest.fixture
async def home(tmp_path: Path, kept: Path) -> Path:
    """A closed home that needs the keystore."""
    store = await Store.create(tmp_path / "home", PASSPHRASE)
    await store.set_recovery(RECOVERY)
    assert not store.uses_keystore
    await store.keystore_on()
    assert store.uses_keystore
    await store.close()
    return tmp_path / "home"


def forge(kept: Path, name: str) -> None:
    kept.write_text(json.dumps({name: "00" * 32}))


def contents(home: Path) -> bytes:
    return b"".join(path.read_bytes() for path in home.iterdir())


def lose(kept: Path) -> None:
    kept.unlink()


def secrets_in(kept: Path) -> dict[str, str]:
    return json.loads(kept.read_text()) if kept.exists() else {}


async def opens(home: Path, passphrase: str = PASSPHRASE) -> bool:
    store = await Store.open(home, passphrase)
    uses = store.uses_keystore
    await store.close()
    return uses


async def test_both_are_needed(home: Path, kept: Path) -> None:
    assert await opens(home)
    with pytest.raises(WrongPassphrase):
        await Store.open(home, "wrong")
    (name,) = secrets_in(kept)
    forge(kept, name)
    with pytest.raises(WrongPassphrase):
        await Store.open(home, PASSPHRASE)


async def test_the_keystore_alone_or_a_copy_of_the_directory_opens_nothing(home: Path, kept: Path) -> None:
    content = secrets_in(kept)
    assert len(content) == 1
    assert all(len(bytes.fromhex(secret)) == 32 for secret in content.values())
    assert not any(bytes.fromhex(secret) in contents(home) for secret in content.values())


async def test_a_lost_keystore_locks_nobody_out(home: Path, kept: Path) -> None:
    lose(kept)
    with pytest.raises(KeystoreMissing, match="recovery phrase"):
        await Store.open(home, PASSPHRASE)
    store = await Store.recover(home, RECOVERY, "new")
    assert not store.uses_keystore
    await store.close()
    assert not await opens(home, "new")


async def test_no_keystore_is_said_and_nothing_weaker_is_done(home: Path) -> None:
    for backend in (fail.Keyring(), Unprotected()):
        keyring.set_keyring(backend)
        with pytest.raises(KeystoreUnavailable, match="keystore"):
            await Store.open(home, PASSPHRASE)


@pytest.mark.parametrize("backend", [fail.Keyring, Unprotected, Forgetful])
async def test_a_keystore_that_is_none_cannot_be_switched_on(tmp_path: Path, kept: Path, backend: type) -> None:
    store = await Store.create(tmp_path / "plain", PASSPHRASE)
    await store.set_recovery(RECOVERY)
    keyring.set_keyring(backend())
    before = (tmp_path / "plain" / "vault").read_bytes()
    with pytest.raises(KeystoreUnavailable, match="nothing was changed"):
        await store.keystore_on()
    assert not store.uses_keystore
    await store.close()
    assert (tmp_path / "plain" / "vault").read_bytes() == before
    assert not await opens(tmp_path / "plain")


async def test_without_a_recovery_phrase_it_is_refused(tmp_path: Path, kept: Path) -> None:
    store = await Store.create(tmp_path / "linked", PASSPHRASE)
    with pytest.raises(NoRecoveryPhrase):
        await store.keystore_on()
    await store.close()
    assert secrets_in(kept) == {}


async def test_switched_off_the_passphrase_is_enough_and_the_secret_is_gone(home: Path, kept: Path) -> None:
    store = await Store.open(home, PASSPHRASE)
    await store.keystore_off()
    await store.close()
    assert secrets_in(kept) == {}
    assert not await opens(home)


async def test_it_stays_through_a_change_of_the_passphrase_and_with_a_decoy(home: Path, tmp_path: Path) -> None:
    other = await Store.create(tmp_path / "other", "duress")
    await other.close()
    store = await Store.open(home, PASSPHRASE)
    await store.set_duress(tmp_path / "other", "duress")
    await store.change_passphrase(PASSPHRASE, "changed")
    await store.close()
    shutil.copytree(home, tmp_path / "copy")
    assert await opens(home, "changed")
    assert await opens(tmp_path / "copy", "duress")
    assert await opens(tmp_path / "copy", "duress")
    with pytest.raises(WrongPassphrase):
        await Store.open(tmp_path / "copy", "changed")


async def test_panic_takes_the_secret_out(home: Path, kept: Path) -> None:
    assert len(secrets_in(kept)) == 1
    panic.destroy(home)
    assert secrets_in(kept) == {}
