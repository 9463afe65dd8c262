"""docs/protocol/linking.md and the formats of docs/local-store.md."""

import base64
import hashlib
import unicodedata

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from . import hpke
from .basics import Refused, check_x25519, hkdf, require, unpad, x25519_image

SEAL_KEY = 1216


def read_code(text: str) -> bytes:
    """81 bytes: version, send id, secret, commitment."""
    compact = "".join(text.split()).upper()
    require(compact.startswith("HSLINK:") and len(compact) == 143)
    data = base64.b32decode(compact[7:])
    content, checksum = data[:81], data[81:]
    require(hashlib.sha256(b"handshaker/v1/linking/code-checksum" + content).digest()[:4] == checksum)
    require(content[0] == 1)
    return content


def commitment(reveal: bytes) -> bytes:
    return hashlib.sha256(b"handshaker/v1/linking/commitment" + reveal).digest()


def transcript(code: bytes, hello: bytes, reveal: bytes) -> bytes:
    return hashlib.sha256(b"handshaker/v1/linking/transcript" + code + hello + reveal).digest()


def digits(digest: bytes) -> str:
    short = hashlib.sha256(b"handshaker/v1/linking/short-authentication-string" + digest).digest()[:16]
    return f"{int.from_bytes(short, 'big') % 10**6:06}"


def open_aead(key: bytes, frame: bytes, data: bytes) -> bytes:
    require(len(frame) in {2048, 16384} and frame[0] == 1)
    try:
        return unpad(AESGCM(key).decrypt(frame[1:13], frame[13:], data))
    except InvalidTag:
        raise Refused from None


def check_keys(seal_key: bytes, device_key: bytes) -> None:
    require(len(seal_key) == SEAL_KEY)
    check_x25519(seal_key[-32:])
    x25519_image(device_key)


def open_reveal(frame: bytes, primary: bytes, hello: bytes) -> bytes:
    info = b"handshaker/v1/linking/reveal" + hashlib.sha256(hello).digest()
    return unpad(hpke.open_base(primary, frame[1:], info))


def open_grant(frame: bytes, new: bytes, share: bytes, digest: bytes) -> tuple[bytes, bytes]:
    """The primary's share, and the account."""
    inner = unpad(hpke.open_base(new, frame[1:], b"handshaker/v1/linking/grant" + digest))
    key = hkdf(digest, share, b"handshaker/v1/linking/inner-grant-key", 32)
    content = AESGCM(key).decrypt(inner[:12], inner[12:], None)
    return content[:32], content[32:]


def open_vault(copy: bytes, keys: list[bytes]) -> list[tuple[int, int, bytes, bytes]]:
    """Role, file, database key and recovery key of every slot that one of the keys opens."""
    body = copy[:924]
    require(len(copy) == 4096 and body[:8] == b"HSKVAULT" and body[8:10] == b"\x02\x04" and body[11] == 0)
    require(hashlib.sha256(body).digest() == copy[924:956])
    found = []
    for start in range(44, 924, 220):
        slot = body[start : start + 220]
        for key in keys:
            try:
                record = AESGCM(key).decrypt(slot[:12], slot[12:], body[:44])
            except InvalidTag:
                continue
            require(len(record) == 192 and record[2:4] == b"\0\0")
            found.append((record[0], record[1], record[4:36], record[36:68]))
    return found


def passphrase_key(copy: bytes, passphrase: str, keystore_secret: bytes) -> bytes:
    argon = Argon2id(salt=copy[28:44], length=32, iterations=3, lanes=1, memory_cost=64 * 1024)
    stretched = argon.derive(unicodedata.normalize("NFC", passphrase).encode())
    if copy[10]:
        return hkdf(None, stretched + keystore_secret, b"handshaker/v1/store/keystore-wrap", 32)
    return hkdf(None, stretched, b"handshaker/v1/store/passphrase-wrap", 32)


def recovery_key(root_seed: bytes) -> tuple[bytes, bytes]:
    """What is derived for the store, and the key that it opens a slot with."""
    recovery = hkdf(None, root_seed, b"handshaker/v1/root/store-recovery", 32)
    return recovery, hkdf(None, recovery, b"handshaker/v1/store/recovery-wrap", 32)


def write_backup(key: bytes, salt: bytes, content: bytes) -> bytes:
    """A file of one segment."""
    keys = hkdf(salt, key, b"handshaker/v1/backup/file-keyHSBACKUP\x01", 55)
    header = b"HSBACKUP\x01" + salt + keys[39:]
    padded = (content + b"\x80").ljust(65536, b"\0")
    require(len(padded) == 65536)
    return header + AESGCM(keys[:32]).encrypt(keys[32:39] + bytes(4) + b"\x01", padded, header)
