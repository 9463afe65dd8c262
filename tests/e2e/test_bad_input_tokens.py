"""Tokens that nobody issued, tokens where none may be, and things that may be used once and are used twice."""

import hmac
import json
import os
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from e2e.calls import CASES
from e2e.hostile import RawConnection, base64url, forge, new_key, signing_input, upgrade
from e2e.rest import ROUTES, decode, without

ACCOUNT_ROUTES = [route for route in ROUTES if not route.anonymous]
ANONYMOUS_ROUTES = [route for route in ROUTES if route.anonymous]


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
