"""Bytes as text, RFC 4648 section 5: written without padding, read with or without it, and in one spelling only."""

import base64
import binascii


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def decode(text: str) -> bytes | None:
    """The bytes, or None for anything that is not exactly what `encode` writes, padding aside.

    Unused bits must be zero, so that one value has one spelling.
    """
    bare = text.rstrip("=")
    if len(text) != len(bare) and len(text) % 4:
        return None
    try:
        data = base64.b64decode(bare + "=" * (-len(bare) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if encode(data) == bare else None
