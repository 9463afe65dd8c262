"""Codes to scan, drawn with characters."""

import io

import segno

_QUIET_ZONE = 2
"""Light modules around the code; half of what the standard wants, which scanners accept and terminals have room for."""


def drawn(text: str) -> str:
    """A QR code of `text` in half blocks, for a terminal with light characters on a dark ground."""
    out = io.StringIO()
    segno.make_qr(text, error="m").terminal(out, border=_QUIET_ZONE, compact=True)
    return out.getvalue().rstrip("\n")
