"""Padding to an exact size: ISO/IEC 7816-4, one byte 0x80 and then zeros. Content is never compressed."""

from handshaker_core.errors import ContentTooLarge, PaddingError

PADDING_OVERHEAD = 1
_MARKER = b"\x80"


def pad(content: bytes, size: int) -> bytes:
    """Content || 0x80 || 0x00... of exactly `size` bytes.

    Raises:
        ContentTooLarge: at most `size - 1` bytes fit.
    """
    maximum = size - PADDING_OVERHEAD
    if len(content) > maximum:
        raise ContentTooLarge(maximum=maximum, actual=len(content))
    return (content + _MARKER).ljust(size, b"\x00")


def unpad(padded: bytes) -> bytes:
    """What `pad` was given. Only authenticated bytes may be passed, so that timing tells nobody anything.

    Raises:
        PaddingError: no padding produces these bytes.
    """
    stripped = padded.rstrip(b"\x00")
    if not stripped.endswith(_MARKER):
        raise PaddingError
    return stripped[:-1]
