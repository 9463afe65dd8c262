"""Bytes that look random and are always the same, and the few that really were random and are kept."""

from collections.abc import Callable, Mapping
from hashlib import shake_256
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]
"""One file: everything but text and numbers is lower-case hexadecimal."""

Maker: TypeAlias = Callable[[Mapping[str, Any]], Json]
"""Makes a file from what the file was before, of which only bytes that cannot be chosen are taken over."""


def fixed(name: str, size: int = 32) -> bytes:
    """Bytes that follow from a name."""
    return shake_256(b"handshaker test vectors: " + name.encode()).digest(size)


def stream(name: str) -> Callable[[int], bytes]:
    """A source of randomness whose n-th answer follows from the name and n."""
    calls = 0

    def take(size: int) -> bytes:
        nonlocal calls
        calls += 1
        return fixed(f"{name} {calls}", size)

    return take


def kept(old: Mapping[str, Any], *path: str | int) -> bytes | None:
    """Bytes of the file as it was, if it had them at this place."""
    value: Any = old
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return bytes.fromhex(value) if isinstance(value, str) else None
