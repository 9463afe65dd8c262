"""Version 4 signatures (RFC 9580, section 5.2) by Ed25519, and their subpackets."""

import hashlib
from dataclasses import dataclass
from typing import Protocol, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from handshaker_core.openpgp.errors import BadOpenPgpSignature, MalformedOpenPgp, UnsupportedOpenPgp
from handshaker_core.openpgp.keys import (
    FINGERPRINT_SIZE,
    KEY_ID_SIZE,
    KEY_SIZE,
    KEY_VERSION,
    Fingerprint,
    KeyId,
    SigningPublicKey,
    known,
    mpi,
    read_mpi,
)
from handshaker_core.openpgp.packets import length_octets, packet
from handshaker_core.openpgp.registry import Hash, PublicKeyAlgorithm, SignatureType, SubpacketType, Tag
from handshaker_core.protocol.wire import Reader, u8, u16, u32

SIGNATURE_VERSION = 4
_CRITICAL = 0x80
_MAX_SUBPACKETS = 64
_ONE_OCTET_END, _TWO_OCTETS_END = 192, 255
_HEADER_SIZE = 6
HINT_SIZE = 2


class Hasher(Protocol):
    """What hashlib makes."""

    def update(self, data: bytes, /) -> None: ...

    def digest(self) -> bytes: ...


def hasher(algorithm: Hash) -> Hasher:
    """A fresh one."""
    return hashlib.new(algorithm.name.lower())


@dataclass(frozen=True, slots=True)
class Subpacket:
    """A statement in a signature."""

    type: int
    body: bytes
    critical: bool = False

    def encode(self) -> bytes:
        """Length || type || body."""
        return length_octets(1 + len(self.body)) + u8(self.type | (_CRITICAL if self.critical else 0)) + self.body


@dataclass(frozen=True, slots=True)
class Notation:
    """A named value (section 5.2.3.24)."""

    name: str
    value: bytes

    def subpacket(self) -> Subpacket:
        """As a subpacket; the value is not text."""
        name = self.name.encode()
        return Subpacket(SubpacketType.NOTATION, bytes(4) + u16(len(name)) + u16(len(self.value)) + name + self.value)


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature as it was read or made; only `verify` says whether it holds.

    Attributes:
        type: what it signs, see `SignatureType`.
        hash: the digest's algorithm.
        hashed: subpackets that are signed. Others decide nothing and are not kept.
        signed_part: what of the packet is hashed after the content.
        hint: the digest's first two bytes.
        value: the Ed25519 signature, 64 bytes.
    """

    type: int
    hash: Hash
    hashed: tuple[Subpacket, ...]
    signed_part: bytes
    hint: bytes
    value: bytes

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read a signature packet's body.

        Raises:
            MalformedOpenPgp.
            UnsupportedOpenPgp: of another version, algorithm, or weak hash, or with a critical statement not known here.
        """
        reader = Reader(body, MalformedOpenPgp)
        if reader.u8() != SIGNATURE_VERSION:
            raise UnsupportedOpenPgp
        kind, algorithm, digest = reader.u8(), reader.u8(), reader.u8()
        area = reader.take(reader.u16())
        signed_part = body[: _HEADER_SIZE + len(area)]
        hashed = _subpackets(area)
        reader.take(reader.u16())  # statements that nobody signed
        hint = reader.take(HINT_SIZE)
        if algorithm != PublicKeyAlgorithm.EDDSA_LEGACY:
            raise UnsupportedOpenPgp
        value = read_mpi(reader, KEY_SIZE) + read_mpi(reader, KEY_SIZE)
        reader.end()
        return cls(kind, known(Hash, digest), hashed, signed_part, hint, value)

    def find(self, wanted: SubpacketType) -> bytes | None:
        """The last statement of a kind; the later one of two counts, as the specification recommends."""
        return next((each.body for each in reversed(self.hashed) if each.type == wanted), None)

    def number(self, wanted: SubpacketType) -> int | None:
        """A statement that is a number of four bytes, such as seconds; None where there is none."""
        body = self.find(wanted)
        if body is not None and len(body) != 4:  # noqa: PLR2004 - section 5.2.3.4
            raise MalformedOpenPgp
        return None if body is None else int.from_bytes(body, "big")

    @property
    def created_at(self) -> int:
        """Seconds since 1970. Raises: MalformedOpenPgp: it does not say, though it must."""
        found = self.number(SubpacketType.CREATED)
        if found is None:
            raise MalformedOpenPgp
        return found

    @property
    def expires_at(self) -> int | None:
        """Seconds since 1970; None for never."""
        after = self.number(SubpacketType.SIGNATURE_EXPIRES)
        return self.created_at + after if after else None

    @property
    def flags(self) -> int:
        """What the key may be used for, see `KeyFlag`."""
        found = self.find(SubpacketType.KEY_FLAGS)
        return found[0] if found else 0

    @property
    def notations(self) -> tuple[Notation, ...]:
        """All named values."""
        return tuple(_notation(each.body) for each in self.hashed if each.type == SubpacketType.NOTATION)

    @property
    def intended_recipients(self) -> tuple[Fingerprint, ...]:
        """Whom the signer meant; none where that was not said."""
        found = (each.body for each in self.hashed if each.type == SubpacketType.INTENDED_RECIPIENT)
        return tuple(Fingerprint(body[1:]) for body in found)

    @property
    def issuer(self) -> KeyId | None:
        """The key id of who says to have made it."""
        fingerprint = self.find(SubpacketType.ISSUER_FINGERPRINT)
        if fingerprint is not None:
            return KeyId(fingerprint[-KEY_ID_SIZE:])
        found = self.find(SubpacketType.ISSUER)
        return None if found is None else KeyId(found)

    def claims(self, key: SigningPublicKey) -> bool:
        """Whether it says that the key made it."""
        fingerprint = self.find(SubpacketType.ISSUER_FINGERPRINT)
        if fingerprint is not None:
            return fingerprint == u8(KEY_VERSION) + key.fingerprint
        issuer = self.find(SubpacketType.ISSUER)
        return issuer is None or issuer == key.key_id

    def verify(self, key: SigningPublicKey, content: Hasher) -> None:
        """Check that the key made it over the content that was hashed. Raises: BadOpenPgpSignature."""
        digest = _finish(content, self.signed_part)
        if digest[:HINT_SIZE] != self.hint:
            raise BadOpenPgpSignature
        try:
            Ed25519PublicKey.from_public_bytes(key.raw).verify(self.value, digest)
        except (InvalidSignature, ValueError):
            raise BadOpenPgpSignature from None


class Signer(Protocol):
    """A secret key."""

    @property
    def public(self) -> SigningPublicKey: ...

    def sign_digest(self, digest: bytes) -> bytes:
        """The Ed25519 signature (64 bytes) over a digest."""


def make_signature(
    signer: Signer, kind: SignatureType, content: Hasher, *, created_at: int, statements: tuple[Subpacket, ...] = ()
) -> bytes:
    """A signature packet over content that was hashed with SHA-512.

    Everything in it is signed, the issuer's key id too, so that nobody can change a byte of it.
    """
    key = signer.public
    hashed = b"".join(
        each.encode()
        for each in (
            Subpacket(SubpacketType.CREATED, u32(created_at)),
            Subpacket(SubpacketType.ISSUER_FINGERPRINT, u8(KEY_VERSION) + key.fingerprint),
            Subpacket(SubpacketType.ISSUER, key.key_id),
            *statements,
        )
    )
    head = bytes((SIGNATURE_VERSION, kind, PublicKeyAlgorithm.EDDSA_LEGACY, Hash.SHA512))
    signed_part = head + u16(len(hashed)) + hashed
    digest = _finish(content, signed_part)
    value = signer.sign_digest(digest)
    body = signed_part + u16(0) + digest[:HINT_SIZE] + mpi(value[:KEY_SIZE]) + mpi(value[KEY_SIZE:])
    return packet(Tag.SIGNATURE, body)


@dataclass(frozen=True, slots=True)
class OnePass:
    """What says in front of signed content how to hash it (section 5.4)."""

    hash: Hash
    key_id: KeyId

    _VERSION = 3

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read a one-pass signature packet's body. Raises: MalformedOpenPgp, UnsupportedOpenPgp."""
        reader = Reader(body, MalformedOpenPgp)
        version, kind, digest, algorithm = reader.u8(), reader.u8(), reader.u8(), reader.u8()
        key_id, last = KeyId(reader.take(KEY_ID_SIZE)), reader.u8()
        reader.end()
        if version != cls._VERSION or kind != SignatureType.BINARY or not last:
            raise UnsupportedOpenPgp("Files signed as text, or by several people at once, are not supported.")
        if algorithm != PublicKeyAlgorithm.EDDSA_LEGACY:
            raise UnsupportedOpenPgp("The file is signed with a kind of key that is not supported; only Ed25519 is.")
        return cls(known(Hash, digest), key_id)

    def encode(self) -> bytes:
        """As a packet."""
        head = bytes((self._VERSION, SignatureType.BINARY, self.hash, PublicKeyAlgorithm.EDDSA_LEGACY))
        return packet(Tag.ONE_PASS_SIGNATURE, head + self.key_id + u8(1))


def _finish(content: Hasher, signed_part: bytes) -> bytes:
    """Section 5.2.4: the signed part of the signature itself, then a trailer with its length."""
    content.update(signed_part + bytes((SIGNATURE_VERSION, 0xFF)) + u32(len(signed_part)))
    return content.digest()


def _subpackets(area: bytes) -> tuple[Subpacket, ...]:
    """An area's subpackets. Raises: MalformedOpenPgp, UnsupportedOpenPgp."""
    reader = Reader(area, MalformedOpenPgp)
    found: list[Subpacket] = []
    left = len(area)
    while left:
        if len(found) == _MAX_SUBPACKETS:
            raise MalformedOpenPgp
        size, octets = _length(reader)
        if size == 0:
            raise MalformedOpenPgp
        content = reader.take(size)
        left -= octets + size
        subpacket = Subpacket(content[0] & ~_CRITICAL, content[1:], bool(content[0] & _CRITICAL))
        _check(subpacket)
        found.append(subpacket)
    return tuple(found)


def _length(reader: Reader) -> tuple[int, int]:
    """Section 5.2.3.7. Returns: the length and how many bytes it took."""
    first = reader.u8()
    if first < _ONE_OCTET_END:
        return first, 1
    if first < _TWO_OCTETS_END:
        return (first - _ONE_OCTET_END << 8) + reader.u8() + _ONE_OCTET_END, 2
    return reader.u32(), 5


def _check(subpacket: Subpacket) -> None:
    try:
        kind = SubpacketType(subpacket.type)
    except ValueError:
        if subpacket.critical:
            raise UnsupportedOpenPgp from None
        return
    if kind is SubpacketType.NOTATION and subpacket.critical:
        raise UnsupportedOpenPgp  # somebody demands that a statement is understood of which we know nothing
    if kind is SubpacketType.INTENDED_RECIPIENT and len(subpacket.body) != 1 + FINGERPRINT_SIZE:
        raise MalformedOpenPgp


def _notation(body: bytes) -> Notation:
    reader = Reader(body, MalformedOpenPgp)
    reader.u32()  # flags
    name_size, value_size = reader.u16(), reader.u16()
    name, value = reader.take(name_size), reader.take(value_size)
    reader.end()
    try:
        return Notation(name.decode(), value)
    except UnicodeDecodeError:
        raise MalformedOpenPgp from None
