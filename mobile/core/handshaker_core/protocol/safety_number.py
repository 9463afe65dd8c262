"""Safety numbers: 60 digits that two people compare to know that nobody is in between.

The construction is the field's numeric fingerprint: each side's key is hashed 5,200 times with SHA-512, 30 bytes become
30 digits, and the smaller half comes first, so that both sides show the same number.
"""

from hashlib import sha512

from handshaker_core.protocol.keys import IdentityPublicKey, KeyType
from handshaker_core.protocol.wire import u8, u16

FINGERPRINT_VERSION = 0
ITERATIONS = 5_200
DIGITS = 60
_GROUP_BYTES = 5
_GROUP_DIGITS = 5
_GROUPS_PER_SIDE = 6


def safety_number(first: IdentityPublicKey, second: IdentityPublicKey) -> str:
    """The 60 digits of two identities; the order of the arguments does not matter. Takes about 10 ms."""
    halves = sorted(numeric_fingerprint(encoded, encoded) for encoded in (_encode(first), _encode(second)))
    return "".join(halves)


def grouped(number: str) -> str:
    """A safety number as people read it: groups of five digits with spaces between."""
    return " ".join(number[start : start + _GROUP_DIGITS] for start in range(0, len(number), _GROUP_DIGITS))


def numeric_fingerprint(encoded_key: bytes, stable_id: bytes, iterations: int = ITERATIONS) -> str:
    """One side's 30 digits.

    Args:
        encoded_key: the identity key with its type byte.
        stable_id: what names the person; here the encoded key again, because accounts are nobody's business.
        iterations: how often the hash is repeated.
    """
    digest = sha512(u16(FINGERPRINT_VERSION) + encoded_key + stable_id + encoded_key).digest()
    for _ in range(iterations - 1):
        digest = sha512(digest + encoded_key).digest()
    starts = range(0, _GROUPS_PER_SIDE * _GROUP_BYTES, _GROUP_BYTES)
    groups = (int.from_bytes(digest[start : start + _GROUP_BYTES], "big") % 100_000 for start in starts)
    return "".join(f"{group:05d}" for group in groups)


def _encode(identity: IdentityPublicKey) -> bytes:
    return u8(KeyType.IDENTITY) + identity.raw
