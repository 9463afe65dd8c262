"""A store of the first schema: its device gets a key of its own, history stays, and people connect anew to write on."""

import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from handshaker_core.client import prekeys, sending, setup
from handshaker_core.client.errors import NotConnected, ReconnectNeeded
from handshaker_core.client.settings import Settings
from handshaker_core.client.unit import Unit
from handshaker_core.model import ContactId, ContactState, MessageState
from handshaker_core.protocol.randomness import system_randomness
from handshaker_core.store import Connection, Store, accounts, contacts, devices, messages, requests, sessions, vault
from handshaker_core.store import prekeys as stored_prekeys

FROZEN = Path(__file__).parent / "frozen" / "schema-0001"
NOW = 1_800_000_000.0


@pytest_asyncio.fixture
async def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    # The frozen store was made with the real cost of a passphrase.
    monkeypatch.setattr(vault, "ARGON2ID_MEMORY_KIB", 64 * 1024)
    monkeypatch.setattr(vault, "ARGON2ID_ITERATIONS", 3)
    shutil.copytree(FROZEN, tmp_path / "home")
    opened = await Store.open(tmp_path / "home", expected()["passphrase"])
    yield opened
    await opened.close()


def expected() -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads((FROZEN / "expected.json").read_text("utf-8"))
    return parsed


def adopt(c: Connection) -> Unit:
    """What opening a client does with the store."""
    keys = setup.ensure_account(c, "https://chat.example", None, lambda: NOW, system_randomness)
    return Unit(c, keys, Settings(), NOW, system_randomness)


def friend(c: Connection) -> ContactId:
    found = contacts.by_username(c, expected()["contact"]["username"])
    assert found is not None
    return found


async def test_the_device_gets_a_certified_key_once_and_the_identity_stays(store: Store) -> None:
    def check(c: Connection) -> bytes:
        keys = adopt(c).keys
        assert keys.identity_key.raw.hex() == expected()["identity"]
        assert keys.root is None  # it was random, so no phrase can ever spell it
        assert keys.certificate.identity == keys.identity_key
        assert keys.certificate.device_key == keys.device_identity.public
        assert keys.certificate.bundle_id == keys.bundle_id
        keys.seal.public.verify(keys.device_identity.public, keys.seal_signature)
        listed = devices.own_list(c)
        assert (listed.sequence, listed.certificates) == (1, (keys.certificate,))
        return keys.certificate.encode()

    assert await store.run(check) == await store.run(check)


async def test_prekeys_are_made_anew_signed_by_the_device_and_published(store: Store) -> None:
    def check(c: Connection) -> None:
        unit = adopt(c)
        assert stored_prekeys.long_lived_since(c) is None
        prekeys.add_long_lived(unit)
        prekeys.add_one_time(unit, 1)
        signed, last_resort = stored_prekeys.current_long_lived(c)
        signed.public.verify(unit.keys.device_identity.public)
        last_resort.public.verify(unit.keys.device_identity.public)
        account = accounts.get(c)
        assert account is not None
        assert not account.bundle_published
        base = prekeys.base_of(unit.keys, signed, last_resort)
        assert base.device_certificate == unit.keys.certificate.encode()

    await store.run(check)


async def test_writing_says_that_people_have_to_connect_anew_and_keeps_what_was_said(store: Store) -> None:
    def check(c: Connection) -> None:
        unit, contact = adopt(c), friend(c)
        with pytest.raises(ReconnectNeeded, match="Connect with them again"):
            sending.send_text(unit, contact, "hello?")
        before = contacts.get(c, contact)
        assert before is not None
        assert (before.state, before.verified) == (ContactState.CLOSED, expected()["contact"]["verified"])
        assert sessions.of_contact(c, contact) == []
        history = messages.history(c, contact, None, 100, None)
        assert [m.text for m in history if m.state is MessageState.FAILED] == [expected()["waiting"]]
        assert requests.listed(c, only_pending=True) == []
        contacts.set_connected(c, contact, True)
        contacts.set_connected(c, contact, False)
        with pytest.raises(NotConnected):  # that they once spoke another protocol is no news any more
            sending.send_text(unit, contact, "hello?")

    await store.run(check)
