"""The numbers of OpenPGP that are used here (RFC 9580, section 9, and section 5.2.3 for subpackets), and the limits."""

from enum import IntEnum, IntFlag

MAX_CERTIFICATE = 8_192
"""Bytes of a certificate, not armored."""

MAX_SMALL_PACKET = 4_096
"""Bytes of any packet that is read as a whole: keys, signatures, encrypted session keys."""

MAX_PACKETS = 64
"""Packets that a certificate may have, or that may stand before the content of a message."""

MAX_INFLATED = 1 << 30
"""Bytes that compressed content may grow to."""

CHUNK = 1 << 16
"""Bytes that are worked on at a time."""


class Tag(IntEnum):
    """Packet types, section 5."""

    PKESK = 1
    SIGNATURE = 2
    SKESK = 3
    ONE_PASS_SIGNATURE = 4
    SECRET_KEY = 5
    PUBLIC_KEY = 6
    SECRET_SUBKEY = 7
    COMPRESSED = 8
    SED = 9
    MARKER = 10
    LITERAL = 11
    TRUST = 12
    USER_ID = 13
    PUBLIC_SUBKEY = 14
    USER_ATTRIBUTE = 17
    SEIPD = 18
    MDC = 19
    AEAD = 20
    PADDING = 21


class PublicKeyAlgorithm(IntEnum):
    """Section 9.1; the legacy forms, because version 4 keys of GnuPG 2.2 have no other."""

    ECDH = 18
    EDDSA_LEGACY = 22


class Hash(IntEnum):
    """Section 9.5; weaker ones are refused."""

    SHA256 = 8
    SHA384 = 9
    SHA512 = 10


class Cipher(IntEnum):
    """Section 9.3."""

    AES128 = 7
    AES192 = 8
    AES256 = 9

    @property
    def key_size(self) -> int:
        """Bytes."""
        return {Cipher.AES128: 16, Cipher.AES192: 24, Cipher.AES256: 32}[self]


class Compression(IntEnum):
    """Section 9.4."""

    NONE = 0
    ZIP = 1
    ZLIB = 2


class SignatureType(IntEnum):
    """Section 5.2.1."""

    BINARY = 0x00
    GENERIC_CERTIFICATION = 0x10
    PERSONA_CERTIFICATION = 0x11
    CASUAL_CERTIFICATION = 0x12
    POSITIVE_CERTIFICATION = 0x13
    SUBKEY_BINDING = 0x18
    DIRECT_KEY = 0x1F
    KEY_REVOCATION = 0x20
    SUBKEY_REVOCATION = 0x28
    CERTIFICATION_REVOCATION = 0x30


class SubpacketType(IntEnum):
    """Section 5.2.3.7."""

    CREATED = 2
    SIGNATURE_EXPIRES = 3
    KEY_EXPIRES = 9
    PREFERRED_CIPHERS = 11
    ISSUER = 16
    NOTATION = 20
    PREFERRED_HASHES = 21
    PREFERRED_COMPRESSION = 22
    PRIMARY_USER_ID = 25
    KEY_FLAGS = 27
    SIGNERS_USER_ID = 28
    FEATURES = 30
    ISSUER_FINGERPRINT = 33
    INTENDED_RECIPIENT = 35


class KeyFlag(IntFlag):
    """Section 5.2.3.29."""

    CERTIFY = 0x01
    SIGN = 0x02
    ENCRYPT_COMMUNICATIONS = 0x04
    ENCRYPT_STORAGE = 0x08


FEATURE_SEIPD_1 = 0x01
"""Encrypted messages with an integrity check, version 1: all that GnuPG 2.2 knows."""
