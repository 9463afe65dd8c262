"""Anonymous tokens over real gRPC and PostgreSQL: issued up to a quota, spent once by anybody, over when their epoch is."""

import asyncio
import secrets
from contextlib import asynccontextmanager

import grpc
import pytest
from handshaker_auth.domain.anonymous_tokens import BadIssuerKey
from handshaker_auth.main import Auth
from handshaker_auth.settings import issuer_keys_in
from handshaker_common.entropy import system_entropy
from handshaker_common.testing import running_service
from handshaker_core.protocol import blind_tokens
from handshaker_proto.auth.v1 import auth_pb2, auth_pb2_grpc, tokens_pb2, tokens_pb2_grpc
from handshaker_proto.options.v1 import options_pb2

QUOTA = 40
PAID_WITH_TOKENS = [options_pb2.MAILBOX, options_pb2.LOOKUP, options_pb2.FIRST_CONTACT, options_pb2.WAKE_TARGET]


def bearer(tokens):
    return (("authorization", f"Bearer {tokens.access_token}"),)


def arm(answer):
    return answer.WhichOneof("outcome")


async def issuer_key(stub):
    answer = await stub.GetIssuerKeys(tokens_pb2.GetIssuerKeysRequest())
    return blind_tokens.IssuerKey.parse(answer.keys[-1].public_key)


async def ask(stub, tokens, pending):
    request = tokens_pb2.IssueTokensRequest(
        issuer_key_id=pending[0].issuer.key_id, blinded_messages=[one.blinded.message for one in pending]
    )
    return await stub.IssueTokens(request, metadata=bearer(tokens))


async def take(stub, tokens, count=1):
    """So many finished tokens, as a client gets them."""
    key = await issuer_key(stub)
    pending = [blind_tokens.request(key, secrets.token_bytes) for _ in range(count)]
    answer = await ask(stub, tokens, pending)
    assert arm(answer) == "issued"
    return [one.finish(signed) for one, signed in zip(pending, answer.issued.blind_signatures, strict=True)]


async def redeem(stub, token, purpose=options_pb2.LOOKUP):
    return arm(await stub.Redeem(auth_pb2.RedeemRequest(purpose=purpose, token=token)))


@pytest.fixture
async def logged_in(api, device):
    return (await api.register(device)).tokens


@pytest.fixture
def another_process(pool, settings, clock):
    """Auth anew over the same database, as after a restart, with the keys that are there now."""

    @asynccontextmanager
    async def running(**changes):
        auth = Auth(pool, settings.model_copy(update=changes), clock, system_entropy)
        async with running_service("auth", lambda s: auth.add_to(s.server), verifier=auth.verifier) as channel:
            yield auth, auth_pb2_grpc.AdmissionServiceStub(channel), tokens_pb2_grpc.TokensServiceStub(channel)

    return running


# --- issuing ---


async def test_keys_are_published_to_everybody_alike(api, settings, logged_in, rejection):
    answer = await api.tokens.GetIssuerKeys(tokens_pb2.GetIssuerKeysRequest())
    assert (len(answer.keys), answer.daily_quota) == (1, QUOTA)
    (key,) = issuer_keys_in(settings.issuer_keys)
    assert answer.keys[0].public_key == key.public_key
    named = api.tokens.GetIssuerKeys(tokens_pb2.GetIssuerKeysRequest(), metadata=bearer(logged_in))
    assert (await rejection(named))[1] == "token_on_anonymous_plane"


async def test_an_account_gets_no_more_than_its_quota_on_a_day(api, logged_in, clock, new_device):
    await take(api.tokens, logged_in, 32)
    key = await issuer_key(api.tokens)
    nine = [blind_tokens.request(key, secrets.token_bytes) for _ in range(9)]
    assert arm(await ask(api.tokens, logged_in, nine)) == "quota_exhausted"
    assert arm(await ask(api.tokens, logged_in, nine[:8])) == "issued"
    assert arm(await ask(api.tokens, logged_in, nine[:1])) == "quota_exhausted"
    other = new_device()
    assert len(await take(api.tokens, (await api.register(other)).tokens, 32)) == 32
    clock.advance(86_400)
    again = (await api.log_in(other)).tokens
    assert len(await take(api.tokens, again, 32)) == 32


async def test_concurrent_requests_get_the_quota_between_them(api, logged_in, pool):
    key = await issuer_key(api.tokens)
    pending = [[blind_tokens.request(key, secrets.token_bytes) for _ in range(10)] for _ in range(8)]
    arms = [arm(a) for a in await asyncio.gather(*(ask(api.tokens, logged_in, ten) for ten in pending))]
    assert (arms.count("issued"), arms.count("quota_exhausted")) == (4, 4)
    assert await pool.fetchval("SELECT issued FROM token_counters") == QUOTA


async def test_what_no_client_sends_is_not_signed(api, logged_in, pool, rejection):
    key = await issuer_key(api.tokens)
    good = blind_tokens.request(key, secrets.token_bytes).blinded.message
    too_large = key.key.n.to_bytes(256)
    for bad in (bytes(256), too_large, b"\xff" * 256, good[:-1], good + b"\x00"):
        request = tokens_pb2.IssueTokensRequest(issuer_key_id=key.key_id, blinded_messages=[good, bad])
        answer = await rejection(api.tokens.IssueTokens(request, metadata=bearer(logged_in)))
        assert answer == (grpc.StatusCode.INVALID_ARGUMENT, "malformed")
    many = tokens_pb2.IssueTokensRequest(issuer_key_id=key.key_id, blinded_messages=[good] * 33)
    assert (await rejection(api.tokens.IssueTokens(many, metadata=bearer(logged_in))))[1] == "malformed"
    foreign = tokens_pb2.IssueTokensRequest(issuer_key_id=bytes(32), blinded_messages=[good])
    assert arm(await api.tokens.IssueTokens(foreign, metadata=bearer(logged_in))) == "unknown_issuer_key"
    assert await pool.fetchval("SELECT count(*) FROM token_counters") == 0
    fine = tokens_pb2.IssueTokensRequest(issuer_key_id=key.key_id, blinded_messages=[good])
    assert arm(await api.tokens.IssueTokens(fine, metadata=bearer(logged_in))) == "issued"
    assert (await rejection(api.tokens.IssueTokens(fine)))[1] == "unauthenticated"


async def test_a_deleted_account_gets_none_and_leaves_nothing(api, logged_in, pool):
    await take(api.tokens, logged_in)
    await pool.execute("DELETE FROM accounts")
    assert await pool.fetchval("SELECT count(*) FROM token_counters") == 0
    pending = blind_tokens.request(await issuer_key(api.tokens), secrets.token_bytes)
    assert arm(await ask(api.tokens, logged_in, [pending])) == "quota_exhausted"
    assert await pool.fetchval("SELECT count(*) FROM token_counters") == 0


# --- spending ---


@pytest.mark.parametrize("purpose", PAID_WITH_TOKENS)
async def test_a_token_pays_for_one_call(api, logged_in, purpose):
    (token,) = await take(api.tokens, logged_in)
    assert [await redeem(api.admission, token, purpose) for _ in range(3)] == ["admitted", "refused", "refused"]
    assert await redeem(api.admission, token) == "refused"


async def test_one_token_in_fifty_concurrent_tries_is_admitted_once(api, logged_in, another_process):
    (token,) = await take(api.tokens, logged_in)
    async with another_process() as (_, second, _):
        tries = [redeem(stub, token) for _ in range(25) for stub in (api.admission, second)]
        arms = await asyncio.gather(*tries)
    assert (arms.count("admitted"), arms.count("refused")) == (1, 49)


async def test_a_spent_token_stays_spent_after_a_restart(api, logged_in, another_process):
    spent, left = await take(api.tokens, logged_in, 2)
    assert await redeem(api.admission, spent) == "admitted"
    async with another_process() as (auth, admission, _):
        await auth.clean()
        assert await redeem(admission, spent) == "refused"
        assert await redeem(admission, left) == "admitted"
    assert await redeem(api.admission, left) == "refused"


async def test_what_the_issuer_did_not_sign_is_refused(api, logged_in):
    (token,) = await take(api.tokens, logged_in)
    altered = token[:-1] + bytes([token[-1] ^ 1])
    other_nonce = token[:2] + secrets.token_bytes(32) + token[34:]
    for bad in (altered, other_nonce, bytes(354), secrets.token_bytes(354), b""):
        assert await redeem(api.admission, bad) == "refused"
    assert await redeem(api.admission, token, options_pb2.REGISTRATION) == "refused"
    assert await redeem(api.admission, token) == "admitted"


# --- epochs ---


@pytest.fixture
def add_key(settings, issuer_pems):
    """Rotates: a further key for the processes that start from now on."""
    return lambda name, number: (settings.issuer_keys / name).write_bytes(issuer_pems[number])


async def test_tokens_of_the_epoch_before_are_taken_and_older_ones_are_not(logged_in, another_process, add_key, pool):
    async with another_process() as (old, old_admission, old_tokens):
        spent, *first = await take(old_tokens, logged_in, 3)
        assert await redeem(old_admission, spent) == "admitted"
        add_key("2026-02", 1)
        async with another_process() as (rotated, admission, tokens):
            await rotated.clean()
            (second,) = await take(tokens, logged_in)
            assert second[66:98] != first[0][66:98]
            assert [await redeem(admission, token) for token in (first[0], spent)] == ["admitted", "refused"]
            stale = blind_tokens.request(await issuer_key(old_tokens), secrets.token_bytes)
            assert arm(await ask(tokens, logged_in, [stale])) == "unknown_issuer_key"
        # A process that still has the old key alone takes no token of the new one, and ends nothing.
        await old.clean()
        assert await redeem(old_admission, second) == "refused"
        assert await pool.fetchval("SELECT count(*) FROM token_epochs WHERE ended") == 0
        add_key("2026-03", 2)
        async with another_process() as (newest, admission, _):
            assert await redeem(admission, first[1]) == "refused"
            assert await redeem(old_admission, spent) == "refused"
            await newest.clean()
            assert await pool.fetchval("SELECT count(*) FROM spent_tokens") == 0
            assert await redeem(admission, second) == "admitted"
        # What was forgotten cannot be spent again where nobody has heard of the new keys.
        assert [await redeem(old_admission, token) for token in (spent, first[1])] == ["refused", "refused"]
        await old.clean()
        assert await pool.fetchval("SELECT count(*) FROM token_epochs WHERE ended") == 1


async def test_counters_are_gone_the_next_day(api, auth, logged_in, pool, clock):
    await take(api.tokens, logged_in)
    await auth.clean()
    assert await pool.fetchval("SELECT count(*) FROM token_counters") == 1
    clock.advance(86_400)
    await auth.clean()
    assert await pool.fetchval("SELECT count(*) FROM token_counters") == 0


async def test_without_keys_no_tokens_are_offered(api, logged_in, another_process):
    (token,) = await take(api.tokens, logged_in)
    async with another_process(issuer_keys=None) as (auth, admission, tokens):
        answer = await tokens.GetIssuerKeys(tokens_pb2.GetIssuerKeysRequest())
        assert list(answer.keys) == []
        pending = blind_tokens.request(await issuer_key(api.tokens), secrets.token_bytes)
        assert arm(await ask(tokens, logged_in, [pending])) == "unknown_issuer_key"
        assert await redeem(admission, token) == "refused"
        await auth.clean()
    assert await redeem(api.admission, token) == "admitted"


# --- what is left behind ---


async def test_nothing_leads_from_a_spent_token_to_the_account_that_got_it(api, logged_in, pool, statements):
    """The tables share no column and no key; the store is asked for one or the other and never for both."""
    key = await issuer_key(api.tokens)
    pending = blind_tokens.request(key, secrets.token_bytes)
    answer = await ask(api.tokens, logged_in, [pending])
    token = pending.finish(answer.issued.blind_signatures[0])
    issuing, spending = list(statements), statements
    spending.clear()
    assert await redeem(api.admission, token) == "admitted"
    assert any("token_counters" in statement for statement in issuing)
    assert not any("spent_tokens" in statement for statement in issuing)
    assert any("spent_tokens" in statement for statement in spending)
    assert not any("token_counters" in statement or "account" in statement for statement in spending)
    columns = await pool.fetch(
        "SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns "
        "WHERE table_name IN ('spent_tokens', 'token_counters') ORDER BY 1, 2"
    )
    assert [tuple(column) for column in columns] == [
        ("spent_tokens", "digest", "bytea"),
        ("spent_tokens", "epoch", "bigint"),
        ("token_counters", "account_id", "uuid"),
        ("token_counters", "day", "date"),
        ("token_counters", "issued", "integer"),
    ]
    digest = await pool.fetchval("SELECT digest FROM spent_tokens")
    seen_at_issue = pending.blinded.message + answer.issued.blind_signatures[0]
    assert digest not in seen_at_issue
    assert not any(token[i : i + 8] in seen_at_issue for i in range(len(token) - 8))


# --- settings ---


def test_issuer_keys_are_read_in_the_order_of_their_names(tmp_path, issuer_pems):
    with pytest.raises(BadIssuerKey, match="without any key"):
        issuer_keys_in(tmp_path)
    for name, pem in zip(("2026-02", "2026-01", ".hidden"), issuer_pems, strict=True):
        (tmp_path / name).write_bytes(pem)
    single = [issuer_keys_in(tmp_path / name)[0].key_id for name in ("2026-01", "2026-02")]
    assert [key.key_id for key in issuer_keys_in(tmp_path)] == single
    (tmp_path / "2026-03").write_bytes(b"not a key, secret")
    with pytest.raises(BadIssuerKey, match="2026-03 holds no unencrypted private key") as raised:
        issuer_keys_in(tmp_path)
    assert "secret" not in str(raised.value)
    assert issuer_keys_in(None) == []
