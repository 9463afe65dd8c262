"""RSA blind signatures, the client's half: RSABSSA-SHA384-PSS-Deterministic (RFC 9474).

A server signs a message that it does not see, and cannot recognise the signature when it meets it again: whatever it
signed fits every signature that was ever made with its key, so that there is nothing to find out by computing.

    blinded   = EMSA-PSS(message, salt) · r^e mod n        sent to the signer
    signature = signed · r⁻¹ mod n                         an ordinary RSASSA-PSS signature over the message

"Deterministic" means that the message is signed as it is, without a random prefix (RFC 9474 section 5). That asks for
messages with entropy of their own, which tokens have (32 random bytes).
"""

import hashlib
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from handshaker_core.errors import BadKey, BadSignature
from handshaker_core.protocol.randomness import Randomness

HASH_SIZE = SALT_SIZE = 48
_TRAILER = b"\xbc"


@dataclass(frozen=True, slots=True)
class SignerKey:
    """The signer's public key.

    Attributes:
        n: the modulus.
        e: the public exponent.
    """

    n: int
    e: int

    @property
    def size(self) -> int:
        """Length of blinded messages and signatures, in bytes."""
        return (self.n.bit_length() + 7) // 8


@dataclass(frozen=True, slots=True)
class Blinded:
    """A message on its way to the signer.

    Attributes:
        message: for the signer, as long as the modulus.
        inverse: secret, and never leaves this device: it ties the message to the signature.
    """

    message: bytes = field(repr=False)
    inverse: int = field(repr=False)


def encode(message: bytes, salt: bytes, bits: int) -> bytes:
    """EMSA-PSS-ENCODE with SHA-384 and MGF1-SHA-384 (RFC 8017 section 9.1.1).

    Args:
        message: of any length.
        salt: of any length that fits.
        bits: most significant bits that the result may have: one less than the modulus.
    """
    size = (bits + 7) // 8
    digest = hashlib.sha384(bytes(8) + hashlib.sha384(message).digest() + salt).digest()
    block = bytes(size - len(salt) - HASH_SIZE - 2) + b"\x01" + salt
    mask = _mgf1(digest, len(block))
    masked = bytearray(a ^ b for a, b in zip(block, mask, strict=True))
    masked[0] &= 0xFF >> (8 * size - bits)
    return bytes(masked) + digest + _TRAILER


def blind(key: SignerKey, message: bytes, rng: Randomness) -> Blinded:
    """Hide a message from the signer (RFC 9474 section 4.2).

    Args:
        key: of the signer.
        message: what is to be signed; it must be hard to guess.
        rng: gives the salt first, then the factor that blinds.

    Raises:
        BadKey: the modulus is none (a factor of it was found).
    """
    encoded = int.from_bytes(encode(message, rng(SALT_SIZE), key.n.bit_length() - 1), "big")
    return blind_encoded(key, encoded, _below(key, rng))


def blind_encoded(key: SignerKey, encoded: int, factor: int) -> Blinded:
    """Multiply with factor^e. Raises: BadKey (`encoded` or `factor` shares a divisor with the modulus)."""
    try:
        pow(encoded, -1, key.n)
        inverse = pow(factor, -1, key.n)
    except ValueError:
        raise BadKey from None
    return Blinded((encoded * pow(factor, key.e, key.n) % key.n).to_bytes(key.size, "big"), inverse)


def unblind(key: SignerKey, signed: bytes, inverse: int) -> bytes:
    """Take the blinding factor out of what the signer answered. Raises: BadSignature (of another length or range)."""
    number = int.from_bytes(signed, "big")
    if len(signed) != key.size or number >= key.n:
        raise BadSignature
    return (number * inverse % key.n).to_bytes(key.size, "big")


def finalize(key: SignerKey, message: bytes, signed: bytes, inverse: int) -> bytes:
    """The signature over `message` (RFC 9474 section 4.4), verified.

    Raises:
        BadSignature: the signer did not sign what it was given.
    """
    signature = unblind(key, signed, inverse)
    verify(key, message, signature)
    return signature


def verify(key: SignerKey, message: bytes, signature: bytes) -> None:
    """RSASSA-PSS-VERIFY (RFC 9474 section 4.5), by `cryptography`. Raises: BadSignature."""
    scheme = padding.PSS(padding.MGF1(hashes.SHA384()), SALT_SIZE)
    try:
        rsa.RSAPublicNumbers(key.e, key.n).public_key().verify(signature, message, scheme, hashes.SHA384())
    except InvalidSignature:
        raise BadSignature from None


def _mgf1(seed: bytes, size: int) -> bytes:
    blocks = -(-size // HASH_SIZE)
    return b"".join(hashlib.sha384(seed + i.to_bytes(4, "big")).digest() for i in range(blocks))[:size]


def _below(key: SignerKey, rng: Randomness) -> int:
    """Uniform in 1..n-1: numbers that are too large are thrown away, never reduced."""
    while True:
        number = int.from_bytes(rng(key.size), "big")
        if 0 < number < key.n:
            return number
