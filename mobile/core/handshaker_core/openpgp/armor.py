"""ASCII armor (RFC 9580, section 6): written without the checksum that nobody may rely on, read without looking at it."""

import base64
import binascii
import re
from enum import StrEnum
from io import BytesIO
from typing import BinaryIO

from handshaker_core.openpgp.errors import MalformedOpenPgp, OpenPgpTooLarge, UnsupportedOpenPgp
from handshaker_core.openpgp.packets import Source

_IS_PACKET = 0x80
_BYTES_PER_LINE = 57  # 76 characters
_LONGEST_LINE = 1_024
_MOST_HEADERS = 16
_MOST_EMPTY_LINES = 64
_CHECKSUM_LENGTH = 5
_BEGIN = re.compile(rb"-----BEGIN PGP ([A-Z ]+)-----")


class ArmorType(StrEnum):
    """What stands in the first line, section 6.2.1."""

    MESSAGE = "MESSAGE"
    PUBLIC_KEY = "PUBLIC KEY BLOCK"
    PRIVATE_KEY = "PRIVATE KEY BLOCK"
    SIGNATURE = "SIGNATURE"


class ArmorWriter:
    """Armors a stream. It does no output itself."""

    def __init__(self, kind: ArmorType) -> None:
        self._kind = kind
        self._head = f"-----BEGIN PGP {kind}-----\n\n".encode()
        self._waiting = b""

    def update(self, data: bytes) -> bytes:
        """Add bytes. Returns: text that can be written so far."""
        data = self._waiting + data
        whole = len(data) - len(data) % _BYTES_PER_LINE
        self._waiting = data[whole:]
        head, self._head = self._head, b""
        return head + base64.encodebytes(data[:whole])

    def finish(self) -> bytes:
        """End the armor. Returns: the rest of the text."""
        return self._head + base64.encodebytes(self._waiting) + f"-----END PGP {self._kind}-----\n".encode()


def armor(kind: ArmorType, data: bytes) -> str:
    """Armored data as text."""
    writer = ArmorWriter(kind)
    return (writer.update(data) + writer.finish()).decode("ascii")


def dearmored(file: BinaryIO) -> Source:
    """The bytes of a file, whether it is armored or not.

    Raises:
        MalformedOpenPgp: it is neither; also while it is read.
        UnsupportedOpenPgp: it is armored text with its signature below it.
    """
    first = file.read(1)
    if not first:
        raise MalformedOpenPgp
    if first[0] & _IS_PACKET:
        return _After(first, file)
    return _ArmorReader(first, file)


def dearmored_bytes(data: bytes, limit: int) -> bytes:
    """Small data, whether it is armored or not, as bytes. Raises: MalformedOpenPgp, OpenPgpTooLarge."""
    source = dearmored(BytesIO(data))
    found = b""
    while more := source.read(limit + 1):
        found += more
        if len(found) > limit:
            raise OpenPgpTooLarge
    return found


class _After:
    """A source with bytes put back in front."""

    def __init__(self, front: bytes, file: BinaryIO) -> None:
        self._front = front
        self._file = file

    def read(self, size: int, /) -> bytes:
        if self._front and size:
            front, self._front = self._front, b""
            return front
        return self._file.read(size)


class _ArmorReader:
    """Decodes line by line."""

    def __init__(self, first: bytes, file: BinaryIO) -> None:
        self._file = file
        self._text = b""
        self._ready = bytearray()
        self._ended = False
        self._pass_head(first + self._line())

    def read(self, size: int, /) -> bytes:
        while len(self._ready) < size and not self._ended:
            self._decode(self._line().strip())
        data = bytes(self._ready[:size])
        del self._ready[:size]
        return data

    def _pass_head(self, line: bytes) -> None:
        for _ in range(_MOST_EMPTY_LINES):
            if line.strip():
                break
            line = self._line()
        found = _BEGIN.fullmatch(line.strip())
        if found is None:
            raise MalformedOpenPgp
        if found[1] not in {kind.value.encode() for kind in ArmorType}:
            raise UnsupportedOpenPgp(
                "Text with its signature below it is not supported; ask for a separate signature file."
            )
        for _ in range(_MOST_HEADERS):
            if not self._line().strip():
                return
        raise MalformedOpenPgp

    def _line(self) -> bytes:
        line = self._file.readline(_LONGEST_LINE)
        if not line or (len(line) == _LONGEST_LINE and not line.endswith(b"\n")):
            raise MalformedOpenPgp
        return line

    def _decode(self, line: bytes) -> None:
        if line.startswith(b"-----END PGP "):
            self._ended = True
            if self._text:
                raise MalformedOpenPgp
            return
        if line.startswith(b"=") and len(line) == _CHECKSUM_LENGTH:
            return
        text = self._text + line
        whole = len(text) - len(text) % 4
        self._text = text[whole:]
        try:
            self._ready += base64.b64decode(text[:whole], validate=True)
        except binascii.Error:
            raise MalformedOpenPgp from None
