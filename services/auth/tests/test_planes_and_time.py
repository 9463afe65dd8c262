"""Both planes, key rotation, cleaning and silence, over real gRPC with the real interceptors."""

import asyncio
import secrets
import time

import grpc
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from handshaker_auth.domain.challenges import LIFETIME_SECONDS
from handshaker_auth.main import Auth
from handshaker_common.entropy import system_entropy
from handshaker_common.identity import Identity
from handshaker_common.testing import running_service
from handshaker_common.tokens import AccessTokenVerifier
from handshaker_proto.auth.v1 import auth_pb2, auth_pb2_grpc
from handshaker_proto.options.v1 import options_pb2

NO_TOKEN = (grpc.StatusCode.UNAUTHENTICATED, "unauthenticated")
WRONG_PLANE = (grpc.StatusCode.UNAUTHENTICATED, "token_on_anonymous_plane")


def bearer(token):
    return (("authorization", f"Bearer {token}"),)


def arm(answer):
    return answer.WhichOneof("outcome")


async def redeem(api):
    challenge, nonce = await api.work(options_pb2.LOOKUP)
    proof = auth_pb2.ProofOfWork(challenge=challenge, nonce=nonce)
    return auth_pb2.RedeemRequest(purpose=options_pb2.LOOKUP, proof_of_work=proof)


# --- planes ---


async def test_an_access_token_is_an_error_on_the_anonymous_plane(api, device, rejection):
    token = (await api.register(device)).tokens.access_token
    calls = [
        (api.admission.GetChallenge, auth_pb2.GetChallengeRequest(purpose=options_pb2.LOOKUP)),
        (api.admission.Redeem, await redeem(api)),
        (api.registration.Register, device.registration()),
        (api.sessions.GetSessionChallenge, auth_pb2.GetSessionChallengeRequest(device_public_key=device.public)),
        (api.sessions.CreateSession, device.login(await api.challenge(device))),
        (api.sessions.RefreshSession, device.refresh(await api.challenge(device), bytes(32))),
    ]
    for call, request in calls:
        assert await rejection(call(request, metadata=bearer(token))) == WRONG_PLANE
        assert await call(request) is not None


async def test_the_account_plane_wants_a_good_token(api, device, clock, rejection):
    token = (await api.register(device)).tokens.access_token
    claims, header = jwt.decode(token, options={"verify_signature": False}), jwt.get_unverified_header(token)
    foreign = jwt.encode(claims, Ed25519PrivateKey.generate(), algorithm="EdDSA", headers=header)
    unsigned = jwt.encode(claims, None, algorithm="none", headers={**header, "alg": "none"})
    calls = [
        (api.sessions.EndSession, auth_pb2.EndSessionRequest()),
        (api.sessions.GetAccount, auth_pb2.GetAccountRequest()),
    ]
    for call, request in calls:
        assert await rejection(call(request)) == NO_TOKEN
        for bad in (foreign, unsigned, token[:-1], "", "x"):
            assert await rejection(call(request, metadata=bearer(bad))) == NO_TOKEN
        assert await call(request, metadata=bearer(token)) is not None
    clock.advance(311)
    for call, request in calls:
        assert await rejection(call(request, metadata=bearer(token))) == NO_TOKEN


# --- keys and restarts ---


async def test_services_check_tokens_with_the_published_keys_across_a_rotation(api, pool, settings, clock, device):
    before = (await api.register(device)).tokens.access_token
    (settings.signing_keys / "2026-02-01").write_bytes(secrets.token_bytes(32))
    rotated = Auth(pool, settings, clock, system_entropy)
    async with running_service("auth", lambda s: rotated.add_to(s.server), verifier=rotated.verifier) as channel:
        published = await auth_pb2_grpc.KeySetServiceStub(channel).GetKeySet(auth_pb2.GetKeySetRequest())
        sessions = auth_pb2_grpc.SessionsServiceStub(channel)
        challenge = await api.challenge(device)  # from the process before
        after = (await sessions.CreateSession(device.login(challenge))).tokens.access_token
    assert len(published.keys) == 2
    assert jwt.get_unverified_header(after)["kid"] == published.keys[1].key_id
    check = AccessTokenVerifier(
        {key.key_id: Ed25519PublicKey.from_public_bytes(key.public_key) for key in published.keys}, clock
    )
    assert check.verify(before) == check.verify(after)
    assert isinstance(check.verify(after), Identity)


async def test_cleaning_deletes_what_has_expired(api, auth, pool, device, clock):
    await api.register(device)
    assert arm(await api.admission.Redeem(await redeem(api))) == "admitted"
    await auth.clean()
    assert await pool.fetchval("SELECT count(*) FROM spent_challenges") == 1
    clock.advance(2 * LIFETIME_SECONDS + 61)
    await auth.clean()
    assert await pool.fetchval("SELECT count(*) FROM spent_challenges") == 0
    assert await pool.fetchval("SELECT count(*) FROM refresh_families") == 1
    clock.advance(32 * 86_400)
    await auth.clean()
    assert await pool.fetchval("SELECT count(*) FROM refresh_families") == 0
    assert await pool.fetchval("SELECT count(*) FROM devices") == 1


async def test_cleaning_goes_on_after_the_database_was_away(auth, pool, monkeypatch):
    calls, done = [], asyncio.Event()

    async def clean():
        calls.append(time.monotonic())
        if len(calls) == 1:
            raise ConnectionResetError
        done.set()

    monkeypatch.setattr(auth, "clean", clean)
    monkeypatch.setattr(auth, "_settings", auth._settings.model_copy(update={"clean_seconds": 0.01}))
    task = asyncio.ensure_future(auth.clean_for_ever())
    await asyncio.wait_for(done.wait(), 5)
    task.cancel()
    assert len(calls) == 2


async def test_nothing_that_names_anybody_is_logged(api, device, capfd, rejection):
    registered = await api.register(device)
    await api.refresh(device, registered.tokens.refresh_token)
    await api.refresh(device, registered.tokens.refresh_token)
    await rejection(api.sessions.GetAccount(auth_pb2.GetAccountRequest(), metadata=bearer("x")))
    written = "".join(capfd.readouterr())
    for secret in (registered.account_id, registered.device_id, device.public.hex(), registered.tokens.access_token):
        assert secret not in written
