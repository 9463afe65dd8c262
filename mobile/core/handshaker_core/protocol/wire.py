"""Strict reading and writing of fixed binary layouts. All integers are unsigned and big-endian."""

from handshaker_core.errors import ProtocolError


def u8(value: int) -> bytes:
    """One byte."""
    return value.to_bytes(1, "big")


def u16(value: int) -> bytes:
    """Two bytes."""
    return value.to_bytes(2, "big")


def u32(value: int) -> bytes:
    """Four bytes."""
    return value.to_bytes(4, "big")


def u64(value: int) -> bytes:
    """Eight bytes."""
    return value.to_bytes(8, "big")


class Reader:
    """Takes fields off the front of a byte string and fails with one given exception class.

    Args:
        data: the bytes.
        error: raised (with its own sentence) when the bytes are too short, too long or hold a forbidden value.
    """

    def __init__(self, data: bytes, error: type[ProtocolError]) -> None:
        self._data = data
        self._position = 0
        self._error = error

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        end = self._position + size
        if end > len(self._data):
            raise self._error()
        field = self._data[self._position : end]
        self._position = end
        return field

    def rest(self) -> bytes:
        """Everything that is left."""
        return self.take(len(self._data) - self._position)

    def u8(self) -> int:
        """One byte."""
        return self.take(1)[0]

    def u16(self) -> int:
        """Two bytes."""
        return int.from_bytes(self.take(2), "big")

    def u32(self) -> int:
        """Four bytes."""
        return int.from_bytes(self.take(4), "big")

    def u64(self) -> int:
        """Eight bytes."""
        return int.from_bytes(self.take(8), "big")

    def flag(self) -> bool:
        """One byte that is 0 or 1."""
        value = self.u8()
        if value > 1:
            raise self._error()
        return value == 1

    def end(self) -> None:
        """Nothing may be left."""
        if self._position != len(self._data):
            raise self._error()
