"""The key that targets are sealed to: HPKE (RFC 9180) base mode, MLKEM768-X25519, HKDF-SHA256, AES-256-GCM."""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from google.protobuf.message import DecodeError
from handshaker_proto.notify.v1 import notify_pb2

from handshaker_notify.errors import Unreadable

INFO = b"handshaker/v1/wake-target"
SEED_LABEL = b"handshaker/v1/wake-seed"
SHORTEST_SEED = 32
KEM_SEED_SIZE = 64
CURVE_KEY_SIZE = 32
PADDED_SIZE = 512
# Encapsulated key, ciphertext, tag.
SEALED_SIZE = 1_120 + PADDED_SIZE + 16
PADDING_MARKER = b"\x80"
TOPIC_KEY_SIZE = 32


def suite() -> hpke.Suite:
    """The one suite of wake targets."""
    return hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


class SealingKey:
    """The key pair that follows from a seed of at least 32 random bytes: every process with the seed has the same.

    `public_key` is the ML-KEM-768 public key (1,184 bytes) followed by the X25519 one (32 bytes).
    """

    def __init__(self, seed: bytes) -> None:
        if len(seed) < SHORTEST_SEED:
            raise ValueError(f"a seed has at least {SHORTEST_SEED} bytes")
        expand = HKDF(hashes.SHA256(), length=KEM_SEED_SIZE + CURVE_KEY_SIZE, salt=None, info=SEED_LABEL)
        material = expand.derive(seed)
        kem = MLKEM768PrivateKey.from_seed_bytes(material[:KEM_SEED_SIZE])
        curve = X25519PrivateKey.from_private_bytes(material[KEM_SEED_SIZE:])
        self._private = hpke.MLKEM768X25519PrivateKey(kem, curve)
        self._suite = suite()
        self.public_key = kem.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()

    def open(self, sealed: bytes) -> notify_pb2.WakeTarget:
        """What a client sealed: a WakeTarget, 0x80, and zeros up to 512 bytes.

        Raises:
            Unreadable: it was not sealed to this key, is not padded, or is no target that we understand.
        """
        try:
            padded = self._suite.decrypt(sealed, self._private, INFO)
        except (InvalidTag, ValueError):
            raise Unreadable("It was not sealed to this key.") from None
        content = padded.rstrip(b"\x00")
        if not content.endswith(PADDING_MARKER):
            raise Unreadable("It is not padded.")
        try:
            target = notify_pb2.WakeTarget.FromString(content[:-1])
        except DecodeError:
            raise Unreadable("It is no target.") from None
        if target.WhichOneof("transport") is None:
            raise Unreadable("It names no transport that we know.")
        if target.HasField("mqtt") and len(target.mqtt.topic_key) != TOPIC_KEY_SIZE:
            raise Unreadable("Its topic key has the wrong size.")
        return target
