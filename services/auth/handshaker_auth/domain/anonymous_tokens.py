"""Anonymous tokens, the issuer's half: Privacy Pass tokens of type 0x0002, Blind RSA 2048 (RFC 9577, RFC 9578).

    token = token type (2) ‖ nonce (32) ‖ challenge digest (32) ‖ token key id (32) ‖ authenticator (256)    354 bytes

Tokens are issued to accounts and spent by nobody in particular: what the issuer signs is blinded, so that a token that
is spent cannot be told from any other of its epoch. An epoch is the time of one key. The newest key signs; tokens of
the one before are still taken, so that nobody loses any at a rotation; with that the epoch before has ended.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NewType

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from handshaker_common.entropy import Entropy

from handshaker_auth.domain.blind_rsa import BlindSigner

TOKEN_TYPE = 0x0002
NONCE_SIZE = 32
DIGEST_SIZE = 32
MODULUS_BITS = 2048
EXPONENT = 65537
TOKEN_INPUT_SIZE = 2 + NONCE_SIZE + 2 * DIGEST_SIZE
TOKEN_SIZE = TOKEN_INPUT_SIZE + MODULUS_BITS // 8
SALT_SIZE = 48
EPOCHS_TAKEN = 2
# TokenChallenge (RFC 9577 section 2.1.1) with the issuer's name "handshaker", for all deployments, purposes and times.
CHALLENGE = TOKEN_TYPE.to_bytes(2) + b"\x00\x0ahandshaker" + b"\x00" + b"\x00\x00"
CHALLENGE_DIGEST = hashlib.sha256(CHALLENGE).digest()

# SubjectPublicKeyInfo with id-RSASSA-PSS, SHA-384, MGF1-SHA-384 and a salt of 48 bytes (RFC 9578 section 6.5); only the
# modulus is not fixed.
_BEFORE_MODULUS = bytes.fromhex(
    "30820152303d06092a864886f70d01010a3030a00d300b0609608648016503040202a11a301806092a864886f70d010108300b0609608648"
    "016503040202a2030201300382010f003082010a0282010100"
)
_AFTER_MODULUS = bytes.fromhex("0203010001")

IssuerKeyId = NewType("IssuerKeyId", bytes)
"""SHA-256 of an issuer's encoded public key, 32 bytes."""


class BadIssuerKey(ValueError):
    """What was given is no private key that tokens can be issued with."""


@dataclass(frozen=True)
class SpentToken:
    """What is kept of a token that was used: a digest of its nonce, and in which epoch it must be recognised."""

    digest: bytes = field(repr=False)
    key_id: IssuerKeyId


class IssuerKey:
    """A private key of 2,048 bits and the public one as it is published."""

    def __init__(self, key: RSAPrivateKey) -> None:
        self.signer = BlindSigner.of(key)
        self.public_key = _BEFORE_MODULUS + self.signer.n.to_bytes(MODULUS_BITS // 8) + _AFTER_MODULUS
        self.key_id = IssuerKeyId(hashlib.sha256(self.public_key).digest())
        self._public = RSAPublicNumbers(EXPONENT, self.signer.n).public_key()

    @classmethod
    def read(cls, pem: bytes) -> "IssuerKey":
        """A private key from the content of a file, unencrypted PEM.

        Raises:
            BadIssuerKey: anything else, or not RSA with 2,048 bits and the exponent 65537.
        """
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError) as error:
            raise BadIssuerKey("no unencrypted private key in PEM") from error
        if not isinstance(key, RSAPrivateKey):
            raise BadIssuerKey("a private key, but not for RSA")
        if key.key_size != MODULUS_BITS or key.public_key().public_numbers().e != EXPONENT:
            raise BadIssuerKey(f"an RSA key, but not with {MODULUS_BITS} bits and the exponent {EXPONENT}")
        return cls(key)

    def has_signed(self, message: bytes, signature: bytes) -> bool:
        """RSASSA-PSS-VERIFY with SHA-384 and 48 bytes of salt."""
        scheme = padding.PSS(padding.MGF1(hashes.SHA384()), SALT_SIZE)
        try:
            self._public.verify(signature, message, scheme, hashes.SHA384())
        except InvalidSignature:
            return False
        return True


class Issuer:
    """Signs tokens, and recognises those that it has signed.

    Args:
        keys: oldest first; none when the server offers no tokens.
        entropy: hides from the clock what is signed.
    """

    def __init__(self, keys: Sequence[IssuerKey], entropy: Entropy) -> None:
        self.keys = tuple(keys[-EPOCHS_TAKEN:])
        self._by_id = {key.key_id: key for key in self.keys}
        self._entropy = entropy

    @property
    def newest(self) -> IssuerKey | None:
        """The key that signs."""
        return self.keys[-1] if self.keys else None

    @property
    def epochs(self) -> list[IssuerKeyId]:
        """The epochs whose tokens are taken, oldest first."""
        return [key.key_id for key in self.keys]

    def sign(self, blinded: Sequence[bytes]) -> list[bytes]:
        """Blind signatures by the newest key, in the order of the messages.

        Raises:
            OutOfRange, SigningFault: as `BlindSigner.sign`.
        """
        return [self.keys[-1].signer.sign(message, self._entropy) for message in blinded]

    def check(self, token: bytes) -> SpentToken | None:
        """What to spend, or None: not of this form, of another issuer or epoch, or never signed.

        The digest leaves the authenticator out: a nonce that was signed twice is one token.
        """
        token_input, authenticator = token[:TOKEN_INPUT_SIZE], token[TOKEN_INPUT_SIZE:]
        nonce, rest = token_input[2 : 2 + NONCE_SIZE], token_input[2 + NONCE_SIZE :]
        key = self._by_id.get(IssuerKeyId(rest[DIGEST_SIZE:]))
        if key is None or len(token) != TOKEN_SIZE:
            return None
        if token_input != TOKEN_TYPE.to_bytes(2) + nonce + CHALLENGE_DIGEST + key.key_id:
            return None
        if not key.has_signed(token_input, authenticator):
            return None
        return SpentToken(hashlib.sha256(token_input).digest(), key.key_id)
