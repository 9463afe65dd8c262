"""docs/protocol/README.md: notation, keys, signatures; the chains of double-ratchet.md; the padding of frames.md."""

import hashlib
import hmac

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

P = 2**255 - 19
LOW_ORDER = {
    0,
    1,
    P - 1,
    325606250916557431795983626356110631294008115727848805560023387167927233504,
    39382357235489614581723060781553021112529911719440698176882885853963445705823,
}


class Refused(Exception):
    """What a reader must not accept."""


def require(condition: bool) -> None:
    if not condition:
        raise Refused


def hkdf(salt: bytes | None, ikm: bytes, info: bytes, size: int) -> bytes:
    """RFC 5869 with SHA-256."""
    pseudo_random = hmac.digest(salt or bytes(32), ikm, "sha256")
    return hkdf_expand(pseudo_random, info, size)


def hkdf_expand(key: bytes, info: bytes, size: int) -> bytes:
    output, block = b"", b""
    for number in range(1, -(-size // 32) + 1):
        block = hmac.digest(key, block + info + bytes((number,)), "sha256")
        output += block
    return output[:size]


def x25519_private(seed: bytes) -> bytes:
    return hashlib.sha512(seed).digest()[:32]


def x25519_public(private: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def check_x25519(public: bytes) -> bytes:
    require(len(public) == 32)
    u = int.from_bytes(public, "little")
    require(u < P and u not in LOW_ORDER)
    return public


def x25519_image(identity: bytes) -> bytes:
    """u = (1 + y) / (1 - y), checked."""
    require(len(identity) == 32)
    y = int.from_bytes(identity, "little") % 2**255
    require(y < P and y != 1)
    return check_x25519(((1 + y) * pow(1 - y, -1, P) % P).to_bytes(32, "little"))


def agree(private: bytes, public: bytes) -> bytes:
    check_x25519(public)
    return X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(public))


def ed25519_public(seed: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def sign(seed: bytes, label: str, content: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).sign(label.encode() + content)


def verify(public: bytes, label: str, content: bytes, signature: bytes) -> None:
    x25519_image(public)
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, label.encode() + content)
    except InvalidSignature:
        raise Refused from None


def root_step(root_key: bytes, agreed: bytes) -> tuple[bytes, bytes]:
    output = hkdf(root_key, agreed, b"handshaker/v1/ratchet-root", 64)
    return output[:32], output[32:]


def chain_step(chain_key: bytes) -> tuple[bytes, bytes]:
    """The next chain key, and the message key."""
    return hmac.digest(chain_key, b"\x02", "sha256"), hmac.digest(chain_key, b"\x01", "sha256")


def pad(content: bytes, size: int) -> bytes:
    return content + b"\x80" + bytes(size - len(content) - 1)


def unpad(padded: bytes) -> bytes:
    stripped = padded.rstrip(b"\x00")
    require(stripped[-1:] == b"\x80")
    return stripped[:-1]
