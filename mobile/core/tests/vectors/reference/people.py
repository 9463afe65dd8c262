"""docs/protocol/contact-address.md and devices.md."""

import base64
import hashlib
import re
import unicodedata
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from .basics import Refused, hkdf_expand, require, unpad, verify


class Address(NamedTuple):
    send_id: bytes
    send_secret: bytes
    bundle_id: bytes
    identity: bytes
    issued_at: int


def read_address(data: bytes) -> Address:
    require(len(data) == 169 and data[0] == 1)
    verify(data[65:97], "handshaker/v1/contact-address-signature", data[:105], data[105:])
    return Address(data[1:17], data[17:49], data[49:65], data[65:97], int.from_bytes(data[97:105], "big"))


LINK = re.compile(
    r"(?P<base>(?P<scheme>https?)://(?P<host>[a-z0-9.-]+|\[[0-9a-f:]+\])(?::[0-9]+)?)/c#(?P<fragment>[A-Za-z0-9_-]+)"
)


def read_link(link: str) -> tuple[str, Address]:
    found = LINK.fullmatch(link)
    if found is None:
        raise Refused
    plain = found["host"].endswith(".onion") or found["host"] in {"localhost", "127.0.0.1", "[::1]"}
    require(found["scheme"] == "https" or plain)
    fragment = found["fragment"]
    require(len(fragment) % 4 != 1)
    data = base64.urlsafe_b64decode(fragment + "=" * (-len(fragment) % 4))
    require(base64.urlsafe_b64encode(data).rstrip(b"=").decode() == fragment)
    return found["base"], read_address(data)


def write_link(base: str, address: bytes) -> str:
    return f"{base}/c#{base64.urlsafe_b64encode(address).rstrip(b'=').decode()}"


def normalise(text: str) -> str:
    name = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text.strip()).casefold())
    require(re.fullmatch(r"[a-z0-9_]{3,32}\.[0-9]{2,9}", name) is not None)
    return name


def username_keys(username: str, deployment: bytes) -> tuple[bytes, bytes]:
    """Lookup hash and seal key."""
    salt = b"handshaker/v1/username-argon2id" + deployment
    argon = Argon2id(salt=salt, length=32, iterations=3, lanes=1, memory_cost=64 * 1024)
    stretched = argon.derive(username.encode())
    lookup = hkdf_expand(stretched, b"handshaker/v1/username-lookup", 32)
    return lookup, hkdf_expand(stretched, b"handshaker/v1/username-seal-key", 32)


def open_record(record: bytes, username: str, deployment: bytes) -> bytes:
    lookup, key = username_keys(username, deployment)
    require(len(record) == 512 and record[0] == 1)
    try:
        padded = AESGCM(key).decrypt(record[1:13], record[13:], b"handshaker/v1/sealed-address\x01" + lookup)
    except InvalidTag:
        raise Refused from None
    require(len(padded) == 483)
    return unpad(padded)


def safety_number(one: bytes, other: bytes) -> str:
    return "".join(sorted(_half(b"\x01" + key) for key in (one, other)))


def _fingerprint(key: bytes) -> bytes:
    digest = hashlib.sha512(b"\x00\x00" + key + key + key).digest()
    for _ in range(5_199):
        digest = hashlib.sha512(digest + key).digest()
    return digest


def safety_code(own: bytes, contact: bytes) -> bytes:
    halves = [_fingerprint(b"\x01" + key)[:32] for key in (own, contact)]
    return bytes.fromhex("0801 12220a20") + halves[0] + bytes.fromhex("1a220a20") + halves[1]


def _half(key: bytes) -> str:
    digest = _fingerprint(key)
    return "".join(f"{int.from_bytes(digest[at : at + 5], 'big') % 100_000:05}" for at in range(0, 30, 5))


class Certificate(NamedTuple):
    identity: bytes
    device_id: bytes
    device_key: bytes
    bundle_id: bytes
    issued_at: int


def read_certificate(data: bytes) -> Certificate:
    require(len(data) == 169 and data[0] == 1)
    verify(data[1:33], "handshaker/v1/device-certificate-signature", data[:105], data[105:])
    return Certificate(data[1:33], data[33:49], data[49:81], data[81:97], int.from_bytes(data[97:105], "big"))


def read_device_list(data: bytes) -> tuple[int, int, list[Certificate]]:
    """Sequence, time, certificates."""
    require(len(data) >= 46 + 64 and data[0] == 1)
    identity, sequence = data[1:33], int.from_bytes(data[33:37], "big")
    count = data[45]
    require(sequence > 0 and 1 <= count <= 8 and len(data) == 46 + count * 169 + 64)
    found = [read_certificate(data[46 + at * 169 : 46 + (at + 1) * 169]) for at in range(count)]
    ids = [certificate.device_id for certificate in found]
    require(ids == sorted(set(ids)) and all(certificate.identity == identity for certificate in found))
    verify(identity, "handshaker/v1/device-list-signature", data[:-64], data[-64:])
    return sequence, int.from_bytes(data[37:45], "big"), found
