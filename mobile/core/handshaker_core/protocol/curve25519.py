"""Curve25519 in its two forms: X25519 (RFC 7748) for key agreement, Ed25519 (RFC 8032) for signatures.

One seed serves both, as in XEdDSA: the X25519 private key is the first half of SHA-512(seed), which is the scalar that
Ed25519 uses, so the public keys are images of each other under the birational map of RFC 7748, section 4.1.
"""

import hashlib

from handshaker_core.errors import BadKey, LowOrderPoint

KEY_SIZE = 32
FIELD_PRIME = 2**255 - 19

# Every canonical u-coordinate whose order divides 8, on the curve or its twist (0 and p-1 lie on both or either).
LOW_ORDER_U = frozenset(
    {
        0,
        1,
        FIELD_PRIME - 1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
    }
)


def check_x25519_public(raw: bytes) -> None:
    """Refuse public keys that are too short or long, not reduced modulo p, or of low order.

    A reduced form is demanded so that one key has one encoding.

    Raises:
        BadKey, LowOrderPoint.
    """
    if len(raw) != KEY_SIZE:
        raise BadKey
    u = int.from_bytes(raw, "little")
    if u >= FIELD_PRIME:
        raise BadKey
    if u in LOW_ORDER_U:
        raise LowOrderPoint


def x25519_private_from_ed25519_seed(seed: bytes) -> bytes:
    """The X25519 private key that belongs to an Ed25519 seed (32 bytes); X25519 clamps it itself."""
    return hashlib.sha512(seed).digest()[:KEY_SIZE]


def x25519_public_from_ed25519(raw: bytes) -> bytes:
    """The X25519 image u = (1+y)/(1-y) of an Ed25519 public key, checked like any X25519 public key.

    Raises:
        BadKey, LowOrderPoint.
    """
    if len(raw) != KEY_SIZE:
        raise BadKey
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    if y >= FIELD_PRIME:
        raise BadKey
    if y == 1:  # the neutral element, which the map sends to infinity
        raise LowOrderPoint
    u = (1 + y) * pow(1 - y, -1, FIELD_PRIME) % FIELD_PRIME
    image = u.to_bytes(KEY_SIZE, "little")
    check_x25519_public(image)
    return image
