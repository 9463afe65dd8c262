"""Packets (RFC 9580, section 4): reading them off a stream with limits, and writing them.

Reading holds at most one chunk of a packet in memory, whatever the lengths in its header claim.
"""

from dataclasses import dataclass
from typing import Protocol

from handshaker_core.openpgp.errors import MalformedOpenPgp, OpenPgpTooLarge
from handshaker_core.openpgp.registry import CHUNK, MAX_PACKETS, MAX_SMALL_PACKET, Tag
from handshaker_core.protocol.wire import u8, u16, u32

_IS_PACKET = 0x80
_NEW_FORMAT = 0x40
_STREAMED = (Tag.COMPRESSED, Tag.LITERAL, Tag.SEIPD, Tag.SED, Tag.AEAD)
"""The only packets whose length need not be known in advance."""

_ONE_OCTET_END = 192
_TWO_OCTETS_END = 224
_FOUR_OCTETS = 255
_INDETERMINATE = 3


class Source(Protocol):
    """Where bytes come from."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""


def take(source: Source, size: int) -> bytes:
    """Exactly `size` bytes (few). Raises: MalformedOpenPgp: there are fewer."""
    data = b""
    while len(data) < size:
        more = source.read(size - len(data))
        if not more:
            raise MalformedOpenPgp
        data += more
    return data


class PacketBody:
    """The body of one packet, itself a source."""

    def __init__(self, source: Source, length: int | None, *, partial: bool = False) -> None:
        self._source = source
        self._left = length
        self._partial = partial

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end. Raises: MalformedOpenPgp: the source ends before the packet does."""
        while self._left == 0 and self._partial:
            self._left, self._partial = _new_length(self._source)
        if self._left is None:
            return self._source.read(size)
        data = self._source.read(min(size, self._left))
        if not data and self._left and size:
            raise MalformedOpenPgp
        self._left -= len(data)
        return data

    def content(self, limit: int = MAX_SMALL_PACKET) -> bytes:
        """All of it. Raises: OpenPgpTooLarge: it says that it is longer; MalformedOpenPgp: it does not say how long."""
        if self._left is None or self._partial:
            raise MalformedOpenPgp
        if self._left > limit:
            raise OpenPgpTooLarge
        return take(self, self._left)

    def drain(self) -> None:
        """Read the rest and forget it."""
        while self.read(CHUNK):
            pass


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet; its body has to be read before the next one is asked for, or is skipped."""

    tag: int
    body: PacketBody


class PacketReader:
    """Takes packets off a source.

    Args:
        source: the bytes.
        limit: how many packets there may be.
    """

    def __init__(self, source: Source, limit: int = MAX_PACKETS) -> None:
        self._source = source
        self._left = limit
        self._body: PacketBody | None = None

    def next(self) -> Packet | None:
        """The next packet; None at the end.

        Raises:
            MalformedOpenPgp: this is no packet.
            OpenPgpTooLarge: there are too many.
        """
        if self._body is not None:
            self._body.drain()
        first = self._source.read(1)
        if not first:
            return None
        if self._left == 0:
            raise OpenPgpTooLarge
        self._left -= 1
        packet = self._header(first[0])
        self._body = packet.body
        return packet

    def _header(self, first: int) -> Packet:
        if not first & _IS_PACKET:
            raise MalformedOpenPgp
        length: int | None
        partial = False
        if first & _NEW_FORMAT:
            tag = first & 0x3F
            length, partial = _new_length(self._source)
        else:
            tag = first >> 2 & 0x0F
            length = _old_length(self._source, first & 3)
        if (partial or length is None) and tag not in _STREAMED:
            raise MalformedOpenPgp
        return Packet(tag, PacketBody(self._source, length, partial=partial))


def _new_length(source: Source) -> tuple[int, bool]:
    """Section 4.2.1. Returns: the length, and whether another follows after so many bytes."""
    first = take(source, 1)[0]
    if first < _ONE_OCTET_END:
        return first, False
    if first < _TWO_OCTETS_END:
        return (first - _ONE_OCTET_END << 8) + take(source, 1)[0] + _ONE_OCTET_END, False
    if first == _FOUR_OCTETS:
        return int.from_bytes(take(source, 4), "big"), False
    return 1 << (first & 0x1F), True


def _old_length(source: Source, kind: int) -> int | None:
    """Section 4.2.2; None for a body that ends with its source."""
    return None if kind == _INDETERMINATE else int.from_bytes(take(source, 1 << kind), "big")


def length_octets(length: int) -> bytes:
    """A length as section 4.2.1 writes it, in its shortest form."""
    if length < _ONE_OCTET_END:
        return u8(length)
    if length < (_TWO_OCTETS_END - _ONE_OCTET_END << 8) + _ONE_OCTET_END:
        return u16(length - _ONE_OCTET_END + (_ONE_OCTET_END << 8))
    return u8(_FOUR_OCTETS) + u32(length)


def packet(tag: Tag, body: bytes) -> bytes:
    """A whole packet."""
    return u8(_IS_PACKET | _NEW_FORMAT | tag) + length_octets(len(body)) + body


class PacketWriter:
    """Writes a packet whose length is not known in advance, in chunks (section 4.2.1.4). It does no output itself."""

    _PARTIAL_CHUNK = u8(_TWO_OCTETS_END + CHUNK.bit_length() - 1)

    def __init__(self, tag: Tag) -> None:
        self._head = u8(_IS_PACKET | _NEW_FORMAT | tag)
        self._waiting = bytearray()

    def update(self, data: bytes) -> bytes:
        """Add to the body. Returns: what can be written so far."""
        self._waiting += data
        written = bytearray()
        while len(self._waiting) >= CHUNK:
            written += self._head + self._PARTIAL_CHUNK + self._waiting[:CHUNK]
            self._head = b""
            del self._waiting[:CHUNK]
        return bytes(written)

    def finish(self) -> bytes:
        """End the body. Returns: the rest."""
        return self._head + length_octets(len(self._waiting)) + bytes(self._waiting)
