"""Accounts against the real services: making them, whatever interrupts it; names, sessions, prekeys, settings."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from engine_world import PASSPHRASE, PATIENCE, Watch, befriend, network, person
from handshaker_core.client import (
    BadProxyAddress,
    Client,
    EmptyPassphrase,
    InsecureServer,
    InvalidSetting,
    LoggedOut,
    MessageState,
    NetworkError,
    NoStore,
    NotRegistered,
    PreKeysLow,
    ProxyRequired,
    RefusedByServer,
    ServerRequired,
    Settings,
    StoreInUse,
    TextTooLong,
    Unreachable,
    WrongPassphrase,
    as_json,
)
from handshaker_core.client import prekeys as client_prekeys
from handshaker_core.errors import InvalidUsername
from handshaker_core.protocol.address import parse_link
from handshaker_core.store import mailboxes

MakePerson = Callable[..., Awaitable[Client]]


def fresh_name(name: str) -> str:
    return f"{name}.{secrets.randbelow(10**9):09d}"


async def test_an_account_is_there_after_opening_again(server_urls: list[str], tmp_path: Path) -> None:
    home, name = tmp_path / "home", fresh_name("alice")
    steps: list[str] = []
    assert not Client.exists(home)
    async with await Client.open(home, PASSPHRASE, server=server_urls[0], create=True) as client:
        with pytest.raises(NotRegistered):
            await client.whoami()
        with pytest.raises(NotRegistered):
            await client.run()
        account = await client.register(
            name, display_name=" Alice\u202e \n B ", progress=lambda step, _: steps.append(step)
        )
        assert (account.username, account.display_name, account.server) == (name, "Alice B", server_urls[0])
        assert account.logged_in
        assert {"prekeys", "username"} <= set(steps)
        assert await client.register() == account  # once is enough
        with pytest.raises(StoreInUse):
            await Client.open(home, PASSPHRASE)
    assert Client.exists(home)
    with pytest.raises(WrongPassphrase):
        await Client.open(home, "wrong")
    async with await Client.open(home, PASSPHRASE) as client:
        assert await client.whoami() == account
        assert parse_link(account.link)[0] == server_urls[0]
        assert as_json(account)["username"] == name
        await client.safe.change_passphrase(PASSPHRASE, "another")
    async with await Client.open(home, "another", server=server_urls[1]) as client:
        moved = await client.whoami()
        assert (moved.account_id, moved.server) == (account.account_id, server_urls[1])


async def test_what_can_be_refused_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for arguments, error in (
        ({"create": False}, NoStore),
        ({"create": True}, ServerRequired),
        ({"create": True, "server": "http://chat.example"}, InsecureServer),
        ({"create": True, "server": "https://chat.example", "socks": "nonsense"}, BadProxyAddress),
    ):
        with pytest.raises(error):
            await Client.open(home, PASSPHRASE, **arguments)  # type: ignore[arg-type]
    with pytest.raises(EmptyPassphrase):
        await Client.open(home, "", server="https://chat.example", create=True)
    assert not home.exists()
    with pytest.raises(ProxyRequired):
        await Client.open(home, PASSPHRASE, server="http://abc.onion", create=True)
    async with await Client.open(home, PASSPHRASE, server="http://abc.onion", socks="127.0.0.1:1") as client:
        with pytest.raises(Unreachable, match="SOCKS proxy"):
            await client.register()
        with pytest.raises(TextTooLong):
            await client.register(display_name="x" * 200)
        with pytest.raises(InvalidUsername):
            await client.register("!!")


@pytest.mark.usefixtures("few_prekeys")
async def test_a_registration_that_is_cut_short_goes_on(server_urls: list[str], tmp_path: Path) -> None:
    """However many of the server's answers get through, the next attempt makes one account of it all."""
    async with network(server_urls[0]) as between:
        for answers in range(40):
            home = tmp_path / str(answers)
            async with await Client.open(home, PASSPHRASE, server=between.url, create=True) as client:
                await between.restore()
                between.answers_left = answers
                try:
                    async with asyncio.timeout(PATIENCE):
                        await client.register()
                except NetworkError:
                    finished = False
                else:
                    finished = True
                between.drop()
                await between.restore()
                account = await client.register()
                assert account.account_id
                counts = await client._session.call(
                    lambda token, client=client: client._core.api.prekey_counts(token, client._core.keys.bundle_id)  # type: ignore[misc]
                )
                assert counts == (client_prekeys.FULL, client_prekeys.FULL)
                async with client.online(), asyncio.timeout(PATIENCE):
                    await client.drained()
            if finished:
                assert answers > 5
                return
    pytest.fail("registering takes more answers than that")


async def test_usernames(new_person: MakePerson) -> None:
    name = fresh_name("alice")
    a, b = await new_person(name), await new_person()
    with pytest.raises(RefusedByServer) as caught:
        await b.set_username(name)
    assert caught.value.code == "username_taken"
    assert (await b.whoami()).username is None
    chosen = (await b.set_username("alice")).username
    assert chosen is not None
    assert chosen.startswith("alice.")
    assert chosen.partition(".")[2].isdigit()
    other = fresh_name("other")
    assert (await a.set_username(other)).username == other
    found = await b.find(other)
    assert found is not None
    assert await b.find(name) is None  # one at a time
    assert (await a.release_username()).username is None
    assert await b.find(other) is None
    assert (await b.set_username(name)).username == name


async def test_logging_out_and_in(new_person: MakePerson) -> None:
    a, b = await new_person(), await new_person()
    in_a, _ = await befriend(a, b)
    token = (await a._core.store.run(lambda c: c.execute("SELECT refresh_token FROM account").fetchone()))[0]
    await a.log_out()
    assert not (await a.whoami()).logged_in
    with pytest.raises(LoggedOut):
        await a.run()
    with pytest.raises(LoggedOut):
        async with a.online():
            await asyncio.Event().wait()
    with pytest.raises(LoggedOut):
        await a.set_username(fresh_name("alice"))
    with pytest.raises(RefusedByServer):
        await a._core.api.refresh(a._core.keys.device, token)
    assert (await a.send(in_a, "written while logged out")).state is MessageState.SENDING
    await a.log_out()
    assert (await a.log_in()).logged_in
    async with a.online(), b.online():
        watch_b = Watch(b)
        await watch_b.message("written while logged out")


async def test_a_session_outlives_its_tokens(server_urls: list[str], tmp_path: Path) -> None:
    ahead = 0.0
    home = tmp_path / "home"
    async with await Client.open(
        home, PASSPHRASE, server=server_urls[0], create=True, clock=lambda: time.time() + ahead
    ) as client:
        await client.register()

        async def tokens() -> tuple[str, bytes]:
            row = await client._core.store.run(
                lambda c: c.execute("SELECT access_token, refresh_token FROM account").fetchone()
            )
            assert row is not None
            return row[0], row[1]

        first = await tokens()
        await client.release_username()
        assert await tokens() == first
        ahead = 600  # the access token has run out
        await client.release_username()
        second = await tokens()
        assert first[0] != second[0]
        assert first[1] != second[1]
        # The answer with the next tokens was lost: the server has seen this refresh token, and ends the family.
        await client._core.api.refresh(client._core.keys.device, second[1])
        ahead = 1200
        await client.release_username()
        assert (await tokens())[1] != second[1]
        # A token that the server refuses although its time is not over is replaced.
        await client._core.store.run(
            lambda c: c.execute("UPDATE account SET access_token = 'x.y.z', access_expires_at = 1e12")
        )
        await client.release_username()
        assert (await tokens())[0] != "x.y.z"


async def test_prekeys_are_refilled_when_strangers_have_used_them(
    new_person: MakePerson, server_urls: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = await new_person()
    monkeypatch.setattr(client_prekeys, "FULL", 100)
    monkeypatch.setattr(client_prekeys, "LOW", 50)
    monkeypatch.setattr(client_prekeys, "UPLOAD_PIECE", 25)
    async with person(tmp_path / "b", server_urls[1]) as b:
        await _use_up_and_refill(a, b)


async def _use_up_and_refill(a: Client, b: Client) -> None:
    _, address = parse_link(await b.link())
    one_time, kem = set(), set()
    for _ in range(client_prekeys.FULL - client_prekeys.LOW + 1):
        fetched = await a._core.api.fetch_bundle(address.bundle_id)
        one_time.add(fetched.one_time_prekey.key_id)
        kem.add(fetched.kem_prekey.key_id)
    assert len(one_time) == len(kem) == client_prekeys.FULL - client_prekeys.LOW + 1
    watch = Watch(b)
    async with b.online():
        low = await watch.until(PreKeysLow)
        assert (low.one_time, low.kem) == (client_prekeys.LOW - 1, client_prekeys.LOW - 1)
        async with asyncio.timeout(PATIENCE):
            while True:
                counts = await b._session.call(lambda token: b._core.api.prekey_counts(token, address.bundle_id))
                if counts == (client_prekeys.FULL, client_prekeys.FULL):
                    break
                await asyncio.sleep(0.05)
    await befriend(a, b)


async def test_old_prekeys_are_replaced_and_still_serve_those_who_have_them(
    server_urls: list[str], new_person: MakePerson, tmp_path: Path
) -> None:
    ahead = 0.0
    a = await new_person()
    async with await Client.open(
        tmp_path / "b", PASSPHRASE, server=server_urls[0], create=True, clock=lambda: time.time() + ahead
    ) as b:
        await b.register()
        await b.change_settings(receipt_delay=[0, 0])
        async with a.online():
            request = await a.connect(await b.link(), "with the old keys")
            await a.flushed()
        _, address = parse_link(await b.link())
        before = (await a._core.api.fetch_bundle(address.bundle_id)).base
        ahead = 8 * 86_400.0
        await b.register()
        after = (await a._core.api.fetch_bundle(address.bundle_id)).base
        assert before.signed_prekey != after.signed_prekey
        assert before.last_resort_kem_prekey != after.last_resort_kem_prekey
        assert (before.identity_key, before.seal_key) == (after.identity_key, after.seal_key)
        async with b.online(), asyncio.timeout(PATIENCE):
            await b.drained()
            (received,) = await b.requests()
            assert received.greeting == "with the old keys"
            await b.accept(received.id)
            await b.flushed()
        async with a.online(), asyncio.timeout(PATIENCE):
            await a.drained()
        assert (await a.contact(request.contact_id)).state == "connected"


async def test_settings_stay(server_urls: list[str], tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with await Client.open(home, PASSPHRASE, server=server_urls[0], create=True) as client:
        assert client.settings == Settings()
        assert client.settings.receipt_delay == (1.0, 3.0)
        await client.change_settings(receipt_delay=[30, 60], read_receipts=False)
        for wrong in (
            {"receipt_delay": [3, 1]},
            {"receipt_delay": "soon"},
            {"receipt_delay": [-1, 1]},
            {"read_receipts": 1},
            {"colour": "red"},
        ):
            with pytest.raises(InvalidSetting):
                await client.change_settings(**wrong)
    async with await Client.open(home, PASSPHRASE) as client:
        assert client.settings == Settings(receipt_delay=(30.0, 60.0), read_receipts=False)


async def test_a_mailbox_that_the_server_has_lost_is_made_again(new_person: MakePerson) -> None:
    a, b = await new_person(), await new_person()
    in_a, in_b = await befriend(a, b)
    boxes = await b._core.run(lambda u: u.c.execute("SELECT recv_id FROM own_mailboxes").fetchall())
    assert len(boxes) == 2
    for (recv_id,) in boxes:
        own = await b._core.run(lambda u, recv_id=recv_id: mailboxes.get(u.c, recv_id))  # type: ignore[misc]
        assert own is not None
        await b._core.api.delete_mailbox(own.mailbox)
    async with a.online():
        lost = await a.send(in_a, "into the void")
        async with asyncio.timeout(PATIENCE):
            assert (await a.settled(lost.id)).failure == "refused"
        async with b.online():
            watch_b = Watch(b)
            async with asyncio.timeout(PATIENCE):
                await b.drained()
                while True:  # until the new mailbox is there
                    await a.send(in_a, "again")
                    await a.flushed()
                    if (await a.history(in_a))[-1].state is not MessageState.FAILED:
                        break
            await watch_b.message("again")
    assert (await b.history(in_b))[-1].text == "again"
