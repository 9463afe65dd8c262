"""A person's own OpenPGP keys. They follow from the root seed, byte for byte, and so does the certificate."""

from dataclasses import dataclass, field
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from handshaker_core.openpgp.binding import bind
from handshaker_core.openpgp.certificate import Certificate
from handshaker_core.openpgp.errors import InvalidUserId
from handshaker_core.openpgp.keys import CREATED_AT, EncryptionPublicKey, SigningPublicKey
from handshaker_core.openpgp.packets import packet
from handshaker_core.openpgp.registry import (
    FEATURE_SEIPD_1,
    Cipher,
    Compression,
    Hash,
    KeyFlag,
    SignatureType,
    SubpacketType,
    Tag,
)
from handshaker_core.openpgp.signatures import Subpacket, hasher, make_signature
from handshaker_core.protocol.keys import IdentityKeyPair, IdentityPublicKey
from handshaker_core.protocol.root import OpenPgpEncryptionSeed, OpenPgpPrimarySeed, RootSeed
from handshaker_core.protocol.wire import u8, u32

MAX_USER_ID_BYTES = 200
_GROUP = 4
_GROUPS = 4

_USE = (
    Subpacket(SubpacketType.KEY_FLAGS, u8(KeyFlag.CERTIFY | KeyFlag.SIGN)),
    Subpacket(SubpacketType.PREFERRED_CIPHERS, u8(Cipher.AES256)),
    Subpacket(SubpacketType.PREFERRED_HASHES, bytes((Hash.SHA512, Hash.SHA256))),
    Subpacket(SubpacketType.PREFERRED_COMPRESSION, u8(Compression.NONE)),
    Subpacket(SubpacketType.FEATURES, u8(FEATURE_SEIPD_1)),
)
"""Said twice, because some programs look at the direct-key signature and some at that of the user id."""

_ENCRYPTS = (Subpacket(SubpacketType.KEY_FLAGS, u8(KeyFlag.ENCRYPT_COMMUNICATIONS | KeyFlag.ENCRYPT_STORAGE)),)


@dataclass(frozen=True, slots=True, repr=False)
class OwnKey:
    """The secret half: it certifies, signs and decrypts. Made by `derive`."""

    primary_seed: OpenPgpPrimarySeed
    encryption_seed: OpenPgpEncryptionSeed
    identity: IdentityKeyPair
    public: SigningPublicKey = field(init=False)
    encryption: EncryptionPublicKey = field(init=False)

    def __post_init__(self) -> None:
        signing = Ed25519PrivateKey.from_private_bytes(self.primary_seed.raw).public_key().public_bytes_raw()
        encrypting = X25519PrivateKey.from_private_bytes(self.encryption_seed.raw).public_key().public_bytes_raw()
        object.__setattr__(self, "public", SigningPublicKey(signing, CREATED_AT))
        object.__setattr__(self, "encryption", EncryptionPublicKey(encrypting, CREATED_AT))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(<redacted>)"

    @classmethod
    def derive(cls, root: RootSeed) -> Self:
        """The keys of the person whose root seed it is."""
        return cls(root.openpgp_primary(), root.openpgp_encryption(), root.identity())

    def sign_digest(self, digest: bytes) -> bytes:
        """The Ed25519 signature (64 bytes) over a digest."""
        return Ed25519PrivateKey.from_private_bytes(self.primary_seed.raw).sign(digest)

    def certificate(self, user_id: str | None = None) -> Certificate:
        """The certificate: always the same for a user id.

        Args:
            user_id: a name to put in; None for one that names nobody.

        Raises:
            InvalidUserId.
        """
        name = default_user_id(self.identity.public) if user_id is None else check_user_id(user_id)
        return Certificate.decode(b"".join(self.packets(name, Tag.PUBLIC_KEY, Tag.PUBLIC_SUBKEY)))

    def packets(self, user_id: str, key_tag: Tag, subkey_tag: Tag, *secrets: bytes) -> list[bytes]:
        """The certificate's packets, or with what has to follow each key, those of the secret key."""
        key_secret, subkey_secret = secrets or (b"", b"")
        encoded = user_id.encode()
        return [
            packet(key_tag, self.public.body + key_secret),
            self._self_signature(SignatureType.DIRECT_KEY, b"", *_USE, bind(self.identity, self.public).subpacket()),
            packet(Tag.USER_ID, encoded),
            self._self_signature(
                SignatureType.POSITIVE_CERTIFICATION,
                b"\xb4" + u32(len(encoded)) + encoded,
                *_USE,
                Subpacket(SubpacketType.PRIMARY_USER_ID, u8(1)),
            ),
            packet(subkey_tag, self.encryption.body + subkey_secret),
            self._self_signature(SignatureType.SUBKEY_BINDING, self.encryption.hashed, *_ENCRYPTS),
        ]

    def _self_signature(self, kind: SignatureType, content: bytes, *statements: Subpacket) -> bytes:
        started = hasher(Hash.SHA512)
        started.update(self.public.hashed + content)
        return make_signature(self, kind, started, created_at=CREATED_AT, statements=statements)


def default_user_id(identity: IdentityPublicKey) -> str:
    """A user id that names nobody: `Handshaker` and the first 16 hexadecimal digits of the identity key."""
    digits = identity.raw.hex().upper()
    return " ".join(["Handshaker", *(digits[start : start + _GROUP] for start in range(0, _GROUP * _GROUPS, _GROUP))])


def check_user_id(text: str) -> str:
    """A name without white space around it, if it can be a user id. Raises: InvalidUserId."""
    stripped = text.strip()
    try:
        size = len(stripped.encode())
    except UnicodeEncodeError:
        raise InvalidUserId from None
    if not 1 <= size <= MAX_USER_ID_BYTES or not stripped.isprintable():
        raise InvalidUserId
    return stripped
