"""Access tokens: signed statements, five minutes long, that every service checks for itself.

JWT (RFC 7519) in the profile of RFC 9068 (`typ` at+jwt), signed with Ed25519 (RFC 8037). Which login a token came from
does not stand in it: ending a session ends all logins of the device, so the device says enough.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from handshaker_common.clock import Clock
from handshaker_common.entropy import Entropy

LIFETIME_SECONDS = 300
ISSUER = "handshaker"
AUDIENCE = "handshaker"
SEED_SIZE = 32


class BadSigningKey(ValueError):
    """What was given is no Ed25519 private key."""


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def read_signing_key(data: bytes) -> Ed25519PrivateKey:
    """A private key from the content of a file: 32 raw bytes (the seed), or unencrypted PKCS #8 PEM.

    Raises:
        BadSigningKey: anything else.
    """
    if len(data) == SEED_SIZE:
        return Ed25519PrivateKey.from_private_bytes(data)
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError) as error:
        raise BadSigningKey("neither 32 raw bytes nor an unencrypted private key in PEM") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise BadSigningKey("a private key, but not for Ed25519")
    return key


def key_id(public_key: Ed25519PublicKey) -> str:
    """The JWK thumbprint (RFC 7638, RFC 8037 appendix A.3) of the key, 43 characters."""
    jwk = {"crv": "Ed25519", "kty": "OKP", "x": _base64url(public_key.public_bytes_raw())}
    return _base64url(hashlib.sha256(json.dumps(jwk, separators=(",", ":"), sort_keys=True).encode()).digest())


@dataclass(frozen=True)
class PublishedKey:
    """A key that tokens may be checked with."""

    key_id: str
    public_key: bytes


class AccessTokens:
    """Signs access tokens.

    Args:
        keys: oldest first, at least one. The last signs; all are published, so that tokens signed before a
            rotation stay good until they expire.
    """

    def __init__(self, keys: Sequence[Ed25519PrivateKey], clock: Clock, entropy: Entropy) -> None:
        if not keys:
            raise BadSigningKey("there is no signing key")
        self._signing_key = keys[-1]
        self._key_id = key_id(self._signing_key.public_key())
        self._clock = clock
        self._entropy = entropy
        public = [key.public_key() for key in keys]
        self.published = tuple(PublishedKey(key_id(key), key.public_bytes_raw()) for key in public)

    def issue(self, account_id: UUID, device_id: UUID) -> str:
        """A token for this device, good for LIFETIME_SECONDS."""
        now = int(self._clock.now())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(account_id),
            "dev": str(device_id),
            "iat": now,
            "exp": now + LIFETIME_SECONDS,
            "jti": _base64url(self._entropy(16)),
        }
        headers = {"kid": self._key_id, "typ": "at+jwt"}
        return jwt.encode(claims, self._signing_key, algorithm="EdDSA", headers=headers)
