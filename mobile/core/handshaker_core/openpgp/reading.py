"""Reading messages that come from outside: decrypting and verifying them as a stream, with limits on everything.

What is read goes to a sink before it is known to be good, because it may be large. So whoever calls must throw the sink's
content away when an exception comes, and use it only afterwards.
"""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO, TypeAlias

from handshaker_core.openpgp.armor import dearmored, dearmored_bytes
from handshaker_core.openpgp.certificate import Certificate
from handshaker_core.openpgp.ecdh import ANYBODY, EncryptedSessionKey
from handshaker_core.openpgp.errors import (
    BadOpenPgpSignature,
    MalformedOpenPgp,
    MeantForOthers,
    NotEncryptedToUs,
    OpenPgpError,
    OpenPgpExpired,
    UnsupportedOpenPgp,
)
from handshaker_core.openpgp.keys import KeyId
from handshaker_core.openpgp.own import OwnKey
from handshaker_core.openpgp.packets import Packet, PacketBody, PacketReader, Source, take
from handshaker_core.openpgp.registry import CHUNK, MAX_CERTIFICATE, SignatureType, Tag
from handshaker_core.openpgp.signatures import Hasher, OnePass, Signature, hasher
from handshaker_core.openpgp.streams import Decrypted, Inflated

Sink: TypeAlias = Callable[[bytes], object]
"""Takes content, a piece at a time."""

Find: TypeAlias = Callable[[KeyId], Certificate | None]
"""The certificate with that key id, if it is somebody's that is known."""


@dataclass(frozen=True, slots=True)
class GoodSignature:
    """Somebody known has signed the content; `made_at` (seconds since 1970) is what they say."""

    signer: Certificate
    made_at: int


@dataclass(frozen=True, slots=True)
class UnknownSigner:
    """Somebody has signed it of whom no certificate is known; the signature could not be checked."""

    key_id: KeyId


_Signed: TypeAlias = GoodSignature | UnknownSigner | None


@dataclass(frozen=True, slots=True)
class Opened:
    """A message that was read to its end.

    Attributes:
        encrypted: whether it was, or merely signed.
        signature: None where nobody signed it.
        size: bytes of content.
    """

    encrypted: bool
    signature: _Signed
    size: int


def read_message(file: BinaryIO, sink: Sink, own: OwnKey, find: Find, *, now: float) -> Opened:
    """Decrypt and verify a message, or verify one that is only signed; armored or not.

    Raises:
        OpenPgpTampered, BadOpenPgpSignature: it was altered.
        NotEncryptedToUs, MeantForOthers: it is not for us.
        OpenPgpExpired: the signature is too old.
        MalformedOpenPgp, OpenPgpTooLarge, UnsupportedOpenPgp: it cannot be read.
    """
    return _Reading(sink, own, find, now).message(dearmored(file))


def verify_detached(content: Source, signature: bytes, find: Find, *, now: float) -> GoodSignature | UnknownSigner:
    """Verify a separate signature, armored or not, over all that the source holds.

    Raises:
        BadOpenPgpSignature: the content was altered, or somebody else signed it.
        OpenPgpExpired: the signature is too old.
        MalformedOpenPgp, OpenPgpTooLarge, UnsupportedOpenPgp: it is none that can be read.
    """
    reader = PacketReader(BytesIO(dearmored_bytes(signature, MAX_CERTIFICATE)))
    packet = reader.next()
    if packet is None or packet.tag != Tag.SIGNATURE:
        raise MalformedOpenPgp("This is not a separate OpenPGP signature.")
    found = Signature.decode(packet.body.content())
    if reader.next() is not None:
        raise UnsupportedOpenPgp("Signatures by several people at once are not supported.")
    if found.type != SignatureType.BINARY:
        raise UnsupportedOpenPgp("Files signed as text are not supported.")
    digest = hasher(found.hash)
    while piece := content.read(CHUNK):
        digest.update(piece)
    return _judge(found, digest, find, now)


def _judge(signature: Signature, digest: Hasher, find: Find, now: float) -> GoodSignature | UnknownSigner:
    """Who made a signature over content, if that is known."""
    key_id = signature.issuer
    signer = None if key_id is None else find(key_id)
    if signer is None or not signature.claims(signer.primary):
        return UnknownSigner(key_id or ANYBODY)
    signature.verify(signer.primary, digest)
    if signature.expires_at is not None and now >= signature.expires_at:
        raise OpenPgpExpired
    signer.check_time(signature.created_at)
    return GoodSignature(signer, signature.created_at)


class _Reading:
    """One message."""

    def __init__(self, sink: Sink, own: OwnKey, find: Find, now: float) -> None:
        self._sink = sink
        self._own = own
        self._find = find
        self._now = now
        self._size = 0

    def message(self, source: Source) -> Opened:
        """Section 10.3: encrypted, or not."""
        reader = PacketReader(source)
        packet, candidates = self._session_keys(reader)
        if packet.tag == Tag.SEIPD:
            signature = self._encrypted(packet.body, candidates)
            encrypted = True
        elif packet.tag in (Tag.SED, Tag.AEAD):
            raise UnsupportedOpenPgp(
                "The file is encrypted in a form of OpenPGP that this client does not read: version 1 with an "
                "integrity check is needed, as GnuPG makes it for this certificate."
            )
        else:
            signature, encrypted = self._content(reader, packet, inflated=False), False
        if _after(reader) is not None:
            raise MalformedOpenPgp
        return Opened(encrypted, signature, self._size)

    def _session_keys(self, reader: PacketReader) -> tuple[Packet, list[EncryptedSessionKey]]:
        """What stands before the content: session keys, of which those that may be ours are kept."""
        candidates = []
        while (packet := _after(reader)) is not None:
            if packet.tag == Tag.PKESK:
                candidates += self._candidate(packet.body)
            elif packet.tag != Tag.SKESK:
                return packet, candidates
        raise MalformedOpenPgp

    def _candidate(self, body: PacketBody) -> list[EncryptedSessionKey]:
        try:
            found = EncryptedSessionKey.decode(body.content())
        except UnsupportedOpenPgp:
            return []  # for somebody with another kind of key
        return [found] if found.key_id in (self._own.encryption.key_id, ANYBODY) else []

    def _encrypted(self, body: PacketBody, candidates: list[EncryptedSessionKey]) -> _Signed:
        opened = (each.open(self._own.encryption, self._own.encryption_seed) for each in candidates)
        session = next((key for key in opened if key is not None), None)
        if session is None:
            raise NotEncryptedToUs
        content = Decrypted(body, session)
        try:
            reader = PacketReader(content)
            signature = self._content(reader, _after(reader), inflated=False)
            if _after(reader) is not None:
                raise MalformedOpenPgp
        except OpenPgpError:
            content.drain()  # where the message was altered, that is the reason to give
            raise
        content.drain()
        return signature

    def _content(self, reader: PacketReader, packet: Packet | None, *, inflated: bool) -> _Signed:
        """Compressed, signed or plain content."""
        if packet is not None and packet.tag == Tag.COMPRESSED and not inflated:
            inner = PacketReader(Inflated(packet.body))
            signature = self._content(inner, _after(inner), inflated=True)
            if _after(inner) is not None:
                raise MalformedOpenPgp
            return signature
        one_pass = None
        if packet is not None and packet.tag == Tag.ONE_PASS_SIGNATURE:
            one_pass = OnePass.decode(packet.body.content())
            packet = _after(reader)
        if packet is None or packet.tag != Tag.LITERAL:
            raise MalformedOpenPgp
        if one_pass is None:
            self._literal(packet.body, None)
            return None
        digest = hasher(one_pass.hash)
        self._literal(packet.body, digest)
        return self._signature(_after(reader), one_pass, digest)

    def _literal(self, body: PacketBody, digest: Hasher | None) -> None:
        """Section 5.9. Format, name and date are not signed, so they are not believed."""
        take(body, 1)
        take(body, take(body, 1)[0] + 4)
        while piece := body.read(CHUNK):
            self._size += len(piece)
            if digest is not None:
                digest.update(piece)
            self._sink(piece)

    def _signature(self, packet: Packet | None, one_pass: OnePass, digest: Hasher) -> _Signed:
        if packet is None or packet.tag != Tag.SIGNATURE:
            raise MalformedOpenPgp
        signature = Signature.decode(packet.body.content())
        if signature.type != SignatureType.BINARY or signature.hash != one_pass.hash:
            raise BadOpenPgpSignature
        judged = _judge(signature, digest, self._find, self._now)
        meant_for = signature.intended_recipients
        if meant_for and self._own.public.fingerprint not in meant_for:
            raise MeantForOthers
        return judged


def _after(reader: PacketReader) -> Packet | None:
    """The next packet that means anything."""
    packet = reader.next()
    while packet is not None and packet.tag in (Tag.MARKER, Tag.PADDING):
        packet = reader.next()
    return packet
