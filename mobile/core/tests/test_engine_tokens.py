"""Anonymous tokens against the real services: fetched with the login, spent without it, and work where there are none."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from engine_world import PATIENCE, Watch
from handshaker_core.client import Client, purse
from handshaker_core.client.events import Trouble
from handshaker_core.net import api
from handshaker_core.net.errors import RefusedByServer
from handshaker_core.protocol import blind_tokens
from handshaker_core.protocol.blind_tokens import IssuerKeyId, Token
from handshaker_core.store import Database, tokens
from handshaker_core.store.vault import DatabaseKey

MakePerson = Callable[..., Awaitable[Client]]
UNTAKEN = "nobody.000000001"
LATER = purse.LONGEST_HOLD_SECONDS + 1


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The challenges that were worked on."""
    done: list[bytes] = []
    solve = api.solve

    async def counted(challenge: bytes, *rest: object) -> bytes:
        done.append(challenge)
        return await solve(challenge, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(api, "solve", counted)
    return done


@pytest.fixture
def paid(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The `Admission` headers that were sent, in order."""
    sent: list[str] = []
    call = api.Transport.call

    async def watched(self: api.Transport, *arguments: object, **named: object) -> object:
        if named.get("admission"):
            sent.append(str(named["admission"]))
        return await call(self, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(api.Transport, "call", watched)
    return sent


async def refill(client: Client) -> None:
    await purse.refill(client._core, client._session)


async def left(client: Client) -> int:
    return await client._core.store.run(tokens.count)


def advance(client: Client, seconds: float) -> None:
    clock = client._core.clock
    client._core.clock = lambda: clock() + seconds


async def look_up(client: Client) -> None:
    """A call that has a price."""
    assert await client._core.api.look_up_username(secrets.token_bytes(32)) is None


async def test_whoever_is_online_gets_tokens(new_person: MakePerson) -> None:
    client = await new_person()
    assert await left(client) == 0
    async with client.online(), asyncio.timeout(PATIENCE):
        while await left(client) == 0:
            await asyncio.sleep(0.02)
    assert await left(client) == purse.BATCH


async def test_calls_are_paid_with_tokens_and_then_with_work(
    new_person: MakePerson, work: list[bytes], paid: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purse, "BATCH", 2)
    client = await new_person()
    await refill(client)
    work.clear()
    paid.clear()
    await look_up(client)  # none may be spent yet
    assert (len(work), await left(client)) == (1, 2)
    advance(client, LATER)
    await look_up(client)
    await look_up(client)
    assert (len(work), await left(client)) == (1, 0)
    await look_up(client)
    assert len(work) == 2
    assert [header.split()[0] for header in paid] == ["pow", "token", "token", "pow"]
    assert len(set(paid)) == 4


async def test_what_is_spent_says_nothing_of_what_was_fetched(
    new_person: MakePerson, paid: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that the issuer saw or answered stands in what is spent."""
    seen: list[bytes] = []
    issue = api.Api.issue_tokens

    async def watched(self: api.Api, token: object, key_id: IssuerKeyId, blinded: list[bytes]) -> list[bytes]:
        signed = await issue(self, token, key_id, blinded)  # type: ignore[arg-type]
        seen.extend([*blinded, *signed])
        return signed

    monkeypatch.setattr(api.Api, "issue_tokens", watched)
    client = await new_person()
    await refill(client)
    assert len(seen) == 2 * purse.BATCH
    advance(client, LATER)
    paid.clear()
    for _ in range(3):
        await look_up(client)
    for header in paid:
        spent = api.base64.urlsafe_b64decode(header.removeprefix("token ") + "==")
        assert len(spent) == 354
        assert not any(spent[i : i + 8] in message for message in seen for i in range(len(spent) - 8))


async def test_tokens_of_an_epoch_that_is_over_cost_nothing_but_a_try(
    new_person: MakePerson, work: list[bytes], paid: list[str]
) -> None:
    client = await new_person()
    worthless = Token(b"\x00\x02" + secrets.token_bytes(352))
    await client._core.store.run(lambda c: tokens.add(c, [(worthless, 0.0)]))
    work.clear()
    paid.clear()
    await look_up(client)
    assert (len(work), len(paid), await left(client)) == (1, 2, 0)


async def test_the_server_is_asked_once_a_day_for_the_same_number(
    new_person: MakePerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    issue = api.Api.issue_tokens

    async def counted(self: api.Api, token: object, key_id: IssuerKeyId, blinded: list[bytes]) -> list[bytes]:
        asked.append(len(blinded))
        return await issue(self, token, key_id, blinded)  # type: ignore[arg-type]

    monkeypatch.setattr(api.Api, "issue_tokens", counted)
    monkeypatch.setattr(purse, "MOST", purse.BATCH + 5)
    client = await new_person()
    await refill(client)
    advance(client, LATER)
    await look_up(client)
    await refill(client)
    assert asked == [purse.BATCH]
    advance(client, 1.5 * purse.EVERY_SECONDS)
    await refill(client)
    assert asked == [purse.BATCH, purse.BATCH]
    assert await left(client) == purse.BATCH + 5


async def test_a_server_that_offers_none_is_asked_again_tomorrow(
    new_person: MakePerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await new_person()
    calls: list[int] = []

    async def absent(_: api.Api) -> list[bytes]:
        calls.append(1)
        raise RefusedByServer("not_found", 404)

    monkeypatch.setattr(api.Api, "issuer_keys", absent)
    await refill(client)
    await refill(client)
    assert (len(calls), await left(client)) == (1, 0)


async def test_signatures_that_are_none_are_told_and_not_kept(
    new_person: MakePerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await new_person()
    watch = Watch(client)

    async def wrong(_: api.Api, _token: object, _key_id: IssuerKeyId, blinded: list[bytes]) -> list[bytes]:
        return [bytes(256) for _ in blinded]

    with monkeypatch.context() as patch:
        patch.setattr(api.Api, "issue_tokens", wrong)
        await refill(client)
    trouble = await watch.until(Trouble)
    assert (trouble.reason, await left(client)) == ("bad_signature", 0)
    advance(client, 2 * purse.EVERY_SECONDS)
    await refill(client)
    assert await left(client) == purse.BATCH


def token_of(key_id: bytes) -> Token:
    return Token(b"\x00\x02" + secrets.token_bytes(32) + blind_tokens.CHALLENGE_DIGEST + key_id + bytes(256))


def test_the_store_gives_each_token_once_and_not_before_its_time(tmp_path: Path) -> None:
    database = Database(tmp_path / "store", DatabaseKey(secrets.token_bytes(32)))
    key, gone = secrets.token_bytes(32), secrets.token_bytes(32)
    mine = [(token_of(key), float(when)) for when in range(10)]
    database.transact(lambda c: tokens.add(c, [*mine, (token_of(gone), 0.0)]))
    database.transact(lambda c: tokens.forget_all_but(c, [IssuerKeyId(key)], 8))
    assert database.transact(tokens.count) == 8
    taken = [database.transact(lambda c: tokens.take(c, 5.0)) for _ in range(5)]
    assert set(taken) == {None, *(token for token, when in mine if 2 <= when <= 5)}
    assert taken == [*sorted((token for token in taken if token), key=bytes), None]
    assert database.transact(tokens.count) == 4
    database.transact(lambda c: tokens.forget_all_but(c, [], 8))
    assert database.transact(tokens.count) == 0
    assert database.transact(tokens.next_at) == 0.0
    for when in (7.0, 8.0):
        database.transact(lambda c, when=when: tokens.set_next_at(c, when))  # type: ignore[misc]
        assert database.transact(tokens.next_at) == when
    database.close()


def test_holds_are_spread_over_the_whole_range() -> None:
    assert purse.uniform(bytes, 600, 21_600) == 600
    assert 21_599 < purse.uniform(lambda n: b"\xff" * n, 600, 21_600) <= 21_600
