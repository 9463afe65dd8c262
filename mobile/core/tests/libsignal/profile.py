"""A profile of our PQXDH and ratchet that speaks as libsignal does: other KEM, AEAD, labels and framing, the same code."""

import hmac
from collections.abc import Iterator

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7
from handshaker_core.errors import MalformedFrame, UndecryptableMessage
from handshaker_core.protocol.header import Header
from handshaker_core.protocol.keys import KeyType, X25519PublicKey
from handshaker_core.protocol.profile import Parties, Profile
from kyber_py.kyber.default_parameters import DEFAULT_PARAMETERS
from kyber_py.kyber.kyber import Kyber

from libsignal.wire import VERSION_BYTE, X25519_TYPE, fields, integer, octets

MAC_SIZE = 8


class RoundThreeKyber1024:
    """Kyber-1024 as submitted to the third round, the predecessor of ML-KEM-1024 with another derivation."""

    ciphertext_size = 1568

    def encapsulate(self, public: bytes) -> tuple[bytes, bytes]:
        return Kyber(DEFAULT_PARAMETERS["kyber_1024"]).encaps(public)

    def decapsulate(self, seed: bytes, ciphertext: bytes) -> bytes:
        return Kyber(DEFAULT_PARAMETERS["kyber_1024"]).decaps(self.key_pair(seed)[1], ciphertext)

    def key_pair(self, seed: bytes) -> tuple[bytes, bytes]:
        """Public and private key of a seed (64 bytes)."""
        halves: Iterator[bytes] = iter((seed[:32], seed[32:]))
        kyber = Kyber(DEFAULT_PARAMETERS["kyber_1024"])
        kyber.random_bytes = lambda _: next(halves)
        return kyber.keygen()


class CbcHmac:
    """AES-256-CBC and the first 8 bytes of HMAC-SHA256; what is returned is the rest of the protocol buffer."""

    material_size = 80
    overhead = MAC_SIZE

    def seal(self, material: bytes, plaintext: bytes, associated_data: bytes) -> bytes:
        padder = PKCS7(128).padder()
        encryptor = Cipher(AES256(material[:32]), CBC(material[64:])).encryptor()
        body = octets(4, encryptor.update(padder.update(plaintext) + padder.finalize()) + encryptor.finalize())
        return body + self._mac(material, associated_data + body)

    def open(self, material: bytes, ciphertext: bytes, associated_data: bytes) -> bytes:
        body, mac = ciphertext[:-MAC_SIZE], ciphertext[-MAC_SIZE:]
        if not hmac.compare_digest(mac, self._mac(material, associated_data + body)):
            raise UndecryptableMessage
        decryptor = Cipher(AES256(material[:32]), CBC(material[64:])).decryptor()
        padded = decryptor.update(next(fields(body)).bytes()) + decryptor.finalize()
        unpadder = PKCS7(128).unpadder()
        return unpadder.update(padded) + unpadder.finalize()

    def _mac(self, material: bytes, data: bytes) -> bytes:
        return hmac.digest(material[32:64], data, "sha256")[:MAC_SIZE]


class SignalMessageFraming:
    """Version byte, then a protocol buffer whose field 4 is the ciphertext.

    We write the ciphertext last, which the encoding allows; libsignal writes the post-quantum ratchet's field and the
    addresses after it, so that these stand in what we call the ciphertext. The MAC covers all of it either way.

    libsignal's "previous counter" is the number of the last message of the previous chain, where the specification has
    how many there were (PN). It does not use the field itself, but keeps earlier chains.
    """

    def encode_header(self, header: Header) -> bytes:
        key = octets(1, bytes([X25519_TYPE]) + header.ratchet_key.raw)
        counters = integer(2, header.number) + integer(3, max(0, header.previous_chain_length - 1))
        return bytes([VERSION_BYTE]) + key + counters + octets(5, header.post_quantum)

    def split(self, message: bytes) -> tuple[Header, bytes, bytes]:
        if message[:1] != bytes([VERSION_BYTE]):
            raise MalformedFrame
        found = {field.number: field for field in fields(message[1:-MAC_SIZE])}
        if not {1, 2, 4, 5} <= set(found):
            raise MalformedFrame
        key = found[1].bytes()
        if key[:1] != bytes([X25519_TYPE]):
            raise MalformedFrame
        previous_length = found[3].integer() + 1 if 3 in found else 0
        header = Header(X25519PublicKey(key[1:]), previous_length, found[2].integer(), found[5].bytes())
        cut = 1 + found[4].start
        return header, message[:cut], message[cut:]


class BoundByMac:
    """libsignal binds a session to both identity keys in every MAC, the sender's first, and to nothing else."""

    def associated_data(self, suite: int, parties: Parties, kem_type: KeyType, kem_public: bytes) -> bytes:
        return b""


KEM = RoundThreeKyber1024()

LIBSIGNAL = Profile(
    suite=4,
    pqxdh_info=b"WhisperText_X25519_SHA-256_CRYSTALS-KYBER-1024",
    root_info=b"WhisperRatchet",
    message_key_info=b"WhisperMessageKeys",
    kem=KEM,
    aead=CbcHmac(),
    framing=SignalMessageFraming(),
    binding=BoundByMac(),
    further_secret_size=64,
)
