"""Tokens that nobody issued, tokens where none may be, and things that may be used once and are used twice."""

import asyncio
import hashlib
import hmac
import json
import os
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from handshaker_proto.auth.v1 import auth_pb2
from handshaker_proto.options.v1 import options_pb2
from load.mailboxes import Mailbox, solve

from e2e.calls import CASES, creation
from e2e.hostile import RawConnection, base64url, forge, new_key, signing_input, upgrade
from e2e.rest import JSON, PROTOBUF, ROUTE, ROUTES, Account, admission, decode, gateway_at, login, refresh

ACCOUNT_ROUTES = [route for route in ROUTES if not route.anonymous]
ANONYMOUS_ROUTES = [route for route in ROUTES if route.anonymous]


@pytest.fixture
async def account(gateway):
    return await Account.register(gateway)


@pytest.fixture
def signing_key(system):
    """The key that auth itself signs with: whatever is refused in spite of it is refused for what it says."""
    seed = (system.folder.path / "secrets" / "token-signing-key").read_bytes()
    return Ed25519PrivateKey.from_private_bytes(seed)


def parts_of(token):
    header, claims, _ = token.split(".")
    return json.loads(decode(header)), json.loads(decode(claims))


def signed(key, header, claims):
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    return forge(header, payload, key.sign(signing_input(header, payload).encode()))


def with_hmac(header, claims, secret):
    payload = json.dumps(claims).encode()
    return forge(header, payload, hmac.digest(secret, signing_input(header, payload).encode(), "sha256"))


def without(mapping, name):
    return {key: value for key, value in mapping.items() if key != name}


async def ask_account(gateway, token):
    return await gateway.ask("GET", "/v1/account", headers={"Authorization": f"Bearer {token}"})


def forged_tokens(token, key):
    """Tokens that the holder of an account makes of its own, without any of the server's secrets."""
    header, claims = parts_of(token)
    head, body, signature = token.split(".")
    public = key.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    mine = Ed25519PrivateKey.generate()
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": base64url(mine.public_key().public_bytes_raw())}
    flipped = bytearray(decode(signature))
    flipped[5] ^= 1
    for alg in ("none", "None", "nOnE", "NONE", ""):
        yield f"alg={alg}", forge(header | {"alg": alg}, claims, b"")
        yield f"alg={alg} with a signature", forge(header | {"alg": alg}, claims, decode(signature))
    raw = public.public_bytes_raw()
    for name, secret in (("raw", raw), ("base64url", base64url(raw).encode()), ("PEM", pem)):
        yield f"HS256 with the public key, {name}", with_hmac(header | {"alg": "HS256"}, claims, secret)
        yield f"EdDSA that is a HMAC, {name}", with_hmac(header, claims, secret)
    yield "another key", signed(mine, header, claims)
    yield "another key that comes along", signed(mine, header | {"jwk": jwk}, claims)
    yield "another key that lies elsewhere", signed(mine, header | {"jku": "http://127.0.0.1:1/jwks.json"}, claims)
    yield "another key by a certificate", signed(mine, header | {"x5u": "http://127.0.0.1:1/", "x5c": ["AAAA"]}, claims)
    for kid in ("", "../../../../dev/null", "' OR 1=1 --", 0, None, ["a"], {"a": 1}):
        yield f"key id {kid}", signed(mine, header | {"kid": kid}, claims)
    yield "another account", f"{head}.{base64url(json.dumps(claims | {'sub': claims['dev']}).encode())}.{signature}"
    yield "a bit of the signature", f"{head}.{body}.{base64url(bytes(flipped))}"
    yield "half the signature", f"{head}.{body}.{signature[:43]}"
    yield "no signature", f"{head}.{body}."
    yield "two parts", f"{head}.{body}"
    yield "four parts", f"{token}.{signature}"
    yield "an encrypted one", f"{head}.{body}.{body}.{body}.{signature}"
    yield "a space", f"{head} .{body}.{signature}"
    yield "text", "secret"
    yield "a lone dot", "."
    yield "JSON that is none", f"{base64url(b'{')}.{body}.{signature}"
    yield "a header that is a list", f"{base64url(b'[]')}.{body}.{signature}"
    yield "a header nested deeply", f"{base64url(b'[' * 500)}.{body}.{signature}"


def issued_but_wrong(token, key):
    """Tokens with auth's own signature that say what none of them may say."""
    header, claims = parts_of(token)
    now = int(time.time())
    for name, extra in {
        "crit": {"crit": ["exp"]},
        "crit with an extension": {"crit": ["b64"], "b64": False},
        "jku": {"jku": "http://127.0.0.1:1/jwks.json"},
        "jwk": {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": base64url(os.urandom(32))}},
        "another type": {"typ": "JWT"},
        "an ID token": {"typ": "id_token+jwt"},
        "a type in capitals": {"typ": "AT+JWT"},
        "an encoding": {"cty": "JWT", "zip": "DEF"},
        "another name of the algorithm": {"alg": "Ed25519"},
    }.items():
        yield name, signed(key, header | extra, claims)
    yield "no type", signed(key, without(header, "typ"), claims)
    yield "no key id", signed(key, without(header, "kid"), claims)
    for name in claims:
        yield f"no {name}", signed(key, header, without(claims, name))
    for name, wrong in {
        "expired": {"iat": now - 900, "exp": now - 600},
        "expired a minute ago": {"iat": now - 360, "exp": now - 60},
        "not yet": {"iat": now + 600, "exp": now + 900},
        "not before": {"nbf": now + 600},
        "expiry as text": {"exp": str(now + 300)},
        "expiry that is no number": {"exp": None},
        "another issuer": {"iss": "somebody"},
        "another audience": {"aud": "somebody"},
        "several audiences": {"aud": ["handshaker", "somebody"]},
        "a subject that is no UUID": {"sub": "1"},
        "a subject that is a number": {"sub": 1},
        "a device that is none": {"dev": ""},
    }.items():
        yield name, signed(key, header, claims | wrong)
    yield "too long", signed(key, header, claims | {"jti": "A" * 1024})
    yield "claims that are a list", signed(key, header, b"[]")
    yield "claims that are no JSON", signed(key, header, b"{")


@pytest.mark.parametrize("tokens", [forged_tokens, issued_but_wrong])
async def test_whatever_is_wrong_with_a_token_the_answer_is_one(gateway, account, signing_key, tokens):
    right = await ask_account(gateway, account.token)
    assert right.granted() == {"account_id": account.account_id, "device_id": account.device_id}
    header, claims = parts_of(account.token)
    own = signed(signing_key, header, claims | {"jti": "made here"})
    assert (await ask_account(gateway, own)).body == right.body, "the key is auth's: the tokens below fail by content"
    answers = {}
    for name, token in tokens(account.token, signing_key):
        answer = await ask_account(gateway, token)
        answer.problem(401, "unauthenticated")
        answers.setdefault(answer.identity(), []).append(name)
    assert len(answers) == 1, list(answers.values())
    assert len(next(iter(answers.values()))) > 20
    assert (await ask_account(gateway, account.token)).body == right.body


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer ", "Basic {}", "{}", "Bearer {} ", "Bearer  {}", "Bearer {},{}", "Token {}"]
)
async def test_other_ways_to_show_a_token(gateway, account, value):
    value = value.replace("{}", account.token)
    # A trailing space is no part of a field's value, RFC 9110 section 5.5.
    if value == f"Bearer {account.token} ":
        (await gateway.ask("GET", "/v1/account", headers={"Authorization": value})).granted()
        return
    answer = await gateway.ask("GET", "/v1/account", headers={"Authorization": value})
    answer.problem(401, "unauthenticated")
    assert answer.header("www-authenticate") == 'Bearer realm="handshaker"'
    (await gateway.ask("GET", "/v1/account", headers={"authorization": f"bearer {account.token}"})).granted()


async def test_two_tokens_are_none(gateway, account):
    fields = [("Authorization", f"Bearer {account.token}")]
    (await gateway.ask("GET", "/v1/account", headers=fields * 2)).problem(401, "unauthenticated")
    (await gateway.ask("GET", "/v1/account", headers=fields)).granted()


@pytest.mark.parametrize("route", ACCOUNT_ROUTES, ids=lambda route: route.name)
async def test_the_account_plane_needs_a_token(gateway, route):
    case = await CASES[route.name](gateway)
    before = await case.look()
    answers = [await gateway.call(route, case.message), await gateway.call(route, case.message, token="a.b.c")]
    header, claims = parts_of(case.account.token)
    answers.append(await gateway.call(route, case.message, token=forge(header | {"alg": "none"}, claims, b"")))
    for answer in answers:
        answer.problem(401, "unauthenticated")
    assert answers[1].identity() == answers[2].identity()
    assert await case.look() == before
    (await case.grant(gateway)).granted()


@pytest.mark.parametrize("route", ANONYMOUS_ROUTES, ids=lambda route: route.name)
async def test_the_anonymous_plane_takes_no_token(gateway, account, route):
    case = await CASES[route.name](gateway)
    before = await case.look()
    answers = [
        await gateway.call(route, case.message, headers={"Authorization": value})
        for value in (f"Bearer {account.token}", "Bearer a.b.c", "Basic YTpi", "")
    ]
    for answer in answers:
        answer.problem(400, "token_on_anonymous_plane")
    assert len({answer.identity() for answer in answers}) == 1
    assert await case.look() == before
    (await case.grant(gateway)).granted()


async def test_a_websocket_takes_no_token(gateway, account):
    for value in (f"Bearer {account.token}", "Bearer a.b.c", "Basic YTpi"):
        async with await RawConnection.open(gateway.url) as connection:
            await connection.write(upgrade(connection.host, new_key(), {"Authorization": value}))
            head = await connection.head()
            assert (head.status, head.fields["content-type"]) == (400, "application/problem+json")
            body = await connection.read(int(head.fields["content-length"]))
            assert json.loads(body)["reason"] == "token_on_anonymous_plane"
            await connection.write(upgrade(connection.host, new_key()))
            assert (await connection.head()).status == 101


# --- sessions ---


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
