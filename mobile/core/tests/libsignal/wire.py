"""libsignal's two session messages as protocol buffers; only what these tests need of the encoding."""

from collections.abc import Iterator
from dataclasses import dataclass

from handshaker_core.errors import MalformedFrame

VERSION_BYTE = 0x44
"""Message version 4 and current version 4, half a byte each."""
X25519_TYPE = 5
KYBER_1024_TYPE = 8
_VARINT, _BYTES = 0, 2


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(0x80 | value & 0x7F)
        value >>= 7
    out.append(value)
    return bytes(out)


def integer(number: int, value: int) -> bytes:
    """A field that holds a number."""
    return varint(number << 3 | _VARINT) + varint(value)


def octets(number: int, value: bytes) -> bytes:
    """A field that holds bytes."""
    return varint(number << 3 | _BYTES) + varint(len(value)) + value


@dataclass(frozen=True)
class Field:
    """A field and the place where it begins."""

    number: int
    value: int | bytes
    start: int

    def bytes(self) -> bytes:
        if not isinstance(self.value, bytes):
            raise MalformedFrame
        return self.value

    def integer(self) -> int:
        if not isinstance(self.value, int):
            raise MalformedFrame
        return self.value


def fields(data: bytes) -> Iterator[Field]:
    """Raises: MalformedFrame."""
    at = 0
    while at < len(data):
        start = at
        tag, at = _read_varint(data, at)
        value, at = _read_varint(data, at)
        if tag & 7 == _VARINT:
            yield Field(tag >> 3, value, start)
        elif tag & 7 == _BYTES and at + value <= len(data):
            yield Field(tag >> 3, data[at : at + value], start)
            at += value
        else:
            raise MalformedFrame


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        value |= (data[at] & 0x7F) << shift
        at += 1
        if data[at - 1] < 0x80:
            return value, at
    raise MalformedFrame


@dataclass(frozen=True)
class PreKeyMessage:
    """What libsignal's initiator sends until the first answer; keys with their type bytes."""

    registration: int
    one_time_id: int | None
    signed_id: int
    kem_id: int
    kem_ciphertext: bytes
    base_key: bytes
    identity: bytes
    message: bytes

    def encode(self) -> bytes:
        one_time = b"" if self.one_time_id is None else integer(1, self.one_time_id)
        return b"".join(
            (
                bytes([VERSION_BYTE]),
                one_time,
                octets(2, self.base_key),
                octets(3, self.identity),
                octets(4, self.message),
                integer(5, self.registration),
                integer(6, self.signed_id),
                integer(7, self.kem_id),
                octets(8, self.kem_ciphertext),
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> "PreKeyMessage":
        if data[:1] != bytes([VERSION_BYTE]):
            raise MalformedFrame
        found = {field.number: field for field in fields(data[1:])}
        return cls(
            registration=found[5].integer(),
            one_time_id=found[1].integer() if 1 in found else None,
            signed_id=found[6].integer(),
            kem_id=found[7].integer(),
            kem_ciphertext=found[8].bytes(),
            base_key=found[2].bytes(),
            identity=found[3].bytes(),
            message=found[4].bytes(),
        )
