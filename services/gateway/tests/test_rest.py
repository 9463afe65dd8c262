"""Requests through the gateway to the real auth and keys."""

import secrets

import pytest
from handshaker_gateway.domain import base64url
from handshaker_gateway.domain.routes import all_routes
from handshaker_proto.auth.v1 import auth_pb2
from handshaker_proto.keys.v1 import keys_pb2
from handshaker_proto.options.v1 import options_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")
ROUTES = all_routes()


def filled(route):
    """The route's path with something in place of each parameter."""
    parts = [base64url.encode(bytes(16)) if part.startswith("{") else part for part in route.segments]
    return "/" + "/".join(parts)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.verb} {route.template}")
async def test_every_route_stands_on_one_plane(stack, person, route):
    body = {} if route.takes_body else None
    with_token = await stack.send(route.verb, filled(route), body, token=person.token)
    without = await stack.send(route.verb, filled(route), body)
    if route.rule.plane == options_pb2.ACCOUNT:
        assert (without.status, without.reason) == (401, "unauthenticated")
        assert without.headers["WWW-Authenticate"].startswith("Bearer")
        assert with_token.status != 401
    else:
        assert (with_token.status, with_token.reason) == (400, "token_on_anonymous_plane")
        assert without.status != 401
        assert without.status == 200 or without.reason != "token_on_anonymous_plane"


async def test_an_account_from_registration_to_logout(stack, person):
    account = await stack.send("GET", "/v1/account", token=person.token)
    assert account.status == 200
    assert account.json["account_id"] == person.account_id
    assert account.headers["Content-Type"] == "application/json"
    assert account.headers["Cache-Control"] == "no-store"
    assert account.headers["X-Content-Type-Options"] == "nosniff"
    assert account.headers["Server"] == "handshaker"
    assert "Access-Control-Allow-Origin" not in account.headers
    ended = await stack.send("DELETE", "/v1/session", token=person.token)
    assert (ended.status, ended.json) == (200, {})


async def test_protobuf_on_the_same_routes(stack, person):
    answer = await stack.send("GET", "/v1/account", token=person.token, headers={"Accept": "application/x-protobuf"})
    assert answer.headers["Content-Type"] == "application/x-protobuf"
    assert auth_pb2.GetAccountResponse.FromString(answer.body).account_id == person.account_id

    request = auth_pb2.GetSessionChallengeRequest(device_public_key=person.public)
    challenge = await stack.send(
        "POST",
        "/a/v1/sessions/challenge",
        data=request.SerializeToString(),
        headers={"Content-Type": "application/x-protobuf"},
    )
    assert challenge.headers["Content-Type"] == "application/x-protobuf"
    got = auth_pb2.GetSessionChallengeResponse.FromString(challenge.body)
    login = auth_pb2.CreateSessionRequest(
        device_public_key=person.public,
        challenge=got.challenge,
        signature=person.key.sign(b"handshaker/v1/session" + got.challenge),
    )
    headers = {"Content-Type": "application/x-protobuf", "Accept": "application/json"}
    tokens = await stack.send("POST", "/a/v1/sessions", data=login.SerializeToString(), headers=headers)
    assert tokens.status == 200
    assert set(tokens.json) == {
        "access_token",
        "access_expires_in_seconds",
        "refresh_token",
        "refresh_expires_in_seconds",
    }
    again = await stack.send("POST", "/a/v1/sessions", data=login.SerializeToString(), headers=headers)
    assert (again.status, again.reason) == (403, "refused")


async def test_bundle_is_published_paid_for_and_fetched(stack, person):
    bundle_id = secrets.token_bytes(16)
    path = f"/v1/bundles/{base64url.encode(bundle_id)}"
    key = keys_pb2.KemPreKey(key_id=1, public_key=bytes(1568), signature=bytes(64))
    base = keys_pb2.BundleBase(
        suite=keys_pb2.SUITE_HANDSHAKER_V1,
        identity_key=bytes(32),
        seal_key=bytes(1216),
        seal_key_signature=bytes(64),
        signed_prekey=keys_pb2.SignedPreKey(key_id=1, public_key=bytes(32), signature=bytes(64)),
        last_resort_kem_prekey=key,
        device_certificate=bytes(169),
    )
    protobuf = {"Content-Type": "application/x-protobuf"}
    publish = keys_pb2.PublishBundleRequest(base=base).SerializeToString()
    published = await stack.send("PUT", path, data=publish, token=person.token, headers=protobuf)
    assert published.status == 200, published.body
    prekeys = {"one_time_prekeys": [{"key_id": 7, "public_key": base64url.encode(bytes(32))}]}
    uploaded = await stack.send("POST", f"{path}/prekeys", prekeys, token=person.token)
    assert uploaded.json == {"one_time_prekeys": 1, "kem_prekeys": 0}
    counts = await stack.send("GET", f"{path}/counts", token=person.token)
    assert counts.json == uploaded.json

    unpaid = await stack.send("POST", f"/a{path}")
    assert (unpaid.status, unpaid.reason) == (428, "admission_required")
    assert unpaid.json["purpose"] == "FIRST_CONTACT"
    assert unpaid.json["challenges"] == "/a/v1/challenges"
    admission = await stack.pay("FIRST_CONTACT")
    fetched = await stack.send("POST", f"/a{path}", admission=admission)
    assert fetched.status == 200
    assert fetched.json["one_time_prekey"]["key_id"] == 7
    assert fetched.json["base"]["suite"] == "SUITE_HANDSHAKER_V1"
    assert "kem_prekey" not in fetched.json
    twice = await stack.send("POST", f"/a{path}", admission=admission)
    assert (twice.status, twice.reason) == (403, "admission_refused")
    assert (await stack.send("GET", f"{path}/counts", token=person.token)).json["one_time_prekeys"] == 0


async def test_an_admission_is_good_for_its_purpose_only(stack):
    body = {"lookup_hash": base64url.encode(bytes(32))}
    wrong = await stack.send("POST", "/a/v1/usernames/lookup", body, admission=await stack.pay("MAILBOX"))
    assert (wrong.status, wrong.reason) == (403, "admission_refused")
    right = await stack.send("POST", "/a/v1/usernames/lookup", body, admission=await stack.pay("LOOKUP"))
    assert (right.status, right.reason) == (403, "refused")


@pytest.mark.parametrize(
    "admission",
    [
        "",
        "pow",
        "pow AAAA",
        "pow AAAA.",
        "pow .AAAA",
        "pow !!!!.AAAAAAAAAAA",
        "pow AAAA.AAAA",
        "basic AAAA.AAAAAAAAAAA",
        f"pow {'A' * 400}.AAAAAAAAAAA",
        "pow AAAA.AAAAAAAAAAA.AAAA",
    ],
)
async def test_malformed_admissions(stack, admission):
    body = {"lookup_hash": base64url.encode(bytes(32))}
    answer = await stack.send("POST", "/a/v1/usernames/lookup", body, admission=admission)
    assert (answer.status, answer.reason) == (400, "malformed")
    assert "Admission" in answer.json["detail"]


async def test_a_mistake_in_the_request_spends_no_admission(stack):
    admission = await stack.pay("LOOKUP")
    wrong = await stack.send("POST", "/a/v1/usernames/lookup", {"lookup_hash": "AA"}, admission=admission)
    assert (wrong.status, wrong.reason) == (400, "malformed")
    body = {"lookup_hash": base64url.encode(bytes(32))}
    right = await stack.send("POST", "/a/v1/usernames/lookup", body, admission=admission)
    assert right.reason == "refused"


async def test_refusals_of_the_domain_are_problems(stack, person):
    again = await person.register()
    assert (again.status, again.reason) == (409, "already_registered")
    other = type(person)(stack)
    other.public = secrets.token_bytes(32)
    bad = await other.register()
    assert (bad.status, bad.reason) == (403, "bad_proof")


async def test_a_username_is_taken_once(stack, person):
    name = {"lookup_hash": base64url.encode(secrets.token_bytes(32)), "sealed_address": base64url.encode(bytes(512))}
    assert (await stack.send("PUT", "/v1/username", name, token=person.token)).status == 200
    other = type(person)(stack)
    await other.register()
    taken = await stack.send("PUT", "/v1/username", name, token=other.token)
    assert (taken.status, taken.reason) == (409, "username_taken")
    lookup = {"lookup_hash": name["lookup_hash"]}
    found = await stack.send("POST", "/a/v1/usernames/lookup", lookup, admission=await stack.pay("LOOKUP"))
    assert found.json == {"sealed_address": name["sealed_address"]}
    assert (await stack.send("DELETE", "/v1/username", token=person.token)).status == 200
    gone = await stack.send("POST", "/a/v1/usernames/lookup", lookup, admission=await stack.pay("LOOKUP"))
    assert (gone.status, gone.reason) == (403, "refused")


async def test_services_that_are_away_or_not_configured(stack):
    key = {"recv_public_key": base64url.encode(bytes(32)), "signature": base64url.encode(bytes(64))}
    for path, body in (("/a/v1/mailboxes/delete", key), ("/a/v1/wake-targets/key", None)):
        answer = await stack.send("POST" if body else "GET", path, body)
        assert (answer.status, answer.reason) == (503, "unavailable")
        assert int(answer.headers["Retry-After"]) >= 1


async def test_what_is_not_there(stack):
    for path in ("/", "/v1", "/v1/", "/v1/nothing", "/a/v1/bundles/", "/v1/bundles/a/b/c", "//healthz", "/v1/account/"):
        answer = await stack.send("GET", path)
        assert (answer.status, answer.reason) == (404, "not_found"), path
    answer = await stack.send("PATCH", "/v1/username")
    assert (answer.status, answer.reason) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == "DELETE, PUT"
    assert (await stack.send("POST", "/healthz")).headers["Allow"] == "GET"
    assert (await stack.send("OPTIONS", "/v1/account")).status == 405


async def test_internal_methods_have_no_route(stack, person):
    for path in (
        "/handshaker.auth.v1.AdmissionService/Redeem",
        "/v1/redeem",
        "/handshaker.auth.v1.KeySetService/GetKeySet",
    ):
        assert (await stack.send("POST", path, {}, token=person.token)).status == 404


async def test_bodies_where_none_belongs(stack, person):
    answer = await stack.send("GET", "/v1/account", {"x": 1}, token=person.token)
    assert (answer.status, answer.reason) == (400, "malformed")
    assert (await stack.send("DELETE", "/v1/username", {"x": 1}, token=person.token)).reason == "malformed"


async def test_a_query_is_refused(stack, person):
    answer = await stack.send("GET", "/v1/account?token=abc", token=person.token)
    assert (answer.status, answer.reason) == (400, "malformed")


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
        "text/plain",
        "application/jsonx",
        "",
        "application/json; charset=utf-16",
        "application/json; charset=latin-1",
        "application/problem+json",
    ],
)
async def test_other_types_of_bodies(stack, content_type):
    answer = await stack.send(
        "POST", "/a/v1/challenges", data=b'{"purpose": "MAILBOX"}', headers={"Content-Type": content_type}
    )
    assert (answer.status, answer.reason) == (415, "unsupported_media_type")


async def test_types_that_are_taken(stack):
    for content_type in ("application/json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"'):
        answer = await stack.send(
            "POST", "/a/v1/challenges", data=b'{"purpose": "MAILBOX"}', headers={"Content-Type": content_type}
        )
        assert answer.status == 200
    packed = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = await stack.send("POST", "/a/v1/challenges", data=b"\x1f\x8b", headers=packed)
    assert (answer.status, answer.reason) == (415, "unsupported_media_type")
    answer = await stack.send("POST", "/a/v1/challenges", {"purpose": "MAILBOX"}, headers={"Accept": "text/html"})
    assert (answer.status, answer.reason) == (406, "not_acceptable")


async def test_the_keys_of_tokens(stack):
    answer = await stack.send("GET", "/.well-known/jwks.json")
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    (key,) = answer.json["keys"]
    assert key["kty"] == "OKP"
    assert key["crv"] == "Ed25519"
    assert key["kid"] == stack.key_id
    assert base64url.decode(key["x"]) == stack.signing_key.public_key().public_bytes_raw()


async def test_health_and_readiness(stack):
    assert (await stack.send("GET", "/healthz")).json == {"status": "ok"}
    answer = await stack.send("GET", "/readyz")
    assert answer.status == 503
    assert answer.json == {"ready": False, "missing": ["signaling", "blobstore"]}


async def test_a_socket_that_is_no_socket(stack, person):
    answer = await stack.send("GET", "/a/v1/ws")
    assert (answer.status, answer.reason) == (400, "malformed")
    assert (await stack.send("GET", "/a/v1/ws", token=person.token)).reason == "token_on_anonymous_plane"
    assert (await stack.send("POST", "/a/v1/ws", {})).status == 405
    answer = await stack.send("GET", "/a/v1/ws", headers={"Origin": stack.url})
    assert (answer.status, answer.reason) == (403, "origin_not_allowed")
