"""Admissions over real gRPC with the real interceptors."""

import asyncio

import grpc
from handshaker_auth.domain.challenges import LIFETIME_SECONDS
from handshaker_common import metrics
from handshaker_proto.auth.v1 import auth_pb2
from handshaker_proto.options.v1 import options_pb2

MALFORMED = (grpc.StatusCode.INVALID_ARGUMENT, "malformed")


def redeem(challenge, found, purpose=options_pb2.LOOKUP):
    proof = auth_pb2.ProofOfWork(challenge=challenge, nonce=found)
    return auth_pb2.RedeemRequest(purpose=purpose, proof_of_work=proof)


def arm(answer):
    return answer.WhichOneof("outcome")


async def test_worked_challenges_are_admitted_once(api, settings):
    answer = await api.admission.GetChallenge(auth_pb2.GetChallengeRequest(purpose=options_pb2.REGISTRATION))
    assert (answer.difficulty_bits, answer.expires_in_seconds) == (settings.pow_bits_registration, LIFETIME_SECONDS)
    request = redeem(*await api.work(options_pb2.LOOKUP))
    assert [arm(await api.admission.Redeem(request)) for _ in range(3)] == ["admitted", "refused", "refused"]


async def test_one_proof_of_work_in_fifty_concurrent_tries_is_admitted_once(api):
    request = redeem(*await api.work(options_pb2.LOOKUP))
    arms = [arm(a) for a in await asyncio.gather(*(api.admission.Redeem(request) for _ in range(50)))]
    assert arms.count("admitted") == 1
    assert arms.count("refused") == 49


async def test_what_was_not_worked_for_is_refused(api, nonce, device, clock):
    challenge, found = await api.work(options_pb2.LOOKUP)
    lazy = nonce(challenge, lambda count: count < 8)
    forged = challenge[:-1] + bytes([challenge[-1] ^ 1])
    session = await api.challenge(device)
    refused = [
        redeem(challenge, lazy),
        redeem(challenge, found, options_pb2.MAILBOX),
        redeem(forged, nonce(forged, lambda count: count >= 8)),
        redeem(session, nonce(session, lambda count: count >= 8)),
        redeem(b"", found),
        redeem(bytes(128), found),
        auth_pb2.RedeemRequest(purpose=options_pb2.LOOKUP),
    ]
    for request in refused:
        assert arm(await api.admission.Redeem(request)) == "refused"
    assert arm(await api.admission.Redeem(redeem(challenge, found))) == "admitted"
    late, found_late = await api.work(options_pb2.LOOKUP)
    clock.advance(LIFETIME_SECONDS)
    assert arm(await api.admission.Redeem(redeem(late, found_late))) == "refused"


async def test_admissions_of_the_wrong_form_are_rejected(api, rejection):
    challenge, found = await api.work(options_pb2.LOOKUP)
    for request in (redeem(challenge, found[:-1]), redeem(challenge, found + b"\0"), redeem(bytes(129), found)):
        assert await rejection(api.admission.Redeem(request)) == MALFORMED
    for purpose in (0, 6):
        request = auth_pb2.GetChallengeRequest(purpose=purpose)
        assert await rejection(api.admission.GetChallenge(request)) == MALFORMED
        assert await rejection(api.admission.Redeem(redeem(challenge, found, purpose))) == MALFORMED
    assert arm(await api.admission.Redeem(redeem(challenge, found))) == "admitted"


async def test_admissions_are_counted_by_purpose_and_outcome(api):
    counters = [metrics.ADMISSIONS.labels("lookup", outcome) for outcome in ("admitted", "refused")]
    before = [counter._value.get() for counter in counters]
    request = redeem(*await api.work(options_pb2.LOOKUP))
    for _ in range(3):
        await api.admission.Redeem(request)
    assert [c._value.get() - b for c, b in zip(counters, before, strict=True)] == [1, 2]
