"""A REST client on aiohttp and the generated messages alone: it sees every answer as it is, status, header and bytes."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiohttp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from handshaker_proto import rules
from handshaker_proto.auth.v1 import auth_pb2
from handshaker_proto.options.v1 import options_pb2
from load.mailboxes import solve
from yarl import URL

from e2e.hostile import base64url

JSON, PROTOBUF, PROBLEM = "application/json", "application/x-protobuf", "application/problem+json"
M = TypeVar("M", bound=Message)


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The first value of a header field."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def identity(self) -> tuple[object, ...]:
        """All that a client can tell this answer from another by."""
        return self.status, tuple(pair for pair in self.headers if pair[0].lower() != "date"), self.body

    def granted(self) -> Any:
        """The JSON of an answer that must be 200."""
        assert self.status == 200, (self.status, self.body)
        return json.loads(self.body)

    def problem(self, status: int, reason: str) -> dict[str, Any]:
        """The problem document (RFC 9457) of an answer that must be this refusal."""
        assert (self.status, self.header("content-type")) == (status, PROBLEM), (self.status, self.headers, self.body)
        document: dict[str, Any] = json.loads(self.body)
        assert (document["status"], document["reason"]) == (status, reason), document
        assert document["type"] == f"/openapi.json#/x-problems/{reason}"
        for member in ("title", "detail"):
            assert isinstance(document[member], str), document
            assert document[member], document
        return document


@dataclass(frozen=True)
class Route:
    """One method of the protocol as it is served."""

    method: MethodDescriptor
    verb: str
    template: str
    rule: options_pb2.MethodRule

    @property
    def name(self) -> str:
        """The method's short name, such as "CreateMailbox"."""
        return self.method.name

    @property
    def anonymous(self) -> bool:
        """Whether a token is an error."""
        return bool(self.rule.plane == options_pb2.ANONYMOUS)

    @property
    def takes_body(self) -> bool:
        """Whether the request has one."""
        return self.verb in {"POST", "PUT"}

    @property
    def parameters(self) -> list[FieldDescriptor]:
        """The fields that stand in the path."""
        named = [part[1:-1] for part in self.template.split("/") if part.startswith("{")]
        return [self.method.input_type.fields_by_name[name] for name in named]

    def path(self, message: Message) -> str:
        """The path for a request, as it stands in the request line."""
        path = self.template
        for parameter in self.parameters:
            path = path.replace("{" + parameter.name + "}", base64url(getattr(message, parameter.name)))
        return path


def _all_routes() -> tuple[Route, ...]:
    found = []
    for method in rules.all_methods():
        rule = rules.method_rule(method)
        if rule.http:
            verb, _, template = rule.http.partition(" ")
            found.append(Route(method, verb, template, rule))
    return tuple(found)


ROUTES = _all_routes()
ROUTE = {route.name: route for route in ROUTES}


class Gateway:
    """One gateway."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url

    async def ask(
        self, verb: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """A request exactly as given; `path` is not touched."""
        url = URL(self.url + path, encoded=True)
        skipped = ("User-Agent", "Content-Type", "Accept", "Accept-Encoding")
        async with self.session.request(
            verb, url, data=body, headers=headers, skip_auto_headers=skipped, allow_redirects=False
        ) as response:
            return Answer(response.status, tuple(response.headers.items()), await response.read())

    async def call(
        self, route: Route, message: Message, *, token: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """A request as the route takes it, in protobuf, answered in JSON; paid for where it has to be."""
        fields = {"Accept": JSON} | await self.paid(route)
        if token is not None:
            fields["Authorization"] = f"Bearer {token}"
        body = None
        if route.takes_body:
            body = message.SerializeToString()
            fields["Content-Type"] = PROTOBUF
        return await self.ask(route.verb, route.path(message), body, fields | dict(headers or {}))

    async def paid(self, route: Route) -> dict[str, str]:
        """The header that pays for one request, none where it is free."""
        if route.rule.admission == options_pb2.FREE:
            return {}
        challenge, bits = await self.work(route.rule.admission)
        return {"Admission": admission(challenge, solve(challenge, bits))}

    async def work(self, purpose: "options_pb2.Admission.ValueType") -> tuple[bytes, int]:
        """A challenge and how many zero bits it asks for."""
        answer = await self.call(ROUTE["GetChallenge"], auth_pb2.GetChallengeRequest(purpose=purpose))
        granted = answer.granted()
        return decode(granted["challenge"]), granted["difficulty_bits"]


def admission(challenge: bytes, nonce: bytes) -> str:
    """The value of the header field Admission."""
    return f"pow {base64url(challenge)}.{base64url(nonce)}"


def decode(text: str) -> bytes:
    """base64url without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def json_of(message: Message) -> dict[str, Any]:
    """A request message as the JSON object that the REST interface takes."""
    written: dict[str, Any] = {}
    for item, value in message.ListFields():
        values = [_json_value(item, one) for one in (value if item.is_repeated else [value])]
        written[item.name] = values if item.is_repeated else values[0]
    return written


def _json_value(item: FieldDescriptor, value: Any) -> Any:
    if isinstance(value, Message):
        return json_of(value)
    if item.enum_type is not None:
        return item.enum_type.values_by_number[value].name
    return base64url(value) if isinstance(value, bytes) else value


@dataclass
class Account:
    """A registered device with its tokens."""

    gateway: Gateway
    key: Ed25519PrivateKey
    account_id: str
    device_id: str
    token: str = field(repr=False)
    refresh_token: bytes = field(repr=False)

    @property
    def public(self) -> bytes:
        """The device's public key."""
        return self.key.public_key().public_bytes_raw()

    @classmethod
    async def register(cls, gateway: Gateway, headers: Mapping[str, str] | None = None) -> "Account":
        """A new account."""
        key = Ed25519PrivateKey.generate()
        granted = (await gateway.call(ROUTE["Register"], registration(key), headers=headers)).granted()
        tokens = granted["tokens"]
        refresh = decode(tokens["refresh_token"])
        return cls(gateway, key, granted["account_id"], granted["device_id"], tokens["access_token"], refresh)

    async def call(self, name: str, message: Message) -> Answer:
        """A call on the account plane."""
        return await self.gateway.call(ROUTE[name], message, token=self.token)

    async def challenge(self) -> bytes:
        """A challenge for a session."""
        request = auth_pb2.GetSessionChallengeRequest(device_public_key=self.public)
        answer = await self.gateway.call(ROUTE["GetSessionChallenge"], request)
        return decode(answer.granted()["challenge"])

    async def login(self) -> auth_pb2.CreateSessionRequest:
        """A login that the server will take, once."""
        return login(self.key, await self.challenge())

    async def refreshing(self, token: bytes | None = None) -> auth_pb2.RefreshSessionRequest:
        """A refresh that the server will take, once; with another token than the newest where one is given."""
        return refresh(self.key, await self.challenge(), self.refresh_token if token is None else token)

    async def refresh(self) -> Answer:
        """Trades the refresh token in and keeps what came for it."""
        answer = await self.gateway.call(ROUTE["RefreshSession"], await self.refreshing())
        if answer.status == 200:
            tokens = answer.granted()
            self.token, self.refresh_token = tokens["access_token"], decode(tokens["refresh_token"])
        return answer


def registration(key: Ed25519PrivateKey) -> auth_pb2.RegisterRequest:
    """A registration of this device key."""
    public = key.public_key().public_bytes_raw()
    return auth_pb2.RegisterRequest(device_public_key=public, proof=key.sign(b"handshaker/v1/register" + public))


def login(key: Ed25519PrivateKey, challenge: bytes) -> auth_pb2.CreateSessionRequest:
    """A login with this device key."""
    return auth_pb2.CreateSessionRequest(
        device_public_key=key.public_key().public_bytes_raw(),
        challenge=challenge,
        signature=key.sign(b"handshaker/v1/session" + challenge),
    )


def refresh(key: Ed25519PrivateKey, challenge: bytes, token: bytes) -> auth_pb2.RefreshSessionRequest:
    """A refresh with this device key."""
    return auth_pb2.RefreshSessionRequest(
        device_public_key=key.public_key().public_bytes_raw(),
        challenge=challenge,
        refresh_token=token,
        signature=key.sign(b"handshaker/v1/refresh" + challenge + hashlib.sha256(token).digest()),
    )


@asynccontextmanager
async def gateway_at(url: str) -> AsyncIterator[Gateway]:
    """A client of the gateway at `url`."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30), cookie_jar=aiohttp.DummyCookieJar()) as s:
        yield Gateway(s, url)


def without(mapping: dict[str, Any], name: str) -> dict[str, Any]:
    """The mapping without one of its names."""
    return {key: value for key, value in mapping.items() if key != name}
