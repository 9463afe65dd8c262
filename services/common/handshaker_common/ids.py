"""Identifiers that follow from keys, so that creating twice changes nothing, and signature checks that never raise."""

import hashlib
from typing import NewType

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

RecvId = NewType("RecvId", bytes)
SendId = NewType("SendId", bytes)
WakeId = NewType("WakeId", bytes)

ID_BYTES = 16

# The y coordinates of the eight points of small order, and their encodings beyond the prime. Under such a "key" anybody
# can sign about every eighth message, or every one; RFC 8032 leaves it to the application to refuse them.
_PRIME = 2**255 - 19
_ORDER_8_Y = int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little")
SMALL_ORDER_Y = frozenset({0, 1, _ORDER_8_Y, _PRIME - _ORDER_8_Y, _PRIME - 1, _PRIME, _PRIME + 1})
_SIGN_BIT = 1 << 255


def _derive(label: bytes, *parts: bytes) -> bytes:
    return hashlib.sha256(label + b"".join(parts)).digest()[:ID_BYTES]


def recv_id(recv_public_key: bytes) -> RecvId:
    """The id under which a mailbox's owner receives (16 bytes), from its Ed25519 public key (32 bytes)."""
    return RecvId(_derive(b"handshaker/v1/recv-id", recv_public_key))


def send_id(recv_public_key: bytes, send_secret_hash: bytes) -> SendId:
    """The id under which senders write (16 bytes), from the owner's public key and the hash of the senders' secret."""
    return SendId(_derive(b"handshaker/v1/send-id", recv_public_key, send_secret_hash))


def wake_id(owner_public_key: bytes) -> WakeId:
    """The id of a wake target (16 bytes), from its owner's Ed25519 public key (32 bytes)."""
    return WakeId(_derive(b"handshaker/v1/wake-id", owner_public_key))


def verify_ed25519(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether the signature (64 bytes, RFC 8032) by the key (32 bytes) fits.

    False for anything malformed, and for keys of small order, which nobody needs to hold in order to sign.
    """
    if int.from_bytes(public_key, "little") & ~_SIGN_BIT in SMALL_ORDER_Y:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
