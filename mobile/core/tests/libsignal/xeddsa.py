"""XEdDSA in terms of Ed25519: what libsignal signs with an X25519 key, and how it sees our signatures.

An XEdDSA signature is an Ed25519 signature by the Edwards key that belongs to the X25519 key; of the two there are, the
unused highest bit of the signature tells which (Signal's encoding).
"""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from handshaker_core.protocol.curve25519 import FIELD_PRIME

_SIGN = 0x80


def from_ed25519(signature: bytes, public: bytes) -> bytes:
    """An Ed25519 signature as libsignal wants it: with the sign bit of the Ed25519 public key."""
    return signature[:63] + bytes([signature[63] | public[31] & _SIGN])


def sign(seed: bytes, message: bytes) -> bytes:
    """By the key of an Ed25519 seed."""
    key = Ed25519PrivateKey.from_private_bytes(seed)
    return from_ed25519(key.sign(message), key.public_key().public_bytes_raw())


def edwards(x25519: bytes, sign: int) -> bytes:
    """The Edwards key y = (u-1)/(u+1) of an X25519 key (RFC 7748, section 4.1) with the given sign bit."""
    u = int.from_bytes(x25519, "little")
    y = (u - 1) * pow(u + 1, -1, FIELD_PRIME) % FIELD_PRIME
    encoded = bytearray(y.to_bytes(32, "little"))
    encoded[31] |= sign
    return bytes(encoded)


def verify(x25519: bytes, message: bytes, signature: bytes) -> bool:
    """Whether libsignal's signature is right, as an Ed25519 implementation sees it."""
    key = edwards(x25519, signature[63] & _SIGN)
    plain = signature[:63] + bytes([signature[63] & ~_SIGN])
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(plain, message)
    except (InvalidSignature, ValueError):
        return False
    return True
