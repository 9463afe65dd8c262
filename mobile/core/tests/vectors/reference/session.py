"""docs/protocol/pqxdh.md, sealed-sender.md, frames.md, double-ratchet.md: one side of a conversation."""

import hashlib
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM1024PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from . import hpke
from .basics import agree, chain_step, hkdf, pad, require, root_step, unpad, x25519_image, x25519_private, x25519_public
from .people import Certificate, read_certificate

HEADER = 32 + 4 + 4 + 154
NO_CHUNK = bytes(150)


class Envelope(NamedTuple):
    kind: int
    certificate: bytes
    handshake: bytes
    seal_key: bytes
    message: bytes


def open_frame(frame: bytes, seal_private: bytes, own_device: bytes) -> Envelope:
    require(len(frame) in {2048, 16384} and frame[0] == 1)
    inner = hpke.open_base(seal_private, frame[1:], b"handshaker/v1/sealed-sender\x01" + own_device)
    kind, certificate, rest = inner[0], inner[1:170], inner[170:]
    require(kind in {1, 2})
    read_certificate(certificate)
    if kind == 2:
        return Envelope(kind, certificate, b"", b"", rest)
    return Envelope(kind, certificate, rest[:1614], rest[1614:2830], rest[2830:])


def party(certificate: Certificate) -> bytes:
    return b"\x01" + certificate.identity + b"\x07" + certificate.device_key + certificate.device_id


def associated_data(
    initiator: Certificate, seal_key: bytes, responder: Certificate, kem_type: int, kem_public: bytes
) -> bytes:
    answer_to = b"\x06" + hashlib.sha256(seal_key).digest()
    kem = bytes((kem_type,)) + hashlib.sha256(kem_public).digest()
    return b"\x01" + party(initiator) + answer_to + party(responder) + kem


def handshake_id(initiator: Certificate, handshake: bytes, seal_key: bytes) -> bytes:
    return hashlib.sha256(b"handshaker/v1/handshake-id" + party(initiator) + handshake + seal_key).digest()


def pqxdh_secret(agreements: list[bytes], kem_secret: bytes) -> bytes:
    info = b"handshaker/v1/pqxdh/x25519+sha256+ml-kem-1024"
    return hkdf(None, b"\xff" * 32 + b"".join(agreements) + kem_secret, info, 32)


class Handshake(NamedTuple):
    base_key: bytes
    signed_prekey_id: int
    kem_prekey_id: int
    last_resort: bool
    one_time_prekey_id: int
    ciphertext: bytes


def read_handshake(data: bytes) -> Handshake:
    require(len(data) == 1614 and data[0] == 1 and data[41] in {0, 1})
    number = [int.from_bytes(data[at : at + 4], "big") for at in (33, 37, 42)]
    return Handshake(data[1:33], number[0], number[1], data[41] == 1, number[2], data[46:])


def signed_prekey_content(kind: int, key_id: int, public: bytes) -> bytes:
    return bytes((kind,)) + key_id.to_bytes(4, "big") + public


def kem_public(seed: bytes) -> bytes:
    return MLKEM1024PrivateKey.from_seed_bytes(seed).public_key().public_bytes_raw()


def responder_secret(
    device: dict[str, bytes | int], initiator: Certificate, handshake: Handshake
) -> tuple[bytes, bytes]:
    """SK, and the public KEM prekey that was used."""
    signed, own = device["signed_prekey_private"], x25519_private(device["device_key_seed"])  # type: ignore[arg-type]
    agreements = [
        agree(signed, x25519_image(initiator.device_key)),  # type: ignore[arg-type]
        agree(own, handshake.base_key),
        agree(signed, handshake.base_key),  # type: ignore[arg-type]
    ]
    if handshake.one_time_prekey_id:
        require(handshake.one_time_prekey_id == device["one_time_prekey_id"])
        agreements.append(agree(device["one_time_prekey_private"], handshake.base_key))  # type: ignore[arg-type]
    seed = device["last_resort_seed" if handshake.last_resort else "kem_prekey_seed"]
    kem = MLKEM1024PrivateKey.from_seed_bytes(seed)  # type: ignore[arg-type]
    secret = pqxdh_secret(agreements, kem.decapsulate(handshake.ciphertext))
    return secret, kem.public_key().public_bytes_raw()


class Side:
    """One side's Double Ratchet, in epoch 0 of the post-quantum ratchet throughout."""

    def __init__(self, role: int, secret: bytes, ad: bytes, own: bytes, remote: bytes | None) -> None:
        """`own` is the first ratchet private key, `remote` the peer's ratchet key where it is known."""
        self.role, self.ad, self.root, self.own, self.remote = role, ad, secret, own, remote
        epoch = hkdf(None, secret, b"handshaker/v1/pq-ratchet-start", 96)
        self.salts = {1: epoch[32:64], 2: epoch[64:]}
        self.sending: bytes | None = None
        self.receiving = b""
        self.sent = self.received = self.previous = 0
        self.skipped: dict[tuple[bytes, int], bytes] = {}
        if remote is not None:
            self.root, self.sending = root_step(self.root, agree(own, remote))

    def send(self, content: bytes, size: int, kind: int, new_private: bytes | None) -> tuple[bytes, bytes]:
        """The ratchet message of so many bytes, and its key."""
        require((self.sending is None) == (new_private is not None))
        if new_private is not None and self.remote is not None:
            self.own, self.previous, self.sent = new_private, self.sent, 0
            self.root, self.sending = root_step(self.root, agree(new_private, self.remote))
        require(self.sending is not None)
        counters = self.previous.to_bytes(4, "big") + self.sent.to_bytes(4, "big")
        header = x25519_public(self.own) + counters + bytes(4) + NO_CHUNK
        self.sending, key = chain_step(self.sending or b"")
        self.sent += 1
        padded = pad(content, size - HEADER - 16)
        return header + self._cipher(key, self.role).encrypt(
            self._nonce, padded, self._data(self.role, kind) + header
        ), key

    def receive(self, message: bytes, kind: int) -> bytes:
        header, ciphertext = message[:HEADER], message[HEADER:]
        remote, previous, number = (
            header[:32],
            int.from_bytes(header[32:36], "big"),
            int.from_bytes(header[36:40], "big"),
        )
        require(header[40:] == bytes(154))
        key = self.skipped.pop((remote, number), None)
        if key is None:
            if remote != self.remote:
                if self.receiving:
                    self._skip(previous)
                self.remote, self.received, self.sending = remote, 0, None
                self.root, self.receiving = root_step(self.root, agree(self.own, remote))
            self._skip(number)
            self.receiving, key = chain_step(self.receiving)
            self.received += 1
        sender = 3 - self.role
        try:
            padded = self._cipher(key, sender).decrypt(self._nonce, ciphertext, self._data(sender, kind) + header)
        except InvalidTag:
            require(False)
        return unpad(padded)

    def _skip(self, until: int) -> None:
        while self.received < until:
            self.receiving, self.skipped[self.remote or b"", self.received] = chain_step(self.receiving)
            self.received += 1

    def _cipher(self, key: bytes, sender: int) -> AESGCM:
        material = hkdf(self.salts[sender], key, b"handshaker/v1/ratchet-message-key", 44)
        self._nonce = material[32:]
        return AESGCM(material[:32])

    def _data(self, sender: int, kind: int) -> bytes:
        return self.ad + bytes((sender, 1, kind))
