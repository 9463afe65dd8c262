"""The services that the gateway's tests run against, and the people who use them."""

import contextlib
import hashlib
import json
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from handshaker_auth.settings import AuthSettings
from handshaker_common.server import Service
from handshaker_gateway.domain import base64url
from handshaker_gateway.main import Gateway
from handshaker_gateway.settings import GatewaySettings

BITS = 6  # enough to tell worked from unworked


@dataclass
class Answer:
    """What came back, read to its end."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def reason(self) -> str:
        """The reason of a problem document, whose form is checked on the way."""
        assert self.headers["Content-Type"] == "application/problem+json", self.body
        problem = self.json
        assert problem["status"] == self.status
        assert problem["type"] == f"/openapi.json#/x-problems/{problem['reason']}"
        assert problem["title"]
        assert problem["detail"]
        return problem["reason"]


class Person:
    """Somebody with a device key, who knows how to pay and to log in."""

    def __init__(self, stack: "Stack") -> None:
        self.stack = stack
        self.key = Ed25519PrivateKey.generate()
        self.public = self.key.public_key().public_bytes_raw()
        self.tokens: Any = None

    async def register(self) -> Answer:
        body = {
            "device_public_key": base64url.encode(self.public),
            "proof": base64url.encode(self.key.sign(b"handshaker/v1/register" + self.public)),
        }
        answer = await self.stack.send("POST", "/a/v1/accounts", body, admission=await self.stack.pay("REGISTRATION"))
        if answer.status == 200:
            self.tokens = answer.json["tokens"]
            self.account_id = answer.json["account_id"]
        return answer

    @property
    def token(self) -> str:
        return self.tokens["access_token"]


class Stack:
    """Auth, keys and the gateway in front of them, in this process, over real databases."""

    def __init__(self, settings: GatewaySettings, gateway: Gateway, signing_key: Ed25519PrivateKey) -> None:
        self.settings = settings
        self.gateway = gateway
        self.signing_key = signing_key
        self.url = f"http://127.0.0.1:{gateway.port}"
        self.session = aiohttp.ClientSession()

    @property
    def port(self) -> int:
        return self.gateway.port

    async def send(
        self,
        verb: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        admission: str | None = None,
        headers: dict[str, str] | None = None,
        data: bytes | None = None,
    ) -> Answer:
        fields = dict(headers or {})
        if token is not None:
            fields["Authorization"] = f"Bearer {token}"
        if admission is not None:
            fields["Admission"] = admission
        content = {"json": body} if body is not None else {"data": data}
        async with self.session.request(verb, self.url + path, headers=fields, **content) as response:
            return Answer(response.status, response.headers, await response.read())

    async def pay(self, purpose: str) -> str:
        answer = await self.send("POST", "/a/v1/challenges", {"purpose": purpose})
        assert answer.status == 200, answer.body
        challenge = base64url.decode(answer.json["challenge"])
        bits = answer.json["difficulty_bits"]
        for number in range(1 << 24):
            nonce = number.to_bytes(8)
            digest = hashlib.sha256(challenge + nonce).digest()
            if int.from_bytes(digest) >> (256 - bits) == 0:
                return f"pow {base64url.encode(challenge)}.{base64url.encode(nonce)}"
        raise AssertionError("no nonce found")

    def sign_token(self, *, headers: dict[str, Any] | None = None, key: Any = None, **claims: Any) -> str:
        """An access token as auth would sign it, but for what is given; None takes a claim or field away."""
        now = int(time.time())
        whole = {"iss": "handshaker", "aud": "handshaker", "sub": "e5f0b3e2-54a1-4f6a-9a58-2f3c8b1f7d11"}
        whole |= {"dev": "0b6a3c46-3f1c-4f0a-8a35-3f0c6f2f9a77", "iat": now, "exp": now + 300, "jti": "x"}
        fields = {"typ": "at+jwt", "kid": self.key_id} | (headers or {})
        whole = {name: value for name, value in (whole | claims).items() if value is not None}
        algorithm = fields.pop("alg", "EdDSA")
        return jwt.encode(whole, key or self.signing_key, algorithm=algorithm, headers=fields)

    @property
    def key_id(self) -> str:
        return next(iter(self.gateway_keys.key_set))

    gateway_keys: Any = None


def auth_settings(folder: Path, dsn: str) -> AuthSettings:
    (folder / "signing").mkdir()
    (folder / "signing" / "2026-01-01").write_bytes(secrets.token_bytes(32))
    (folder / "challenge").write_bytes(secrets.token_bytes(32))
    bits = {f"pow_bits_{name}": BITS for name in ("registration", "mailbox", "lookup", "first_contact", "wake_target")}
    issuer = rsa.generate_private_key(65537, 2048)
    pem = issuer.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "issuer").write_bytes(pem)
    return AuthSettings(
        database_url=dsn,
        signing_keys=folder / "signing",
        challenge_secret_file=folder / "challenge",
        issuer_keys=folder / "issuer",
        **bits,
    )


@contextlib.asynccontextmanager
async def new_database(postgres):
    """A new, empty database, dropped at the end; its DSN."""
    name = f"gateway_{secrets.token_hex(6)}"
    admin = await asyncpg.connect(postgres.dsn())
    try:
        await admin.execute(f'CREATE DATABASE "{name}"')
        yield postgres.dsn(name)
        await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await admin.close()


@contextlib.asynccontextmanager
async def running_gateway(settings, *, with_keys=True):
    """A gateway in this process; drained at the end."""
    async with Service("gateway", settings) as service:
        gateway = Gateway(settings, service, service.key_set)
        await gateway.start()
        if with_keys:
            await service.key_set.refresh()
        yield gateway
        await gateway.drain()


@contextlib.asynccontextmanager
async def another_gateway(stack, *, with_keys=True, **changes):
    """A gateway before the same services with some settings changed, as a stack of its own."""
    settings = GatewaySettings(**(stack.settings.model_dump() | changes))
    async with running_gateway(settings, with_keys=with_keys) as gateway:
        other = type(stack)(settings, gateway, stack.signing_key)
        other.gateway_keys = stack.gateway_keys
        try:
            yield other
        finally:
            await other.session.close()
