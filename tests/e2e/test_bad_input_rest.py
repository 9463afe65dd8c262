"""Every route, met by everything that a request can have wrong: refused by name, nothing echoed, nothing changed.

For each kind of mistake a request that would be granted is made, broken in one place, and sent; in the end the
request itself is sent with the same admission and is granted: so each refusal is due to the mistake alone, and none
of the broken requests has used anything up.
"""

import json
import os
import secrets

import pytest
from handshaker_proto.rules import field_rule

from e2e.calls import CASES
from e2e.rest import JSON, PROTOBUF, ROUTE, ROUTES, json_of

SENTINEL = f"SENTINEL{secrets.token_hex(8)}"
LARGEST_BODY = 64 * 1024
VERBS = ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND")
# Fewer than an account may do of anything within minutes.
AT_A_TIME = 12
EVERY_ROUTE = pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
EVERY_BODY = pytest.mark.parametrize("route", [r for r in ROUTES if r.takes_body], ids=lambda route: route.name)
WITH_PATH = pytest.mark.parametrize("route", [r for r in ROUTES if r.parameters], ids=lambda route: route.name)


def test_every_route_has_its_request():
    assert set(CASES) == {route.name for route in ROUTES}
    assert len(ROUTES) >= 19


class Trial:
    """A request that would be granted, sent with mistakes first."""

    def __init__(self, gateway, case, headers):
        self.gateway, self.case, self.headers = gateway, case, headers
        self.path = case.route.path(case.message)
        self.json = json.dumps(json_of(case.message)).encode()
        self.protobuf = case.message.SerializeToString()
        self.before = None

    @classmethod
    async def of(cls, gateway, route):
        case = await CASES[route.name](gateway)
        headers = await gateway.paid(route)
        if case.account is not None:
            headers["Authorization"] = f"Bearer {case.account.token}"
        trial = cls(gateway, case, headers)
        trial.before = await case.look()
        return trial

    async def refused(self, status, reason, *, verb=None, path=None, body=None, media=None, **headers):
        fields = dict(self.headers)
        if media is not None:
            fields["Content-Type"] = media
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await self.gateway.ask(verb or self.case.route.verb, path or self.path, body, fields)
        answer.problem(status, reason)
        self.echoes_nothing(answer)
        return answer

    def echoes_nothing(self, answer):
        everything = answer.body + repr(answer.headers).encode()
        assert SENTINEL.encode() not in everything, everything
        for text in texts_in(json_of(self.case.message)):
            assert len(text) < 20 or text.encode() not in everything, everything

    async def granted(self):
        """Nothing has changed; then the request as it should be is granted, and that can be seen."""
        route = self.case.route
        assert await self.case.look() == self.before, "a refused request changed something"
        body = self.json if route.takes_body else None
        fields = self.headers | ({"Content-Type": JSON} if route.takes_body else {})
        (await self.gateway.ask(route.verb, self.path, body, fields)).granted()
        if self.case.changes:
            assert await self.case.look() != self.before, "what is looked at does not show what the request does"


def texts_in(value):
    if isinstance(value, dict):
        return [text for item in value.values() for text in texts_in(item)]
    if isinstance(value, list):
        return [text for item in value for text in texts_in(item)]
    return [value] if isinstance(value, str) else []


async def each(gateway, route, mistakes_in):
    """Tries every mistake that `mistakes_in(trial)` lists as (status, reason, what is wrong), some at a time."""
    total = len(mistakes_in(await Trial.of(gateway, route)))
    assert total, "nothing was tried"
    for start in range(0, total, AT_A_TIME):
        trial = await Trial.of(gateway, route)
        for status, reason, wrong in mistakes_in(trial)[start : start + AT_A_TIME]:
            await trial.refused(status, reason, **wrong)
        await trial.granted()


# --- JSON ---


def json_mistakes(trial):
    good, text = json_of(trial.case.message), trial.json
    first, value = next(iter(good.items()))
    bodies = [
        b"{",
        text[:-1],
        text + b"}",
        text + SENTINEL.encode(),
        b"\xef\xbb\xbf" + text,
        b"\xff\xfe" + text,
        text.decode().encode("utf-16"),
        b"[]",
        b"null",
        b"17",
        f'"{SENTINEL}"'.encode(),
        b"[" * 30_000,
        b'{"a":' * 10_000,
        json.dumps(good | {SENTINEL: 1}).encode(),
        json.dumps(good | {"unknown": SENTINEL}).encode(),
        json.dumps(good | {"\ud800": 1}).encode(),
        text[:-1] + f', "{first}": {json.dumps(value)}}}'.encode(),
        text[:-1] + b', "a": NaN}',
        text[:-1] + b', "a": ' + b"9" * 10_000 + b"}",
    ]
    for wrong in (None, True, 1.5, -1, 2**70, {}, [], {"a": SENTINEL}, [SENTINEL], SENTINEL + "!", "\ud800"):
        # An empty list is what a list without elements looks like, and a number is what some fields are.
        if type(wrong) is type(value) and not isinstance(wrong, str):
            continue
        bodies.append(json.dumps(good | {first: wrong}).encode())
    return [(400, "malformed", {"body": body, "media": JSON}) for body in bodies]


@EVERY_BODY
async def test_json_that_is_none(gateway, route):
    await each(gateway, route, json_mistakes)


# --- protobuf ---


def protobuf_mistakes(trial):
    good = trial.protobuf
    bodies = [
        good[:-1],
        b"\xff" * 40,
        good + b"\x0a",
        good + b"\x0a\xff\xff\xff\xff\x0f" + SENTINEL.encode(),
        good + b"\xfa\x3e" + bytes([len(SENTINEL)]) + SENTINEL.encode(),  # field 1007, unknown
        good + b"\x80\x7d\x01",  # field 2000, unknown, a varint
        b"\x0d\x01\x02\x03\x04" + good,  # field 1 as four fixed bytes
        good + b"\x0c",  # the end of a group that did not begin
        SENTINEL.encode() * 8,
    ]
    return [(400, "malformed", {"body": body, "media": PROTOBUF}) for body in bodies]


@EVERY_BODY
async def test_protobuf_that_is_none(gateway, route):
    await each(gateway, route, protobuf_mistakes)


# --- sizes and numbers ---


def other_values(field):
    """Values of a field beyond its limits; none where it has no limits."""
    rule = field_rule(field)
    if rule.size:
        return [os.urandom(size) for size in {rule.size - 1, rule.size + 1} | (set() if rule.optional else {0})]
    if rule.max_size:
        return [os.urandom(rule.max_size + 1)]
    if rule.HasField("range"):
        return [n for n in (rule.range.min - 1, rule.range.max + 1) if n in field.enum_type.values_by_number]
    return []


def broken_fields(message, path_fields=()):
    """Breaks one field after the other, at any depth, and yields for each; mends it before the next."""
    for field in message.DESCRIPTOR.fields:
        value, most = getattr(message, field.name), field_rule(field).max_items
        if field.name in path_fields:
            continue
        if field.message_type is None and not field.is_repeated:
            for other in other_values(field):
                setattr(message, field.name, other)
                yield
            setattr(message, field.name, value)
            continue
        if most and value:
            kept = len(value)
            value.extend([value[0]] * (most + 1 - kept))
            yield
            del value[kept:]
        if field.message_type is None:
            first = value[0]
            for other in other_values(field):
                value[0] = other
                yield
            value[0] = first
            continue
        for item in value if field.is_repeated else [value]:
            yield from broken_fields(item)


def size_mistakes(trial):
    """The message with one field of another size, for every field of bytes at any depth; and numbers out of range."""
    found = []
    broken = type(trial.case.message)()
    broken.CopyFrom(trial.case.message)
    for _ in broken_fields(broken, {field.name for field in trial.case.route.parameters}):
        bodies = [(PROTOBUF, broken.SerializeToString()), (JSON, json.dumps(json_of(broken)).encode())]
        found += [
            (400, "malformed", {"body": body, "media": media}) for media, body in bodies if len(body) <= LARGEST_BODY
        ]
    assert broken == trial.case.message
    return found


# What is fetched by its path alone; sizes of ids in paths have a test of their own.
BY_PATH = {"FetchBundle", "FetchOpenPgp"}


@pytest.mark.parametrize("route", [r for r in ROUTES if r.takes_body and r.name not in BY_PATH], ids=lambda r: r.name)
async def test_fields_of_another_size(gateway, route):
    await each(gateway, route, size_mistakes)


@pytest.mark.parametrize("route", [ROUTE["PublishBundle"], ROUTE["UploadPreKeys"]], ids=lambda route: route.name)
async def test_keys_that_no_suite_has(gateway, route):
    """Sizes that depend on a bundle's suite, which keys itself judges."""
    trial = await Trial.of(gateway, route)
    for size in (0, 1567, 1569):
        wrong = type(trial.case.message)()
        wrong.CopyFrom(trial.case.message)
        key = wrong.base.last_resort_kem_prekey if route.name == "PublishBundle" else wrong.kem_prekeys[1]
        key.public_key = os.urandom(size)
        await trial.refused(400, "malformed", body=wrong.SerializeToString(), media=PROTOBUF)
    await trial.granted()


@EVERY_BODY
async def test_bodies_beyond_64_kib(gateway, route):
    trial = await Trial.of(gateway, route)
    padded = trial.json.ljust(LARGEST_BODY)
    await trial.refused(413, "too_large", body=padded + b" ", media=JSON)
    await trial.refused(413, "too_large", body=trial.protobuf.ljust(LARGEST_BODY + 1, b"\0"), media=PROTOBUF)

    async def pieces():
        for start in range(0, len(padded) + 1, 8192):
            yield (padded + b" ")[start : start + 8192]

    await trial.refused(413, "too_large", body=pieces(), media=JSON)
    trial.json = padded  # exactly 64 KiB are granted
    await trial.granted()


# --- the request around the body ---


def media_mistakes(trial):
    body = {"body": trial.json}
    found = [
        (415, "unsupported_media_type", body | {"media": media})
        for media in (
            "text/plain",
            "application/xml",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=a",
            "application/json; charset=iso-8859-1",
            f"application/{SENTINEL}",
            "",
        )
    ]
    found.append((415, "unsupported_media_type", body))
    found += [
        (415, "unsupported_media_type", body | {"media": JSON, "Content_Encoding": coding})
        for coding in ("gzip", "deflate", "br", SENTINEL)
    ]
    found.append((400, "malformed", {"body": trial.json, "media": PROTOBUF}))
    found.append((400, "malformed", {"body": trial.protobuf, "media": JSON}))
    return found


@EVERY_BODY
async def test_bodies_of_another_kind(gateway, route):
    await each(gateway, route, media_mistakes)


def request_mistakes(trial):
    route = trial.case.route
    body = {"body": trial.json, "media": JSON} if route.takes_body else {}
    found = [
        (406, "not_acceptable", body | {"Accept": "text/html"}),
        (406, "not_acceptable", body | {"Accept": "application/json;q=0, application/x-protobuf;q=0"}),
        (400, "malformed", body | {"path": f"{trial.path}?access_token={SENTINEL}"}),
        (404, "not_found", body | {"path": f"{trial.path}/"}),
        (404, "not_found", body | {"path": f"{trial.path}/{SENTINEL}"}),
        (404, "not_found", body | {"path": "/" + trial.path}),
        (404, "not_found", body | {"path": trial.path.replace("/v1/", "/v2/")}),
        (404, "not_found", body | {"path": trial.path.replace("/v1/", "/V1/")}),
        (404, "not_found", body | {"path": trial.path.replace("/v1/", "/%761/")}),
        (404, "not_found", body | {"path": trial.path.replace("/v1/", "/v1/../v1/")}),
        (431, "header_too_large", body | {"X_Much": SENTINEL * 400}),
    ]
    if not route.takes_body:
        found.append((400, "malformed", {"body": b"{}", "media": JSON}))
    if "Admission" in trial.headers:
        wrong = ("", "pow", "pow a", "pow a.b", "pow ..", f"pow {SENTINEL}", f"other {SENTINEL}.AAAAAAAAAAA")
        found += [(400, "malformed", body | {"Admission": value}) for value in wrong]
    return found


@EVERY_ROUTE
async def test_requests_of_another_form(gateway, route):
    await each(gateway, route, request_mistakes)


@EVERY_ROUTE
async def test_other_verbs(gateway, route):
    trial = await Trial.of(gateway, route)
    allowed = sorted(other.verb for other in ROUTES if other.template == route.template)
    for verb in set(VERBS) - set(allowed):
        answer = await trial.refused(405, "method_not_allowed", verb=verb)
        assert answer.header("allow") == ", ".join(allowed)
    await trial.granted()


@WITH_PATH
async def test_ids_in_the_path(gateway, route):
    trial = await Trial.of(gateway, route)
    (field,) = route.parameters
    good = trial.path.split("/")[route.template.split("/").index("{" + field.name + "}")]
    body = {"body": trial.json, "media": JSON} if route.takes_body else {}
    wrong_ids = [good[:-2], good + "AA", good[:-1] + "!", good[:-1] + "%41", "+" + good[1:], "/" + good[1:], SENTINEL]
    wrong_ids += [good[:-1] + "B" if good[-1] == "A" else good[:-1] + "_", good + "==="]
    for wrong in wrong_ids:
        status, reason = (404, "not_found") if "/" in wrong else (400, "malformed")
        await trial.refused(status, reason, path=trial.path.replace(good, wrong), **body)
    if route.takes_body:
        await trial.refused(400, "malformed", path=trial.path.replace(good, "A" * 21 + "A"), **body)
    await trial.granted()


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/a", "/a/v1/", f"/{SENTINEL}", "/metrics", "/v1/mailboxes", "/a/v1/account"]
)
async def test_unknown_paths(gateway, path):
    answers = [await gateway.ask(verb, path) for verb in ("GET", "POST", "DELETE")]
    answers[0].problem(404, "not_found")
    assert len({answer.identity() for answer in answers}) == 1
    assert SENTINEL.encode() not in answers[0].body
    (await gateway.ask("GET", "/healthz")).granted()
