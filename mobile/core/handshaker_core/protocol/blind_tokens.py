"""Anonymous tokens: Privacy Pass tokens of type 0x0002, Blind RSA 2048 (RFC 9577, RFC 9578).

    token input = token type (2) ‖ nonce (32) ‖ challenge digest (32) ‖ token key id (32)                  98 bytes
    token       = token input ‖ authenticator (256)                                                      354 bytes

The authenticator is an RSASSA-PSS signature over the token input, made blindly: the server gives tokens to an account
and cannot tell, when one is spent, which account it gave it to. Every deployment answers to the same fixed challenge;
what keeps their tokens apart is the key.
"""

import hashlib
from dataclasses import dataclass, field
from typing import NewType

from handshaker_core.errors import BadKey
from handshaker_core.protocol import blind_rsa
from handshaker_core.protocol.blind_rsa import Blinded, SignerKey
from handshaker_core.protocol.randomness import Randomness

TOKEN_TYPE = 0x0002
NONCE_SIZE = 32
MODULUS_SIZE = 256
KEY_ID_SIZE = 32
ISSUER_NAME = b"handshaker"

IssuerKeyId = NewType("IssuerKeyId", bytes)
"""SHA-256 of an issuer's public key as it is encoded, 32 bytes (RFC 9578 section 6.5)."""

Token = NewType("Token", bytes)
"""A whole token, 354 bytes. Whoever has it may spend it."""

# SubjectPublicKeyInfo of a 2048-bit key with the OID id-RSASSA-PSS, SHA-384, MGF1-SHA-384 and 48 bytes of salt, e=65537.
# All of it but the modulus is fixed (RFC 9578 section 6.5), so that a key has exactly one encoding.
_BEFORE_MODULUS = bytes.fromhex(
    "30820152303d06092a864886f70d01010a3030a00d300b0609608648016503040202a11a301806092a864886f70d010108300b0609608648"
    "016503040202a2030201300382010f003082010a0282010100"
)
_AFTER_MODULUS = bytes.fromhex("0203010001")
PUBLIC_KEY_SIZE = len(_BEFORE_MODULUS) + MODULUS_SIZE + len(_AFTER_MODULUS)


def challenge(issuer_name: bytes, redemption_context: bytes = b"", origin_info: bytes = b"") -> bytes:
    """A TokenChallenge (RFC 9577 section 2.1.1)."""
    head = TOKEN_TYPE.to_bytes(2, "big") + len(issuer_name).to_bytes(2, "big") + issuer_name
    context = len(redemption_context).to_bytes(1, "big") + redemption_context
    return head + context + len(origin_info).to_bytes(2, "big") + origin_info


CHALLENGE_DIGEST = hashlib.sha256(challenge(ISSUER_NAME)).digest()
"""Of the one challenge that all tokens of Handshaker answer to."""


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """A public key that tokens are issued with.

    Attributes:
        encoded: as the server publishes it, 342 bytes.
        key: the numbers in it.
    """

    encoded: bytes = field(repr=False)
    key: SignerKey

    @classmethod
    def parse(cls, encoded: bytes) -> "IssuerKey":
        """Read a published key. Raises: BadKey (another length, algorithm, parameter or size of modulus)."""
        modulus = encoded[len(_BEFORE_MODULUS) : -len(_AFTER_MODULUS)]
        number = int.from_bytes(modulus, "big")
        if encoded != _BEFORE_MODULUS + modulus + _AFTER_MODULUS or len(encoded) != PUBLIC_KEY_SIZE:
            raise BadKey
        if number.bit_length() != 8 * MODULUS_SIZE or number % 2 == 0:
            raise BadKey
        return cls(encoded, SignerKey(number, 65537))

    @property
    def key_id(self) -> IssuerKeyId:
        """What the key is called in tokens."""
        return IssuerKeyId(hashlib.sha256(self.encoded).digest())


@dataclass(frozen=True, slots=True)
class PendingToken:
    """A token that the issuer was asked for and has not signed yet; kept in memory alone.

    Attributes:
        issuer: with which key.
        token_input: what is to be signed, 98 bytes.
        blinded: what the issuer is shown, and the secret that undoes it.
    """

    issuer: IssuerKey
    token_input: bytes = field(repr=False)
    blinded: Blinded = field(repr=False)

    def finish(self, signed: bytes) -> Token:
        """The token, from the issuer's answer (256 bytes). Raises: BadSignature (the issuer did not sign it)."""
        authenticator = blind_rsa.finalize(self.issuer.key, self.token_input, signed, self.blinded.inverse)
        return Token(self.token_input + authenticator)


def request(issuer: IssuerKey, rng: Randomness, challenge_digest: bytes = CHALLENGE_DIGEST) -> PendingToken:
    """Begin a token with a fresh nonce (RFC 9578 section 6.1).

    Args:
        issuer: the key that shall sign it.
        rng: gives the nonce, then what blinding needs.
        challenge_digest: 32 bytes.

    Raises:
        BadKey: the issuer's key is no RSA key.
    """
    token_input = TOKEN_TYPE.to_bytes(2, "big") + rng(NONCE_SIZE) + challenge_digest + issuer.key_id
    return PendingToken(issuer, token_input, blind_rsa.blind(issuer.key, token_input, rng))
