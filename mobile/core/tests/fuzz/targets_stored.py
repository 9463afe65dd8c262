"""Targets: what this device has written for itself, or what was swapped under it. Key files, stored keys and states."""

from handshaker_core.errors import PaddingError
from handshaker_core.protocol.padding import pad, unpad

from .target import Target


def _padding(data: bytes) -> bytes:
    content = unpad(data)
    assert pad(content, len(data)) == data
    return content


TARGETS = [
    Target(
        "padding",
        _padding,
        (PaddingError,),
        ("protocol.padding.unpad",),
        lambda: [pad(b"", 16), pad(b"content\x80\x00", 32), pad(bytes(15), 16)],
    ),
]
