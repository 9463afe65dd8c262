"""In what two protocols with the same sender keys differ: labels, AEAD, signatures, formats.

The product has one, `HANDSHAKER_GROUP_V1`; tests have another that speaks to implementations that are not ours.
"""

from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from handshaker_core.errors import BadSignature, MalformedFrame, UnsupportedVersion
from handshaker_core.protocol.curve25519 import KEY_SIZE, x25519_public_from_ed25519
from handshaker_core.protocol.groups.errors import MalformedSenderKey
from handshaker_core.protocol.groups.ids import HASH_SIZE, NO_ENTRY, EntryHash
from handshaker_core.protocol.groups.sender_chain import SenderChain, SenderChainKey, SenderSignatureKey
from handshaker_core.protocol.keys import SIGNATURE_SIZE
from handshaker_core.protocol.labels import Label
from handshaker_core.protocol.profile import Aead, Aes256Gcm
from handshaker_core.protocol.wire import Reader, u8, u32

GROUP_MESSAGE_VERSION = 1
SENDER_KEY_VERSION = 1

GROUP_HEADER_SIZE = 1 + HASH_SIZE + 4 + 4 + 4
GROUP_MESSAGE_OVERHEAD = GROUP_HEADER_SIZE + Aes256Gcm.overhead + SIGNATURE_SIZE
SENDER_KEY_SIZE = 1 + HASH_SIZE + 4 + 4 + HASH_SIZE + 4 + 32 + KEY_SIZE + SIGNATURE_SIZE


@dataclass(frozen=True, slots=True)
class SenderKeyHeader:
    """What stands before a group message's ciphertext.

    Attributes:
        distribution_id: which chains it belongs to: our group id (32 bytes), elsewhere a UUID.
        chain_id: which chain of the sender, a random 32-bit number that is not 0.
        epoch: sequence of the last entry of the log that the sender knew.
        iteration: number of the message in its chain.
    """

    distribution_id: bytes
    chain_id: int
    epoch: int
    iteration: int


@dataclass(frozen=True, slots=True)
class SenderKeyMessage:
    """A parsed, unverified group message.

    Attributes:
        authenticated: the bytes before the ciphertext, which the AEAD covers where it can.
        signed: the bytes that the signature covers.
    """

    header: SenderKeyHeader
    authenticated: bytes
    ciphertext: bytes
    signed: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class SenderKeyDistribution:
    """What a recipient needs to read a chain from `chain.iteration` on; secret.

    Attributes:
        epoch, head: sequence and hash of the last entry of the log when the chain was made.
        signature_key: public half of the key that signs the chain's messages (32 bytes).
    """

    distribution_id: bytes
    chain_id: int
    epoch: int
    head: EntryHash
    chain: SenderChain
    signature_key: bytes


class SenderSignatures(Protocol):
    """How the messages of a chain are signed."""

    def public(self, key: SenderSignatureKey) -> bytes:
        """The public half (32 bytes)."""

    def sign(self, key: SenderSignatureKey, associated_data: bytes, signed: bytes) -> bytes:
        """Signature (64 bytes)."""

    def verify(self, public: bytes, associated_data: bytes, signed: bytes, signature: bytes) -> None:
        """Raises: BadSignature."""


class SenderKeyFraming(Protocol):
    """How headers, ciphertexts and distributions become bytes."""

    def authenticated(self, header: SenderKeyHeader) -> bytes:
        """The header's part of the AEAD's associated data."""

    def signed(self, header: SenderKeyHeader, ciphertext: bytes) -> bytes:
        """Everything of a message but the signature, which follows it."""

    def split(self, message: bytes) -> SenderKeyMessage:
        """Raises: MalformedFrame, UnsupportedVersion."""

    def encode_distribution(
        self, distribution: SenderKeyDistribution, key: SenderSignatureKey, associated_data: bytes
    ) -> bytes:
        """Bytes for one recipient."""

    def decode_distribution(self, data: bytes, associated_data: bytes) -> SenderKeyDistribution:
        """Raises: MalformedSenderKey, UnsupportedVersion, BadKey, LowOrderPoint, BadSignature."""


@dataclass(frozen=True, slots=True)
class SenderKeyProfile:
    """One consistent choice."""

    message_key_info: bytes
    aead: Aead
    signatures: SenderSignatures
    framing: SenderKeyFraming


class Ed25519Signatures:
    """Ed25519 over label || associated data || message."""

    def public(self, key: SenderSignatureKey) -> bytes:
        """See `SenderSignatures`."""
        return key.load().public_key().public_bytes_raw()

    def sign(self, key: SenderSignatureKey, associated_data: bytes, signed: bytes) -> bytes:
        """See `SenderSignatures`."""
        return key.load().sign(Label.GROUP_MESSAGE_SIGNATURE.value + associated_data + signed)

    def verify(self, public: bytes, associated_data: bytes, signed: bytes, signature: bytes) -> None:
        """See `SenderSignatures`."""
        _verify(public, Label.GROUP_MESSAGE_SIGNATURE.value + associated_data + signed, signature)


class FixedGroupFraming:
    """The fixed layouts of docs/protocol/groups.md."""

    def authenticated(self, header: SenderKeyHeader) -> bytes:
        """Version (1) || group id (32) || chain id (4) || epoch (4) || iteration (4)."""
        numbers = u32(header.chain_id) + u32(header.epoch) + u32(header.iteration)
        return u8(GROUP_MESSAGE_VERSION) + header.distribution_id + numbers

    def signed(self, header: SenderKeyHeader, ciphertext: bytes) -> bytes:
        """See `SenderKeyFraming`."""
        return self.authenticated(header) + ciphertext

    def split(self, message: bytes) -> SenderKeyMessage:
        """See `SenderKeyFraming`."""
        if len(message) < GROUP_MESSAGE_OVERHEAD:
            raise MalformedFrame
        reader = Reader(message, MalformedFrame)
        if reader.u8() != GROUP_MESSAGE_VERSION:
            raise UnsupportedVersion
        header = SenderKeyHeader(reader.take(HASH_SIZE), reader.u32(), reader.u32(), reader.u32())
        signed, signature = message[:-SIGNATURE_SIZE], message[-SIGNATURE_SIZE:]
        return SenderKeyMessage(
            header, signed[:GROUP_HEADER_SIZE], signed[GROUP_HEADER_SIZE:], signed=signed, signature=signature
        )

    def encode_distribution(
        self, distribution: SenderKeyDistribution, key: SenderSignatureKey, associated_data: bytes
    ) -> bytes:
        """Version || group id || chain id || epoch || head || iteration || chain key || signature key || signature.

        The signature proves that the sender holds the chain's signature key. Without it a member could pass somebody
        else's key off as its own, and with it the words of that member.
        """
        content = b"".join(
            (
                u8(SENDER_KEY_VERSION),
                distribution.distribution_id,
                u32(distribution.chain_id),
                u32(distribution.epoch),
                distribution.head,
                u32(distribution.chain.iteration),
                distribution.chain.key.raw,
                distribution.signature_key,
            )
        )
        return content + key.load().sign(Label.GROUP_SENDER_KEY_SIGNATURE.value + associated_data + content)

    def decode_distribution(self, data: bytes, associated_data: bytes) -> SenderKeyDistribution:
        """See `SenderKeyFraming`."""
        reader = Reader(data, MalformedSenderKey)
        if reader.u8() != SENDER_KEY_VERSION:
            raise UnsupportedVersion
        distribution_id, chain_id, epoch = reader.take(HASH_SIZE), reader.u32(), reader.u32()
        head, iteration = EntryHash(reader.take(HASH_SIZE)), reader.u32()
        chain = SenderChain(SenderChainKey(reader.take(SenderChainKey.SIZE)), iteration)
        signature_key, signature = reader.take(KEY_SIZE), reader.take(SIGNATURE_SIZE)
        reader.end()
        if chain_id == 0 or head == NO_ENTRY:
            raise MalformedSenderKey
        x25519_public_from_ed25519(signature_key)  # refuses points of low order, under which anybody could sign
        content = Label.GROUP_SENDER_KEY_SIGNATURE.value + associated_data + data[:-SIGNATURE_SIZE]
        _verify(signature_key, content, signature)
        return SenderKeyDistribution(distribution_id, chain_id, epoch, head, chain, signature_key)


def _verify(public: bytes, content: bytes, signature: bytes) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, content)
    except (InvalidSignature, ValueError):
        raise BadSignature from None


HANDSHAKER_GROUP_V1 = SenderKeyProfile(
    message_key_info=Label.GROUP_MESSAGE_KEY.value,
    aead=Aes256Gcm(),
    signatures=Ed25519Signatures(),
    framing=FixedGroupFraming(),
)
