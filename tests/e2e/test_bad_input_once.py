"""Things that may be used once and are used twice: challenges, refresh tokens, admissions."""

import asyncio
import hashlib
import os

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from handshaker_proto.auth.v1 import auth_pb2
from handshaker_proto.options.v1 import options_pb2
from load.mailboxes import Mailbox, solve

from e2e.calls import CASES, creation
from e2e.rest import JSON, PROTOBUF, ROUTE, ROUTES, Account, admission, decode, gateway_at, login, refresh, without


async def create(gateway, request):
    return await gateway.call(ROUTE["CreateSession"], request)


async def test_a_session_challenge_is_good_once(gateway, account):
    request = await account.login()
    first, second = await create(gateway, request), await create(gateway, request)
    first.granted()
    second.problem(403, "refused")
    both = await asyncio.gather(*[create(gateway, await account.login()) for _ in range(2)])
    assert [answer.status for answer in both] == [200, 200], "two challenges are good for two logins"


async def test_logins_that_fail_are_one_answer(gateway, account):
    stranger, other = Ed25519PrivateKey.generate(), await Account.register(gateway)
    spent = await account.login()
    (await create(gateway, spent)).granted()
    unsigned, foreign, changed = await account.login(), await account.login(), await account.login()
    unsigned.signature = os.urandom(64)
    foreign.signature = other.key.sign(b"handshaker/v1/session" + foreign.challenge)
    changed.challenge = bytes([changed.challenge[0] ^ 1]) + changed.challenge[1:]
    other_label = await account.login()
    other_label.signature = account.key.sign(b"handshaker/v1/refresh" + other_label.challenge)
    request = auth_pb2.GetSessionChallengeRequest(device_public_key=stranger.public_key().public_bytes_raw())
    for_stranger = decode((await gateway.call(ROUTE["GetSessionChallenge"], request)).granted()["challenge"])
    payment, _ = await gateway.work(options_pb2.REGISTRATION)
    small_order = auth_pb2.CreateSessionRequest(
        device_public_key=bytes(32), challenge=for_stranger, signature=bytes(64)
    )
    refused = [
        spent,
        unsigned,
        foreign,
        changed,
        other_label,
        login(stranger, for_stranger),  # no such device
        login(account.key, for_stranger),  # another's challenge
        login(account.key, payment),  # a challenge to work on
        login(account.key, b"\0" * 59),
        small_order,
    ]
    answers = [await create(gateway, each) for each in refused]
    answers[0].problem(403, "refused")
    assert len({answer.identity() for answer in answers}) == 1
    unsigned.signature = account.key.sign(b"handshaker/v1/session" + unsigned.challenge)
    (await create(gateway, unsigned)).granted()  # a wrong signature does not spend a challenge


async def test_challenges_do_not_tell_who_is_registered(gateway, account):
    keys = [account.public, Ed25519PrivateKey.generate().public_key().public_bytes_raw()]
    requests = [auth_pb2.GetSessionChallengeRequest(device_public_key=key) for key in keys]
    known, unknown = [await gateway.call(ROUTE["GetSessionChallenge"], request) for request in requests]
    assert known.status == unknown.status == 200
    assert len(known.body) == len(unknown.body)
    assert without(known.granted(), "challenge") == without(unknown.granted(), "challenge")
    assert known.identity()[1] == unknown.identity()[1]


async def test_a_refresh_token_used_twice_ends_its_family(gateway, account):
    elsewhere = (await create(gateway, await account.login())).granted()  # a second family of the same device
    old = account.refresh_token
    (await account.refresh()).granted()
    newest = account.refresh_token
    assert newest != old
    (await gateway.call(ROUTE["RefreshSession"], await account.refreshing(old))).problem(403, "refused")
    (await gateway.call(ROUTE["RefreshSession"], await account.refreshing(newest))).problem(403, "refused")
    other = await gateway.call(ROUTE["RefreshSession"], await account.refreshing(decode(elsewhere["refresh_token"])))
    other.granted()


async def test_refreshes_that_fail_are_one_answer_and_end_nothing(gateway, account):
    other = await Account.register(gateway)
    unsigned = await account.refreshing()
    unsigned.signature = os.urandom(64)
    as_login = await account.refreshing()
    as_login.signature = account.key.sign(b"handshaker/v1/session" + as_login.challenge)
    other_token = await account.refreshing()
    other_token.refresh_token = os.urandom(32)
    attempts = [
        unsigned,
        as_login,
        other_token,  # signed for another token
        await account.refreshing(os.urandom(32)),  # no such token
        refresh(other.key, await other.challenge(), account.refresh_token),  # stolen: another's device
        refresh(account.key, await other.challenge(), account.refresh_token),  # another's challenge
    ]
    answers = [await gateway.call(ROUTE["RefreshSession"], attempt) for attempt in attempts]
    answers[0].problem(403, "refused")
    assert len({answer.identity() for answer in answers}) == 1
    (await account.refresh()).granted()
    (await other.refresh()).granted()


async def test_one_refresh_of_many_at_once_is_granted(system, account):
    """And the others, which show that there are two copies, end the family."""
    async with gateway_at(system.gateway_urls[1]) as second:
        requests = [await account.refreshing() for _ in range(6)]
        ways = [account.gateway, second] * 3
        answers = await asyncio.gather(
            *[way.call(ROUTE["RefreshSession"], request) for way, request in zip(ways, requests, strict=True)]
        )
    assert sorted(answer.status for answer in answers) == [200, 403, 403, 403, 403, 403]
    granted = next(answer for answer in answers if answer.status == 200).granted()
    account.refresh_token = decode(granted["refresh_token"])
    (await account.refresh()).problem(403, "refused")
    (await create(account.gateway, await account.login())).granted()


# --- admissions ---


async def pay(gateway, mailbox, value):
    fields = {"Admission": value, "Accept": JSON}
    body = creation(mailbox).SerializeToString()
    return await gateway.ask("POST", "/a/v1/mailboxes", body, fields | {"Content-Type": PROTOBUF})


@pytest.mark.parametrize("route", [r for r in ROUTES if r.rule.admission], ids=lambda route: route.name)
async def test_what_is_paid_for_is_not_free(gateway, route):
    case = await CASES[route.name](gateway)
    before = await case.look()
    fields = {"Content-Type": PROTOBUF}
    body = case.message.SerializeToString()
    answer = await gateway.ask(route.verb, route.path(case.message), body, fields)
    document = answer.problem(428, "admission_required")
    assert document["purpose"] == options_pb2.Admission.Name(route.rule.admission)
    purposes = [number for number in range(1, 6) if number != route.rule.admission]
    for purpose in purposes:
        challenge, bits = await gateway.work(purpose)
        wrong = fields | {"Admission": admission(challenge, solve(challenge, bits))}
        answer = await gateway.ask(route.verb, route.path(case.message), body, wrong)
        assert answer.problem(403, "admission_refused")["purpose"] == document["purpose"]
    assert await case.look() == before
    (await case.grant(gateway)).granted()


async def test_admissions_that_are_not_taken(gateway):
    mailbox = Mailbox.new()
    challenge, bits = await gateway.work(options_pb2.MAILBOX)
    nonce = solve(challenge, bits)
    assert bits > 0
    idle = next(n for n in range(2**20) if not is_worked(challenge, n, bits))
    changed = bytes([challenge[0] ^ 1]) + challenge[1:]
    easier = challenge[:2] + b"\0" + challenge[3:]  # the byte that says how hard it is
    wrong = [
        admission(challenge, idle.to_bytes(8, "big")),
        admission(changed, solve(changed, bits)),
        admission(easier, bytes(8)),
        admission(os.urandom(59), bytes(8)),
        admission(challenge[:-1], nonce),
        admission(challenge + b"\0", solve(challenge + b"\0", bits)),
        admission(os.urandom(128), bytes(8)),
    ]
    answers = [await pay(gateway, mailbox, value) for value in wrong]
    answers[0].problem(403, "admission_refused")
    assert len({answer.identity() for answer in answers}) == 1
    for value in (
        admission(os.urandom(129), bytes(8)),
        admission(challenge, nonce + b"\0"),
        admission(challenge, b"a"),
    ):
        (await pay(gateway, mailbox, value)).problem(400, "malformed")
    twice = [("Admission", admission(challenge, nonce))] * 2
    body = creation(mailbox).SerializeToString()
    fields = [("Content-Type", PROTOBUF), *twice]
    (await gateway.ask("POST", "/a/v1/mailboxes", body, fields)).problem(400, "malformed")
    (await pay(gateway, mailbox, admission(challenge, nonce))).granted()  # none of it has spent the challenge


def is_worked(challenge, nonce, bits):
    digest = hashlib.sha256(challenge + nonce.to_bytes(8, "big")).digest()
    return int.from_bytes(digest, "big") >> (256 - bits) == 0


async def test_an_admission_is_taken_once_by_whichever_gateway(system, gateway):
    challenge, bits = await gateway.work(options_pb2.MAILBOX)
    value = admission(challenge, solve(challenge, bits))
    async with gateway_at(system.gateway_urls[1]) as second:
        answers = await asyncio.gather(*[pay(way, Mailbox.new(), value) for way in [gateway, second] * 5])
    assert sorted(answer.status for answer in answers) == [200] + [403] * 9
    (await pay(gateway, Mailbox.new(), value)).problem(403, "admission_refused")
    # Another solution of the same challenge is no second payment.
    other = next(
        n for n in range(2**30) if is_worked(challenge, n, bits) and admission(challenge, n.to_bytes(8, "big")) != value
    )
    (await pay(gateway, Mailbox.new(), admission(challenge, other.to_bytes(8, "big")))).problem(
        403, "admission_refused"
    )
