"""Registration, login and refresh over real gRPC with the real interceptors: every outcome, every size."""

import asyncio
import secrets
import uuid

import grpc
import pytest
from handshaker_auth.domain.challenges import LIFETIME_SECONDS
from handshaker_common import metrics
from handshaker_proto.auth.v1 import auth_pb2
from handshaker_proto.options.v1 import options_pb2

MALFORMED = (grpc.StatusCode.INVALID_ARGUMENT, "malformed")


def bearer(token):
    return (("authorization", f"Bearer {token}"),)


def arm(answer):
    return answer.WhichOneof("outcome")


# --- registration ---


async def test_a_device_key_gets_one_account_with_tokens_that_work(api, device, new_device):
    registered = await api.register(device)
    assert uuid.UUID(registered.account_id).version == uuid.UUID(registered.device_id).version == 4
    tokens = registered.tokens
    assert (tokens.access_expires_in_seconds, tokens.refresh_expires_in_seconds) == (300, 30 * 86_400)
    me = await api.sessions.GetAccount(auth_pb2.GetAccountRequest(), metadata=bearer(tokens.access_token))
    assert (me.account_id, me.device_id) == (registered.account_id, registered.device_id)
    assert arm(await api.refresh(device, tokens.refresh_token)) == "tokens"
    assert arm(await api.registration.Register(device.registration())) == "already_registered"
    assert (await api.register(new_device())).account_id != registered.account_id


async def test_only_the_holder_of_a_key_learns_that_it_is_registered(api, device, new_device):
    unknown = new_device()
    await api.register(device)
    for key in (device.public, unknown.public):
        request = auth_pb2.RegisterRequest(device_public_key=key, proof=new_device().registration().proof)
        assert arm(await api.registration.Register(request)) == "bad_proof"
    assert arm(await api.registration.Register(unknown.registration())) == "registered"


@pytest.mark.parametrize(("key", "proof"), [(31, 64), (33, 64), (32, 63), (32, 65), (0, 64), (32, 0)])
async def test_registrations_of_the_wrong_size_are_rejected(api, rejection, key, proof):
    request = auth_pb2.RegisterRequest(device_public_key=bytes(key), proof=bytes(proof))
    assert await rejection(api.registration.Register(request)) == MALFORMED
    right_size = auth_pb2.RegisterRequest(device_public_key=bytes(32), proof=bytes(64))  # small order
    assert arm(await api.registration.Register(right_size)) == "bad_proof"


# --- logging in ---


async def test_a_device_logs_in_as_often_as_it_likes(api, device):
    registered = await api.register(device)
    answers = [await api.log_in(device) for _ in range(3)]
    for answer in answers:
        me = await api.sessions.GetAccount(auth_pb2.GetAccountRequest(), metadata=bearer(answer.tokens.access_token))
        assert me.device_id == registered.device_id
        assert arm(await api.refresh(device, answer.tokens.refresh_token)) == "tokens"
    assert arm(await api.refresh(device, registered.tokens.refresh_token)) == "tokens"


async def test_every_failed_login_has_one_answer(api, device, new_device, clock):
    await api.register(device)
    stranger, unknown = new_device(), new_device()
    await api.register(stranger)
    challenge = await api.challenge(device)
    purposeful, _ = await api.work(options_pb2.LOOKUP)
    forged = stranger.login(challenge)
    forged.device_public_key = device.public
    refused = [
        forged,
        stranger.login(challenge),
        unknown.login(await api.challenge(unknown)),
        device.login(purposeful),
        device.login(b""),
        device.login(bytes(128)),
        auth_pb2.CreateSessionRequest(
            device_public_key=device.public, challenge=challenge, signature=device.refresh(challenge, b"").signature
        ),
    ]
    answers = [await api.sessions.CreateSession(request) for request in refused]
    assert {arm(answer) for answer in answers} == {"refused"}
    assert len({answer.SerializeToString() for answer in answers}) == 1
    good = device.login(challenge)
    assert [arm(await api.sessions.CreateSession(good)) for _ in range(2)] == ["tokens", "refused"]
    late = device.login(await api.challenge(device))
    clock.advance(LIFETIME_SECONDS)
    assert arm(await api.sessions.CreateSession(late)) == "refused"


async def test_a_login_captured_once_works_once(api, device):
    await api.register(device)
    request = device.login(await api.challenge(device))
    answers = await asyncio.gather(*(api.sessions.CreateSession(request) for _ in range(20)))
    assert [arm(answer) for answer in answers].count("tokens") == 1


async def test_known_and_unknown_keys_cost_the_same_statements(api, statements, device, new_device):
    """What the database is asked tells nobody whether a key is registered; a good login is the positive control."""
    unknown = new_device()
    await api.register(device)

    async def asked(request):
        statements.clear()
        answer = await api.sessions.CreateSession(request)
        return arm(answer), list(statements)

    async def badly_signed(key):
        request = new_device().login(await api.challenge(key))
        request.device_public_key = key.public
        return request

    assert await asked(await badly_signed(device)) == await asked(await badly_signed(unknown)) == ("refused", [])
    unknown_outcome, unknown_cost = await asked(unknown.login(await api.challenge(unknown)))
    known_outcome, known_cost = await asked(device.login(await api.challenge(device)))
    assert (unknown_outcome, known_outcome) == ("refused", "tokens")
    assert unknown_cost == known_cost
    assert len(known_cost) == 1


async def test_challenges_are_of_one_size_for_known_and_unknown_keys(api, device, new_device):
    await api.register(device)
    answers = [
        await api.sessions.GetSessionChallenge(auth_pb2.GetSessionChallengeRequest(device_public_key=key))
        for key in (device.public, new_device().public, bytes(32), b"\xff" * 32)
    ]
    assert len({answer.ByteSize() for answer in answers}) == 1
    assert len({answer.challenge for answer in answers}) == 4


async def test_logins_of_the_wrong_size_are_rejected(api, device, rejection):
    await api.register(device)
    good = device.login(await api.challenge(device))
    for field, size in (("device_public_key", 31), ("device_public_key", 33), ("signature", 63), ("signature", 65)):
        bad = auth_pb2.CreateSessionRequest()
        bad.CopyFrom(good)
        setattr(bad, field, bytes(size))
        assert await rejection(api.sessions.CreateSession(bad)) == MALFORMED
    too_long = auth_pb2.CreateSessionRequest(
        device_public_key=device.public, challenge=bytes(129), signature=good.signature
    )
    assert await rejection(api.sessions.CreateSession(too_long)) == MALFORMED
    assert arm(await api.sessions.CreateSession(good)) == "tokens"


# --- refreshing ---


async def test_refresh_tokens_rotate(api, device):
    token = (await api.register(device)).tokens.refresh_token
    seen = [token]
    for _ in range(3):
        answer = await api.refresh(device, seen[-1])
        assert arm(answer) == "tokens"
        seen.append(answer.tokens.refresh_token)
    assert len(set(seen)) == 4


async def test_reuse_revokes_the_family_and_leaves_other_logins_alone(api, device):
    before = metrics.REFRESH_TOKENS_REUSED._value.get()
    stolen = (await api.register(device)).tokens.refresh_token
    other = (await api.log_in(device)).tokens.refresh_token
    newest = (await api.refresh(device, stolen)).tokens.refresh_token
    assert arm(await api.refresh(device, stolen)) == "refused"
    assert metrics.REFRESH_TOKENS_REUSED._value.get() == before + 1
    assert arm(await api.refresh(device, newest)) == "refused"
    assert arm(await api.refresh(device, other)) == "tokens"
    assert arm(await api.log_in(device)) == "tokens"


async def test_concurrent_use_of_one_token_succeeds_once_at_most_and_is_noticed(api, device):
    token = (await api.register(device)).tokens.refresh_token
    answers = await asyncio.gather(*(api.refresh(device, token) for _ in range(10)))
    winners = [answer.tokens.refresh_token for answer in answers if arm(answer) == "tokens"]
    assert len(winners) == 1
    assert arm(await api.refresh(device, winners[0])) == "refused"


async def test_a_stolen_token_is_worth_nothing_without_the_device_key(api, device, new_device):
    token, thief = (await api.register(device)).tokens.refresh_token, new_device()
    await api.register(thief)
    challenge = await api.challenge(device)
    forged = thief.refresh(challenge, token)
    forged.device_public_key = device.public
    login_signature = device.refresh(challenge, token)
    login_signature.signature = device.login(challenge).signature
    for request in (forged, login_signature, thief.refresh(await api.challenge(thief), token)):
        assert arm(await api.sessions.RefreshSession(request)) == "refused"
    assert arm(await api.refresh(device, secrets.token_bytes(32))) == "refused"
    assert arm(await api.refresh(device, token)) == "tokens"


async def test_a_login_unused_for_thirty_days_is_over(api, device, clock):
    token = (await api.register(device)).tokens.refresh_token
    clock.advance(30 * 86_400)
    answer = await api.refresh(device, token)
    assert arm(answer) == "tokens"
    clock.advance(31 * 86_400)
    assert arm(await api.refresh(device, answer.tokens.refresh_token)) == "refused"


async def test_refreshes_of_the_wrong_size_are_rejected(api, device, rejection):
    token = (await api.register(device)).tokens.refresh_token
    good = device.refresh(await api.challenge(device), token)
    sizes = {"refresh_token": 32, "signature": 64, "device_public_key": 32}
    for field, size in ((f, s + d) for f, s in sizes.items() for d in (-1, 1)):
        bad = auth_pb2.RefreshSessionRequest()
        bad.CopyFrom(good)
        setattr(bad, field, bytes(size))
        assert await rejection(api.sessions.RefreshSession(bad)) == MALFORMED
    assert arm(await api.sessions.RefreshSession(good)) == "tokens"


async def test_logging_out_ends_the_devices_logins(api, device, new_device):
    tokens, neighbour = (await api.register(device)).tokens, new_device()
    neighbours = (await api.register(neighbour)).tokens
    second = (await api.log_in(device)).tokens
    await api.sessions.EndSession(auth_pb2.EndSessionRequest(), metadata=bearer(tokens.access_token))
    for gone in (tokens, second):
        assert arm(await api.refresh(device, gone.refresh_token)) == "refused"
    assert arm(await api.refresh(neighbour, neighbours.refresh_token)) == "tokens"
    assert arm(await api.log_in(device)) == "tokens"
