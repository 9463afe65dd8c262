"""Safety numbers: 60 digits that two people compare, or a code that one scans, to know that nobody is in between.

The construction is the field's: each side's key is hashed 5,200 times with SHA-512. Of this fingerprint 30 bytes become
30 digits, and the smaller half comes first, so that both sides show the same number. 32 bytes of each go into the code,
the own one first, so that the two codes of a pair are each other's mirror image.
"""

import re
from base64 import b64decode, urlsafe_b64encode
from dataclasses import dataclass
from enum import Enum
from hashlib import sha512
from typing import Self

from handshaker_core.errors import MalformedSafetyCode, UnsupportedVersion
from handshaker_core.protocol.keys import IdentityPublicKey, KeyType
from handshaker_core.protocol.wire import u8, u16

FINGERPRINT_VERSION = 0
ITERATIONS = 5_200
DIGITS = 60
SAFETY_CODE_VERSION = 1
SAFETY_CODE_FINGERPRINT_SIZE = 32
_GROUP_BYTES = 5
_GROUP_DIGITS = 5
_GROUPS_PER_SIDE = 6


def safety_number(first: IdentityPublicKey, second: IdentityPublicKey) -> str:
    """The 60 digits of two identities; the order of the arguments does not matter. Takes about 10 ms."""
    halves = sorted(numeric_fingerprint(encoded, encoded) for encoded in (_encode(first), _encode(second)))
    return "".join(halves)


def grouped(number: str) -> str:
    """A safety number as people read it: groups of five digits with spaces between."""
    return " ".join(number[start : start + _GROUP_DIGITS] for start in range(0, len(number), _GROUP_DIGITS))


def numeric_fingerprint(encoded_key: bytes, stable_id: bytes, iterations: int = ITERATIONS) -> str:
    """One side's 30 digits. The arguments are those of `fingerprint`."""
    digest = fingerprint(encoded_key, stable_id, iterations)
    starts = range(0, _GROUPS_PER_SIDE * _GROUP_BYTES, _GROUP_BYTES)
    groups = (int.from_bytes(digest[start : start + _GROUP_BYTES], "big") % 100_000 for start in starts)
    return "".join(f"{group:05d}" for group in groups)


def fingerprint(encoded_key: bytes, stable_id: bytes, iterations: int = ITERATIONS) -> bytes:
    """One side's fingerprint, 64 bytes.

    Args:
        encoded_key: the identity key with its type byte.
        stable_id: what names the person; here the encoded key again, because accounts are nobody's business.
        iterations: how often the hash is repeated.
    """
    digest = sha512(u16(FINGERPRINT_VERSION) + encoded_key + stable_id + encoded_key).digest()
    for _ in range(iterations - 1):
        digest = sha512(digest + encoded_key).digest()
    return digest


class ScanResult(Enum):
    """What comparing the own code with a scanned one shows."""

    MATCH = "match"
    """Both sides hold the same two keys."""
    OTHER_KEY_OF_CONTACT = "other_key_of_contact"
    """This side holds another key of the contact than the one that the contact has."""
    OTHER_OWN_KEY = "other_own_key"
    """The contact holds another key of this side than the one that it has."""
    OTHER_KEYS = "other_keys"
    """Neither key is the same; perhaps it is the code of somebody else's conversation."""
    OWN_CODE = "own_code"
    """The code that this side shows itself."""


@dataclass(frozen=True, slots=True)
class SafetyCode:
    """The scannable form, as one side shows it; a CombinedFingerprints protocol buffer of the field.

    Attributes:
        local: first 32 bytes of the fingerprint of the one who shows the code.
        remote: the same of the one who scans it.
        version: codes of different versions cannot be compared.
    """

    local: bytes
    remote: bytes
    version: int = SAFETY_CODE_VERSION

    def __post_init__(self) -> None:
        sizes = {len(self.local), len(self.remote)}
        if sizes != {SAFETY_CODE_FINGERPRINT_SIZE} or not 0 <= self.version < _LONG_NUMBER:
            raise MalformedSafetyCode

    @classmethod
    def between(cls, own: IdentityPublicKey, contact: IdentityPublicKey) -> Self:
        """The code to show to a contact. Takes about 10 ms."""
        local, remote = (fingerprint(encoded, encoded) for encoded in (_encode(own), _encode(contact)))
        return cls(local[:SAFETY_CODE_FINGERPRINT_SIZE], remote[:SAFETY_CODE_FINGERPRINT_SIZE])

    def encode(self) -> bytes:
        """Exactly 74 bytes: field 1 the version, fields 2 and 3 a message each, whose field 1 is the fingerprint."""
        return _VERSION_TAG + u8(self.version) + _LOCAL_TAG + self.local + _REMOTE_TAG + self.remote

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises: MalformedSafetyCode, UnsupportedVersion (a code, but of another version)."""
        found = _CODE.fullmatch(data)
        if found is None:
            raise MalformedSafetyCode
        version = found["version"][0]
        if version != SAFETY_CODE_VERSION:
            raise UnsupportedVersion("The scanned code is of another version, or of another program, than yours.")
        return cls(found["local"], found["remote"], version)

    def text(self) -> str:
        """The code as text: URL-safe Base64 without padding, 99 characters."""
        return urlsafe_b64encode(self.encode()).decode().rstrip("=")

    @classmethod
    def from_text(cls, text: str) -> Self:
        """From text, in whatever lines. Raises: MalformedSafetyCode, UnsupportedVersion."""
        compact = "".join(text.split()).rstrip("=").replace("-", "+").replace("_", "/")
        try:
            data = b64decode(compact + "=" * (-len(compact) % 4), validate=True)
        except ValueError:
            raise MalformedSafetyCode from None
        return cls.decode(data)

    def compare(self, scanned: Self) -> ScanResult:
        """What it means that `scanned` was scanned by the one whose code this is.

        Raises:
            UnsupportedVersion: the codes are of different versions.
        """
        if scanned.version != self.version:
            raise UnsupportedVersion("The scanned code is of another version, or of another program, than yours.")
        if self == scanned:
            return ScanResult.OWN_CODE
        contact_same, own_same = scanned.local == self.remote, scanned.remote == self.local
        if contact_same and own_same:
            return ScanResult.MATCH
        if own_same:
            return ScanResult.OTHER_KEY_OF_CONTACT
        return ScanResult.OTHER_OWN_KEY if contact_same else ScanResult.OTHER_KEYS


_LONG_NUMBER = 0x80
"""From here on a number takes more than one byte in a protocol buffer."""
_VERSION_TAG = b"\x08"
_LOCAL_TAG, _REMOTE_TAG = b"\x12\x22\x0a\x20", b"\x1a\x22\x0a\x20"
_CODE = re.compile(
    b"".join(
        (
            _VERSION_TAG,
            rb"(?P<version>[\x00-\x7f])",
            re.escape(_LOCAL_TAG),
            rb"(?P<local>.{32})",
            re.escape(_REMOTE_TAG),
            rb"(?P<remote>.{32})",
        )
    ),
    re.DOTALL,
)


def _encode(identity: IdentityPublicKey) -> bytes:
    return u8(KeyType.IDENTITY) + identity.raw
