"""Tokens that are not ours, or no longer: one answer, whatever is wrong with them."""

import base64
import hashlib
import hmac
import json
import time
import uuid

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from gateway_raw import raw
from handshaker_common.identity import Identity
from handshaker_common.testing import FakeClock
from handshaker_gateway.domain.tokens import TokenMemory, bearer

pytestmark = pytest.mark.asyncio(loop_scope="session")


def part(value):
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def resigned(stack, header, claims):
    """Any header and claims at all, rightly signed by auth's own key."""
    signed = f"{part(header)}.{part(claims)}"
    return f"{signed}.{part(stack.signing_key.sign(signed.encode()))}"


class Corpus:
    """Tokens that must not be taken, each with a name for what is wrong with it."""

    def __init__(self, stack):
        self.stack = stack
        self.public = stack.signing_key.public_key()
        self.good = stack.sign_token()
        self.header = {"alg": "EdDSA", "typ": "at+jwt", "kid": stack.key_id}
        self.claims = jwt.decode(self.good, options={"verify_signature": False})

    def __iter__(self):
        yield from self.forms()
        yield from self.algorithms()
        yield from self.headers()
        yield from self.contents()

    def forms(self):
        head, body, signature = self.good.split(".")
        flipped = ("A" if signature[0] != "A" else "B") + signature[1:]
        yield "empty", ""
        yield "text", "not-a-token"
        yield "two parts", f"{head}.{body}"
        yield "four parts", f"{self.good}.AA"
        yield "empty parts", ".."
        yield "not base64", "!!!.???.***"
        yield "no signature", f"{head}.{body}."
        yield "flipped bit", f"{head}.{body}.{flipped}"
        yield "other claims under the signature", f"{head}.{part(self.claims | {'jti': 'y'})}.{signature}"
        yield "too long", self.stack.sign_token(jti="x" * 1200)

    def algorithms(self):
        raw_key = self.public.public_bytes_raw()
        pem = self.public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        foreign = Ed25519PrivateKey.generate()
        yield "alg none", f"{part(self.header | {'alg': 'none'})}.{part(self.claims)}."
        yield "alg None", f"{part(self.header | {'alg': 'None'})}.{part(self.claims)}."
        yield "alg none, signed", resigned(self.stack, self.header | {"alg": "none"}, self.claims)
        yield "HS256 with the raw public key", self.by_hmac(raw_key)
        yield "HS256 with the PEM of the public key", self.by_hmac(pem)
        rsa_key = rsa.generate_private_key(65537, 2048)
        yield "RS256", self.stack.sign_token(key=rsa_key, headers={"alg": "RS256"})
        yield "another key", self.stack.sign_token(key=foreign)
        yield "another key under its own name", self.stack.sign_token(key=foreign, headers={"kid": "other"})
        public = {"kty": "OKP", "crv": "Ed25519", "x": part(foreign.public_key().public_bytes_raw())}
        yield "key inside", self.stack.sign_token(key=foreign, headers={"jwk": public})

    def by_hmac(self, key):
        signed = f"{part(self.header | {'alg': 'HS256'})}.{part(self.claims)}"
        return f"{signed}.{part(hmac.digest(key, signed.encode(), hashlib.sha256))}"

    def headers(self):
        key_id = self.stack.key_id
        changed = {
            "jku": {"jku": "http://127.0.0.1/keys"},
            "x5u": {"x5u": "http://127.0.0.1/keys"},
            "crit": {"crit": ["exp"]},
            "crit, empty": {"crit": []},
            "zip": {"zip": "DEF"},
            "typ JWT": {"typ": "JWT"},
            "kid is a path": {"kid": "../../etc/passwd"},
            "kid is a list": {"kid": [key_id]},
            "kid is null": {"kid": None},
            "alg is a list": {"alg": ["EdDSA"]},
        }
        for name, fields in changed.items():
            yield name, resigned(self.stack, self.header | fields, self.claims)
        yield "no typ", resigned(self.stack, {"alg": "EdDSA", "kid": key_id}, self.claims)
        yield "no kid", resigned(self.stack, {"alg": "EdDSA", "typ": "at+jwt"}, self.claims)
        yield "header is a list", resigned(self.stack, [self.header], self.claims)

    def contents(self):
        now = int(time.time())
        sign = self.stack.sign_token
        yield "expired", sign(exp=now - 60, iat=now - 360)
        yield "from the future", sign(iat=now + 3600, exp=now + 3900)
        yield "not before", sign(nbf=now - 5)
        yield "wrong aud", sign(aud="other")
        yield "aud is a list", sign(aud=["handshaker"])
        yield "wrong iss", sign(iss="other")
        yield "sub is no UUID", sign(sub="root")
        for claim in ("iss", "aud", "sub", "dev", "iat", "exp", "jti"):
            yield f"no {claim}", sign(**{claim: None})
        strange = {"exp": [str(now + 300), None, float("nan"), float("inf"), True], "sub": [1, None], "dev": ["x"]}
        for claim, values in strange.items():
            for value in values:
                yield f"{claim} is {value}", resigned(self.stack, self.header, self.claims | {claim: value})
        yield "claims are a list", resigned(self.stack, self.header, [self.claims])
        yield "claims are no JSON", resigned(self.stack, self.header, b"\xff")
        yield "nested deeply", resigned(self.stack, self.header, b"[" * 500)
        yield "a token in a token", resigned(self.stack, self.header | {"cty": "JWT"}, self.good.encode())
        yield "rightly signed twice", resigned(self.stack, self.header, self.good.encode())


async def test_malicious_tokens_are_all_the_same(stack, person):
    details = set()
    for name, token in Corpus(stack):
        answer = await stack.send("GET", "/v1/account", token=token)
        assert (answer.status, answer.reason) == (401, "unauthenticated"), name
        assert answer.headers["WWW-Authenticate"].startswith("Bearer"), name
        details.add(answer.body)
    assert len(details) == 1
    assert (await stack.send("GET", "/v1/account", token=person.token)).status == 200
    good = Corpus(stack)
    for token in (good.good, resigned(stack, good.header, good.claims)):  # by the same tools, with nothing wrong
        assert (await stack.send("GET", "/v1/account", token=token)).status == 200


@pytest.mark.parametrize("scheme", ["Basic", "DPoP", "Token", "Bearer  ", "Bearer\t"])
async def test_other_schemes(stack, person, scheme):
    answer = await stack.send("GET", "/v1/account", headers={"Authorization": f"{scheme} {person.token}"})
    assert (answer.status, answer.reason) == (401, "unauthenticated")


async def test_the_scheme_has_no_case(stack, person):
    answer = await stack.send("GET", "/v1/account", headers={"Authorization": f"bEARER {person.token}"})
    assert answer.status == 200


async def test_two_tokens_in_one_request(stack, person):
    request = (
        f"GET /v1/account HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {person.token}\r\n"
        f"Authorization: Bearer {person.token}\r\n\r\n"
    )
    assert b" 401 " in (await raw(stack.port, request.encode())).split(b"\r\n")[0]


async def test_a_verified_token_is_not_verified_again(stack, person, monkeypatch):
    await stack.send("GET", "/v1/account", token=person.token)
    verifier = stack.gateway.keys.verifier
    asked = []
    monkeypatch.setattr(verifier, "verify_until", lambda token: asked.append(token) or (_ for _ in ()).throw(OSError))
    assert (await stack.send("GET", "/v1/account", token=person.token)).status == 200
    assert asked == []
    await stack.send("GET", "/v1/account", token=stack.sign_token(jti="new"))
    assert len(asked) == 1


async def test_services_check_for_themselves(stack, person, monkeypatch):
    """A gateway that believed a bad token would still be refused by the service behind it."""
    forged = stack.sign_token(key=Ed25519PrivateKey.generate())
    assert (await stack.send("GET", "/v1/account", token=forged)).status == 401

    async def believe(_token):
        return Identity(uuid.uuid4(), uuid.uuid4()), time.time() + 60

    monkeypatch.setattr(stack.gateway.keys, "verify_until", believe)
    answer = await stack.send("GET", "/v1/account", token=forged)
    assert (answer.status, answer.reason) == (401, "unauthenticated")


async def test_memory_forgets_at_expiry_and_keeps_the_used():
    clock = FakeClock()
    memory = TokenMemory(clock, size=2)
    who = Identity(uuid.uuid4(), uuid.uuid4())
    memory.keep("a", who, clock.now() + 10)
    memory.keep("b", who, clock.now() + 10)
    assert memory.recall("a") == who
    memory.keep("c", who, clock.now() + 10)
    assert memory.recall("b") is None
    assert memory.recall("a") == who
    clock.advance(10)
    assert memory.recall("a") is None
    assert memory.recall("c") is None
    assert len(memory) == 0


async def test_reading_the_header_field():
    assert bearer(["Bearer abc"]) == "abc"
    for fields in ([], ["Bearer"], ["Bearer "], ["Bearer  abc"], ["abc"], ["Basic abc"], ["Bearer a", "Bearer a"]):
        assert bearer(fields) is None
