"""docs/protocol/openpgp.md: the certificate of a root seed, byte for byte."""

import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from .basics import ed25519_public, hkdf, sign, x25519_public

CREATED = (1_767_225_600).to_bytes(4, "big")
ED25519, X25519 = bytes.fromhex("092b06010401da470f01"), bytes.fromhex("0a2b060104019755010501")


def mpi(value: bytes) -> bytes:
    number = int.from_bytes(value, "big")
    return number.bit_length().to_bytes(2, "big") + number.to_bytes((number.bit_length() + 7) // 8, "big")


def packet(tag: int, body: bytes) -> bytes:
    size = len(body)
    length = bytes((size,)) if size < 192 else bytes(((size - 192 >> 8) + 192, size - 192 & 0xFF))
    return bytes((0xC0 | tag,)) + length + body


def subpacket(kind: int, content: str | bytes) -> bytes:
    body = bytes((kind,)) + (bytes.fromhex(content) if isinstance(content, str) else content)
    return bytes((len(body),)) + body


def prefixed(body: bytes) -> bytes:
    return b"\x99" + len(body).to_bytes(2, "big") + body


class Certificate:
    def __init__(self, root_seed: bytes) -> None:
        self.primary_seed = hkdf(None, root_seed, b"handshaker/v1/root/openpgp-primary", 32)
        encryption = hkdf(None, root_seed, b"handshaker/v1/root/openpgp-encryption", 32)
        self.identity_seed = hkdf(None, root_seed, b"handshaker/v1/root/identity", 32)
        public = ed25519_public(self.primary_seed)
        self.primary = b"\x04" + CREATED + b"\x16" + ED25519 + mpi(b"\x40" + public)
        self.subkey = b"\x04" + CREATED + b"\x12" + X25519 + mpi(b"\x40" + x25519_public(encryption))
        self.subkey += bytes.fromhex("03010807")
        self.fingerprint = hashlib.sha1(prefixed(self.primary)).digest()
        self.binding = public + self.fingerprint

    def encode(self) -> bytes:
        identity = ed25519_public(self.identity_seed)
        value = b"\x01" + identity
        value += sign(self.identity_seed, "handshaker/v1/openpgp-binding", b"\x01" + self.binding)
        name = b"identity@handshaker.invalid"
        notation = bytes(4) + len(name).to_bytes(2, "big") + len(value).to_bytes(2, "big") + name + value
        use = [(27, "03"), (11, "09"), (21, "0a08"), (22, "00"), (30, "01")]
        digits = identity.hex()[:16].upper()
        user_id = " ".join(["Handshaker", *(digits[at : at + 4] for at in range(0, 16, 4))]).encode()
        certified = b"\xb4" + len(user_id).to_bytes(4, "big") + user_id
        return b"".join(
            (
                packet(6, self.primary),
                self._signature(0x1F, b"", *use, (20, notation)),
                packet(13, user_id),
                self._signature(0x13, certified, *use, (25, "01")),
                packet(14, self.subkey),
                self._signature(0x18, prefixed(self.subkey), (27, "0c")),
            )
        )

    def _signature(self, kind: int, about: bytes, *statements: tuple[int, str | bytes]) -> bytes:
        first = [(2, CREATED), (33, b"\x04" + self.fingerprint), (16, self.fingerprint[-8:])]
        hashed = b"".join(subpacket(number, content) for number, content in (*first, *statements))
        signed = bytes((4, kind, 22, 10)) + len(hashed).to_bytes(2, "big") + hashed
        trailer = b"\x04\xff" + len(signed).to_bytes(4, "big")
        digest = hashlib.sha512(prefixed(self.primary) + about + signed + trailer).digest()
        signature = Ed25519PrivateKey.from_private_bytes(self.primary_seed).sign(digest)
        body = signed + bytes(2) + digest[:2] + mpi(signature[:32]) + mpi(signature[32:])
        return packet(2, body)
