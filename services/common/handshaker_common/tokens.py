"""Access tokens: RFC 9068 JWTs, Ed25519 only, checked by every service for itself."""

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import grpc
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from handshaker_proto.auth.v1 import auth_pb2, auth_pb2_grpc

from handshaker_common.clock import Clock
from handshaker_common.errors import ServiceError
from handshaker_common.identity import Identity
from handshaker_common.log import get_logger, where

ISSUER = "handshaker"
AUDIENCE = "handshaker"
TYPE = "at+jwt"
ALGORITHM = "EdDSA"
LARGEST_TOKEN = 1024
LEEWAY_SECONDS = 10
HEADER = {"alg", "typ", "kid"}
CLAIMS = ["iss", "aud", "sub", "dev", "iat", "exp", "jti"]
REFRESH_SECONDS = 300
# An unknown key id fetches the keys anew, but not more often than this: anybody can make one up.
RETRY_SECONDS = 5


class InvalidToken(ServiceError):
    """The token is not one of ours, not valid now, or not of the form that we issue. One answer for all."""


class UnknownKey(InvalidToken):
    """No key with the token's key id is known (yet)."""


class AccessTokenVerifier:
    """Checks tokens against a set of public keys, by key id. Never fetches anything that a token names."""

    def __init__(self, keys: Mapping[str, Ed25519PublicKey], clock: Clock) -> None:
        self.keys = keys
        self._clock = clock

    def verify(self, token: str) -> Identity:
        """The identity that the token speaks for.

        Raises:
            UnknownKey: its key id is not among the keys.
            InvalidToken: anything else is wrong with it.
        """
        return self.verify_until(token)[0]

    def verify_until(self, token: str) -> tuple[Identity, float]:
        """As `verify`, and the second (unix time) at which the token expires."""
        if len(token) > LARGEST_TOKEN:
            raise InvalidToken("too long")
        try:
            header = jwt.get_unverified_header(token)
            if set(header) != HEADER or header["alg"] != ALGORITHM or header["typ"] != TYPE:
                raise InvalidToken("header")
            key = self.keys.get(header["kid"]) if isinstance(header["kid"], str) else None
            if key is None:
                raise UnknownKey("key")
            claims = self._claims(token, key)
            return Identity(UUID(claims["sub"]), UUID(claims["dev"])), float(claims["exp"])
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
            raise InvalidToken("form") from error

    def _claims(self, token: str, key: Ed25519PublicKey) -> dict[str, Any]:
        # PyJWT reads the machine's clock; times are checked here instead, by the clock that was passed in.
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=ISSUER,
            options={"require": CLAIMS, "verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )
        now = self._clock.now()
        if not isinstance(claims["exp"], int) or not isinstance(claims["iat"], int):
            raise InvalidToken("times")
        if claims["exp"] + LEEWAY_SECONDS <= now or claims["iat"] - LEEWAY_SECONDS > now or "nbf" in claims:
            raise InvalidToken("times")
        if claims["aud"] != AUDIENCE:  # a list that contains it is not what we issue
            raise InvalidToken("audience")
        return claims


class KeySetSource:
    """Keeps a verifier supplied with auth's public keys."""

    def __init__(self, channel: grpc.aio.Channel, clock: Clock) -> None:
        self._stub = auth_pb2_grpc.KeySetServiceStub(channel)
        self._clock = clock
        self._fetched = float("-inf")
        self._fetching = asyncio.Lock()
        self.key_set: dict[str, bytes] = {}
        self.verifier = AccessTokenVerifier({}, clock)

    async def verify(self, token: str) -> Identity:
        """As `AccessTokenVerifier.verify`; an unknown key id fetches the keys first, within bounds."""
        return (await self.verify_until(token))[0]

    async def verify_until(self, token: str) -> tuple[Identity, float]:
        """As `AccessTokenVerifier.verify_until`."""
        try:
            return self.verifier.verify_until(token)
        except UnknownKey:
            if not await self._refresh_within(RETRY_SECONDS):
                raise
            return self.verifier.verify_until(token)

    async def refresh(self) -> None:
        """Fetches the keys.

        Raises:
            grpc.RpcError: auth does not answer.
        """
        answer = await self._stub.GetKeySet(auth_pb2.GetKeySetRequest(), timeout=2)
        self.key_set = {key.key_id: key.public_key for key in answer.keys}
        self.verifier.keys = {
            key_id: Ed25519PublicKey.from_public_bytes(public) for key_id, public in self.key_set.items()
        }
        self._fetched = self._clock.monotonic()

    async def _refresh_within(self, seconds: float) -> bool:
        """Fetches the keys unless that happened less than `seconds` ago; whether they are newer than before."""
        before = self._fetched
        async with self._fetching:
            if self._fetched > before:
                return True
            if self._clock.monotonic() - self._fetched < seconds:
                return False
            try:
                await self.refresh()
            except grpc.RpcError as error:
                get_logger().warning("auth did not give its keys", **where(error))
                return False
            return True

    async def run(self) -> None:
        """Fetches the keys now and then, for ever; while there are none, every second."""
        while True:
            await self._refresh_within(0)
            await asyncio.sleep(REFRESH_SECONDS if self.key_set else 1)

    @property
    def ready(self) -> bool:
        """Whether any keys are known."""
        return bool(self.key_set)
