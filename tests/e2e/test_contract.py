"""What stands on the public port beside the protocol's routes, and that its own description is true."""

import json
import re
from base64 import urlsafe_b64decode

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from openapi_spec_validator import OpenAPIV31SpecValidator

from e2e.hostile import WEBSOCKET, RawConnection
from e2e.rest import JSON, PROBLEM, ROUTES, Account, decode

SYSTEM_PATHS = {"/healthz", "/readyz", "/.well-known/jwks.json", "/openapi.json"}
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
# What would tell a stranger which software to look up holes of.
BANNER = re.compile(rb"aiohttp|python|grpc|postgres|redis|\d+\.\d+\.\d+", re.IGNORECASE)


@pytest.fixture
async def description(gateway):
    answer = await gateway.ask("GET", "/openapi.json")
    assert answer.header("content-type") == JSON
    return answer.granted()


async def test_the_description_is_openapi(description):
    assert description["openapi"].startswith("3.1.")
    assert list(OpenAPIV31SpecValidator(description).iter_errors()) == []
    broken = json.loads(json.dumps(description))
    del broken["paths"]["/a/v1/mailboxes"]["post"]["responses"]["200"]["description"]
    assert list(OpenAPIV31SpecValidator(broken).iter_errors()), "the validator finds mistakes"


async def test_the_description_has_exactly_the_routes_that_exist(gateway, description):
    described = {(verb.upper(), path) for path, verbs in description["paths"].items() for verb in verbs}
    declared = {(route.verb, route.template) for route in ROUTES}
    beside = {("GET", path) for path in SYSTEM_PATHS} | {("GET", WEBSOCKET)}
    assert described == declared | beside
    for verb, path in sorted(described):
        answer = await gateway.ask(verb, path.replace("{bundle_id}", "A" * 22))
        assert answer.status not in {404, 405, 500}, (verb, path, answer.status)
        unserved = {"GET", "POST", "PUT", "DELETE", "PATCH"} - {v for v, p in described if p == path}
        for other in unserved:
            refused = await gateway.ask(other, path.replace("{bundle_id}", "A" * 22))
            refused.problem(405, "method_not_allowed")


async def test_the_description_tells_planes_apart(description):
    for route in ROUTES:
        operation = description["paths"][route.template][route.verb.lower()]
        assert operation["security"] == ([] if route.anonymous else [{"token": []}]), route.name
        paid = [p["name"] for p in operation.get("parameters", []) if p["in"] == "header"]
        assert paid == (["Admission"] if route.rule.admission else []), route.name


async def test_refusals_are_described(gateway, description):
    """Status and reason of refusals that are easily had stand in the description, and their type leads there."""
    account = await Account.register(gateway)
    for route in ROUTES:
        path = route.template.replace("{bundle_id}", "A" * 22)
        operation = description["paths"][route.template][route.verb.lower()]
        answers = [
            await gateway.ask(route.verb, path + "?q=1"),
            await gateway.ask(route.verb, path, b"{", {"Content-Type": JSON}),
            await gateway.ask(route.verb, path, b"{}", {"Content-Type": "text/plain"}),
            await gateway.ask(route.verb, path, headers={"Authorization": "Bearer a.b.c"}),
            await gateway.ask(route.verb, path, headers={"Authorization": f"Bearer {account.token}", "Accept": "a/b"}),
        ]
        for answer in answers:
            assert answer.status >= 400, (route.name, answer.status)
            assert answer.header("content-type") == PROBLEM
            document = json.loads(answer.body)
            reference = operation["responses"][str(answer.status)]["$ref"].rpartition("/")[2]
            response = description["components"]["responses"][reference]
            schema = response["content"][PROBLEM]["schema"]
            assert document["reason"] in schema["properties"]["reason"]["enum"], (route.name, document)
            assert set(description["components"]["schemas"]["Problem"]["required"]) <= set(document)
            known = description["x-problems"][document["type"].rpartition("/")[2]]
            assert known["title"] == document["title"]


async def test_health_and_readiness(system, gateway):
    for url in system.gateway_urls:
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{url}/healthz") as response:
                assert (response.status, response.content_type) == (200, JSON)
            async with session.get(f"{url}/readyz") as response:
                assert (response.status, await response.json()) == (200, {"ready": True, "missing": []})
    for path in SYSTEM_PATHS:
        (await gateway.ask("GET", path)).granted()
        (await gateway.ask("POST", path)).problem(405, "method_not_allowed")


async def test_metrics_stay_on_their_own_port(system, gateway):
    for path in ("/metrics", "/metrics/", "/v1/metrics", "//metrics"):
        (await gateway.ask("GET", path)).problem(404, "not_found")
    metrics = system.component("gateway").metrics_url
    assert not metrics.startswith(tuple(system.gateway_urls))
    async with aiohttp.ClientSession() as session, session.get(metrics) as response:
        assert response.status == 200
        assert "handshaker_" in await response.text()


async def test_the_key_set_checks_what_is_issued(gateway):
    answer = await gateway.ask("GET", "/.well-known/jwks.json")
    keys = answer.granted()["keys"]
    assert keys
    for key in keys:
        assert set(key) == {"kty", "crv", "alg", "use", "kid", "x"}, "no private part, no surprises"
        assert (key["kty"], key["crv"], key["alg"], key["use"]) == ("OKP", "Ed25519", "EdDSA", "sig")
        assert len(decode(key["x"])) == 32
    head, claims, signature = (await Account.register(gateway)).token.split(".")
    kid = json.loads(decode(head))["kid"]
    public = next(decode(key["x"]) for key in keys if key["kid"] == kid)
    Ed25519PublicKey.from_public_bytes(public).verify(decode(signature), f"{head}.{claims}".encode())
    assert json.loads(decode(head)) == {"alg": "EdDSA", "typ": "at+jwt", "kid": kid}
    lifetime = json.loads(urlsafe_b64decode(claims + "=="))
    assert lifetime["exp"] - lifetime["iat"] == 300


@pytest.mark.parametrize(
    ("verb", "path"), [("GET", "/healthz"), ("GET", "/nothing"), ("POST", "/a/v1/challenges"), ("GET", "/v1/account")]
)
async def test_every_answer_carries_the_security_headers(gateway, verb, path):
    answer = await gateway.ask(verb, path)
    for name, value in SECURITY_HEADERS.items():
        assert answer.header(name) == value
    for name in ("Set-Cookie", "Access-Control-Allow-Origin", "X-Powered-By", "Via", "ETag"):
        assert answer.header(name) is None
    assert not BANNER.search(repr([value for key, value in answer.headers if key != "Date"]).encode())
    assert answer.header("Server") in {None, "handshaker"}


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"NONSENSE\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\nBroken\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\nA: b\0c\r\n\r\n", 400),
        (b"GET http://elsewhere.example/healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (
            b"POST /a/v1/challenges HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
            400,
        ),
        (b"POST /a/v1/challenges HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
        (
            b"POST /a/v1/challenges HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\nContent-Type: "
            + JSON.encode()
            + b"\r\n\r\n",
            413,
        ),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\n" + b"X: " + b"y" * 9_000 + b"\r\n\r\n", 431),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\n" + b"".join(b"X%d: y\r\n" % n for n in range(100)) + b"\r\n", 431),
        (b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    ],
)
async def test_what_is_no_http_gets_a_problem_too(gateway, sent, status):
    async with await RawConnection.open(gateway.url) as connection:
        await connection.write(sent)
        head = await connection.head()
        body = await connection.read(int(head.fields["content-length"]))
    assert (head.status, head.fields["content-type"]) == (status, PROBLEM), body
    assert json.loads(body)["status"] == status
    assert not BANNER.search(body.replace(b"HTTP/1.1", b""))
    (await gateway.ask("GET", "/healthz")).granted()
