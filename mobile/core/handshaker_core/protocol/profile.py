"""A profile holds everything in which two protocols with the same ratchet differ: KEM, AEAD, labels, message framing.

The product has one, `HANDSHAKER_V1`. Others exist in tests, so that the same PQXDH and ratchet code can be run against
implementations that are not ours.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM1024PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from handshaker_core.errors import MalformedFrame, UndecryptableMessage
from handshaker_core.protocol.bundle import Suite
from handshaker_core.protocol.header import HEADER_SIZE, Header
from handshaker_core.protocol.keys import KeyType
from handshaker_core.protocol.labels import Label
from handshaker_core.protocol.pq_ratchet import PQ_HEADER_SIZE
from handshaker_core.protocol.prekeys import KEM_CIPHERTEXT_SIZE, loaded_kem_key
from handshaker_core.protocol.wire import Reader, u8


class Kem(Protocol):
    """The key encapsulation mechanism of PQXDH."""

    ciphertext_size: int

    def encapsulate(self, public: bytes) -> tuple[bytes, bytes]:
        """Shared secret (32 bytes) and ciphertext. Raises: BadKey."""

    def decapsulate(self, seed: bytes, ciphertext: bytes) -> bytes:
        """Shared secret (32 bytes); pseudo-random for an altered ciphertext. Raises: MalformedFrame."""


class Aead(Protocol):
    """Authenticated encryption of one message with a key that is never used again."""

    material_size: int
    overhead: int

    def seal(self, material: bytes, plaintext: bytes, associated_data: bytes) -> bytes:
        """Ciphertext with its authentication tag."""

    def open(self, material: bytes, ciphertext: bytes, associated_data: bytes) -> bytes:
        """Plaintext. Raises: UndecryptableMessage."""


class Framing(Protocol):
    """How a header and a ciphertext make one message."""

    def encode_header(self, header: Header) -> bytes:
        """The header's bytes, which are authenticated and stand before the ciphertext."""

    def split(self, message: bytes) -> tuple[Header, bytes, bytes]:
        """Header, its bytes, and the ciphertext. Raises: MalformedFrame, BadKey."""


@dataclass(frozen=True, slots=True)
class Parties:
    """Who agrees with whom, each as bytes that name one person and device and nothing else."""

    initiator: bytes
    responder: bytes


class Binding(Protocol):
    """What the whole session is bound to."""

    def associated_data(self, suite: int, parties: Parties, kem_type: KeyType, kem_public: bytes) -> bytes:
        """AD of PQXDH, section 3.3, authenticated with every message."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One consistent choice of algorithms, labels and formats.

    Attributes:
        further_secret_size: bytes that PQXDH derives beyond SK, for what else a protocol keys with them; ours does not.
    """

    suite: int
    pqxdh_info: bytes
    root_info: bytes
    message_key_info: bytes
    kem: Kem
    aead: Aead
    framing: Framing
    binding: Binding
    further_secret_size: int = 0


class MlKem1024:
    """ML-KEM-1024 (FIPS 203)."""

    ciphertext_size = KEM_CIPHERTEXT_SIZE

    def encapsulate(self, public: bytes) -> tuple[bytes, bytes]:
        """See `Kem`."""
        return loaded_kem_key(public).encapsulate()

    def decapsulate(self, seed: bytes, ciphertext: bytes) -> bytes:
        """See `Kem`."""
        try:
            return MLKEM1024PrivateKey.from_seed_bytes(seed).decapsulate(ciphertext)
        except ValueError:
            raise MalformedFrame from None


class Aes256Gcm:
    """AES-256-GCM; the material is key (32 bytes) || nonce (12 bytes), both derived, so a nonce cannot repeat."""

    material_size = 44
    overhead = 16

    def seal(self, material: bytes, plaintext: bytes, associated_data: bytes) -> bytes:
        """See `Aead`."""
        return AESGCM(material[:32]).encrypt(material[32:], plaintext, associated_data)

    def open(self, material: bytes, ciphertext: bytes, associated_data: bytes) -> bytes:
        """See `Aead`."""
        try:
            return AESGCM(material[:32]).decrypt(material[32:], ciphertext, associated_data)
        except (InvalidTag, ValueError):
            raise UndecryptableMessage from None


@dataclass(frozen=True, slots=True)
class FixedHeader:
    """Ratchet key (32) || previous chain length (4) || message number (4) || post-quantum header || ciphertext.

    Attributes:
        post_quantum_size: length of the post-quantum header in bytes; 0 for a ratchet without one.
    """

    post_quantum_size: int

    def encode_header(self, header: Header) -> bytes:
        """See `Framing`."""
        if len(header.post_quantum) != self.post_quantum_size:
            raise ValueError("the post-quantum header has another size than the framing")
        return header.encode()

    def split(self, message: bytes) -> tuple[Header, bytes, bytes]:
        """See `Framing`."""
        reader = Reader(message, MalformedFrame)
        encoded = reader.take(HEADER_SIZE + self.post_quantum_size)
        return Header.decode(encoded), encoded, reader.rest()


class BoundToKemPreKey:
    """Suite || initiator || responder || type, hash of the KEM prekey.

    The KEM prekey is bound because not every KEM binds its ciphertexts to the public key (PQXDH, security
    considerations).
    """

    def associated_data(self, suite: int, parties: Parties, kem_type: KeyType, kem_public: bytes) -> bytes:
        """See `Binding`."""
        return u8(suite) + parties.initiator + parties.responder + u8(kem_type) + sha256(kem_public).digest()


HANDSHAKER_V1 = Profile(
    suite=Suite.HANDSHAKER_V1,
    pqxdh_info=Label.PQXDH.value,
    root_info=Label.RATCHET_ROOT.value,
    message_key_info=Label.RATCHET_MESSAGE_KEY.value,
    kem=MlKem1024(),
    aead=Aes256Gcm(),
    framing=FixedHeader(PQ_HEADER_SIZE),
    binding=BoundToKemPreKey(),
)
