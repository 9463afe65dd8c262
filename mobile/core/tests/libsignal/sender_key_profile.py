"""A profile of our sender keys that speaks as libsignal does: other AEAD, label, signatures and framing, the same code."""

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7
from handshaker_core.errors import BadSignature, MalformedFrame, UndecryptableMessage
from handshaker_core.protocol.curve25519 import x25519_public_from_ed25519
from handshaker_core.protocol.groups.ids import NO_ENTRY
from handshaker_core.protocol.groups.sender_chain import SenderChain, SenderChainKey, SenderSignatureKey
from handshaker_core.protocol.groups.sender_key_profile import (
    SenderKeyDistribution,
    SenderKeyHeader,
    SenderKeyMessage,
    SenderKeyProfile,
)

from libsignal import xeddsa
from libsignal.wire import X25519_TYPE, Field, fields, integer, octets

VERSION_BYTE = 0x33
"""Message version 3 and current version 3, half a byte each."""
SIGNATURE_SIZE = 64
_IV_SIZE = 16


class Cbc:
    """AES-256-CBC with a derived IV; the signature is what authenticates."""

    material_size = 48
    overhead = 16

    def seal(self, material: bytes, plaintext: bytes, associated_data: bytes) -> bytes:
        padder = PKCS7(128).padder()
        encryptor = Cipher(AES256(material[_IV_SIZE:]), CBC(material[:_IV_SIZE])).encryptor()
        return encryptor.update(padder.update(plaintext) + padder.finalize()) + encryptor.finalize()

    def open(self, material: bytes, ciphertext: bytes, associated_data: bytes) -> bytes:
        decryptor = Cipher(AES256(material[_IV_SIZE:]), CBC(material[:_IV_SIZE])).decryptor()
        unpadder = PKCS7(128).unpadder()
        try:
            padded = decryptor.update(ciphertext) + decryptor.finalize()
            return unpadder.update(padded) + unpadder.finalize()
        except ValueError:
            raise UndecryptableMessage from None


class Xeddsa:
    """Signatures over the message alone; public keys are X25519."""

    def public(self, key: SenderSignatureKey) -> bytes:
        return x25519_public_from_ed25519(key.load().public_key().public_bytes_raw())

    def sign(self, key: SenderSignatureKey, associated_data: bytes, signed: bytes) -> bytes:
        return xeddsa.sign(key.raw, signed)

    def verify(self, public: bytes, associated_data: bytes, signed: bytes, signature: bytes) -> None:
        if not xeddsa.verify(public, signed, signature):
            raise BadSignature


class SenderKeyMessageFraming:
    """Version byte and a protocol buffer; the signature follows a message, nothing follows a distribution."""

    def authenticated(self, header: SenderKeyHeader) -> bytes:
        return b""

    def signed(self, header: SenderKeyHeader, ciphertext: bytes) -> bytes:
        numbers = integer(2, header.chain_id) + integer(3, header.iteration)
        return bytes([VERSION_BYTE]) + octets(1, header.distribution_id) + numbers + octets(4, ciphertext)

    def split(self, message: bytes) -> SenderKeyMessage:
        signed, signature = message[:-SIGNATURE_SIZE], message[-SIGNATURE_SIZE:]
        found = parsed(signed, 4)
        header = SenderKeyHeader(found[1].bytes(), found[2].integer(), 0, found[3].integer())
        return SenderKeyMessage(header, b"", found[4].bytes(), signed=signed, signature=signature)

    def encode_distribution(
        self, distribution: SenderKeyDistribution, key: SenderSignatureKey, associated_data: bytes
    ) -> bytes:
        numbers = integer(2, distribution.chain_id) + integer(3, distribution.chain.iteration)
        keys = octets(4, distribution.chain.key.raw) + octets(5, bytes([X25519_TYPE]) + distribution.signature_key)
        return bytes([VERSION_BYTE]) + octets(1, distribution.distribution_id) + numbers + keys

    def decode_distribution(self, data: bytes, associated_data: bytes) -> SenderKeyDistribution:
        found = parsed(data, 5)
        chain = SenderChain(SenderChainKey(found[4].bytes()), found[3].integer())
        key = found[5].bytes()[1:]
        return SenderKeyDistribution(found[1].bytes(), found[2].integer(), 0, NO_ENTRY, chain, key)


def parsed(data: bytes, count: int) -> dict[int, Field]:
    """The fields 1 to `count`, all of them. Raises: MalformedFrame."""
    if data[:1] != bytes([VERSION_BYTE]):
        raise MalformedFrame
    found = {field.number: field for field in fields(data[1:])}
    if set(found) != set(range(1, count + 1)):
        raise MalformedFrame
    return found


LIBSIGNAL_GROUP = SenderKeyProfile(
    message_key_info=b"WhisperGroup",
    aead=Cbc(),
    signatures=Xeddsa(),
    framing=SenderKeyMessageFraming(),
)
