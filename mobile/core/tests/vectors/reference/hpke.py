"""HPKE base mode (RFC 9180) with MLKEM768-X25519, written from the RFC and the KEM's draft: a second opinion.

Uses nothing of the product, so that the product can be compared with it.
"""

import hashlib
import hmac

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

KEM_ID, KDF_ID, AES_256_GCM = b"\x64\x7a", b"\x00\x01", 2
KEM_CIPHERTEXT, KEM_PUBLIC, CURVE = 1088, 1184, 32
COMBINER_LABEL = b"\\.//^\\"


def expand_private(seed: bytes) -> bytes:
    """ML-KEM seed (64) || X25519 private key (32) from the KEM's own 32-byte seed."""
    return hashlib.shake_256(seed).digest(96)


def public_key(private: bytes) -> bytes:
    kem = MLKEM768PrivateKey.from_seed_bytes(private[:64]).public_key().public_bytes_raw()
    return kem + X25519PrivateKey.from_private_bytes(private[64:]).public_key().public_bytes_raw()


def combine(kem_secret: bytes, curve_secret: bytes, curve_ciphertext: bytes, curve_public: bytes) -> bytes:
    return hashlib.sha3_256(kem_secret + curve_secret + curve_ciphertext + curve_public + COMBINER_LABEL).digest()


def decapsulate(private: bytes, encapsulated: bytes) -> bytes:
    kem_ciphertext, curve_ciphertext = encapsulated[:KEM_CIPHERTEXT], encapsulated[KEM_CIPHERTEXT:]
    curve = X25519PrivateKey.from_private_bytes(private[64:])
    return combine(
        MLKEM768PrivateKey.from_seed_bytes(private[:64]).decapsulate(kem_ciphertext),
        curve.exchange(X25519PublicKey.from_public_bytes(curve_ciphertext)),
        curve_ciphertext,
        curve.public_key().public_bytes_raw(),
    )


def encapsulate(public: bytes) -> tuple[bytes, bytes]:
    kem_secret, kem_ciphertext = MLKEM768PublicKey.from_public_bytes(public[:KEM_PUBLIC]).encapsulate()
    ephemeral = X25519PrivateKey.generate()
    curve_ciphertext = ephemeral.public_key().public_bytes_raw()
    curve_secret = ephemeral.exchange(X25519PublicKey.from_public_bytes(public[KEM_PUBLIC:]))
    secret = combine(kem_secret, curve_secret, curve_ciphertext, public[KEM_PUBLIC:])
    return secret, kem_ciphertext + curve_ciphertext


def key_schedule(secret: bytes, info: bytes, aead_id: int = AES_256_GCM) -> tuple[bytes, bytes]:
    """Key (32 bytes) and nonce of the first message; section 5.1 with an empty pre-shared key."""
    suite_id = b"HPKE" + KEM_ID + KDF_ID + aead_id.to_bytes(2, "big")
    context = b"\x00" + _extract(suite_id, b"", b"psk_id_hash", b"") + _extract(suite_id, b"", b"info_hash", info)
    start = _extract(suite_id, secret, b"secret", b"")
    return _expand(suite_id, start, b"key", context, 32), _expand(suite_id, start, b"base_nonce", context, 12)


def _extract(suite_id: bytes, salt: bytes, label: bytes, material: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite_id + label + material, "sha256")


def _expand(suite_id: bytes, key: bytes, label: bytes, info: bytes, size: int) -> bytes:
    labelled = size.to_bytes(2, "big") + b"HPKE-v1" + suite_id + label + info
    return HKDFExpand(SHA256(), size, labelled).derive(key)


def open_base(private: bytes, sealed: bytes, info: bytes) -> bytes:
    encapsulated, ciphertext = sealed[: KEM_CIPHERTEXT + CURVE], sealed[KEM_CIPHERTEXT + CURVE :]
    key, nonce = key_schedule(decapsulate(private, encapsulated), info)
    return AESGCM(key).decrypt(nonce, ciphertext, b"")


def seal_base(public: bytes, content: bytes, info: bytes) -> bytes:
    secret, encapsulated = encapsulate(public)
    key, nonce = key_schedule(secret, info)
    return encapsulated + AESGCM(key).encrypt(nonce, content, b"")
