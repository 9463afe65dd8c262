"""Which of the two encodings a body has and an answer gets."""

import re
from email.message import Message as Header
from enum import Enum

# A weight as RFC 9110 section 12.4.2 spells it.
QUALITY = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")


class Media(Enum):
    """The two encodings of every route."""

    JSON = "application/json"
    PROTOBUF = "application/x-protobuf"


def of_body(content_type: str) -> Media | None:
    """The encoding that a Content-Type names; None for any other. JSON is UTF-8 alone (RFC 8259)."""
    header = Header()
    header["Content-Type"] = content_type
    name, charset = header.get_content_type(), header.get_content_charset("utf-8")
    if content_type.partition(";")[0].strip().lower() == Media.JSON.value and charset == "utf-8":
        return Media.JSON
    return Media.PROTOBUF if name == Media.PROTOBUF.value else None


def of_answer(accept: str, body: Media | None) -> Media | None:
    """The encoding for an answer; None where the client takes neither.

    Without a preference (no Accept, or equal weights) the answer comes in the body's encoding, JSON without one.
    RFC 9110 section 12.5.1: the most specific range decides about a type, q=0 excludes it.
    """
    default = body or Media.JSON
    if not accept.strip():
        return default
    weights = {media: _weight(accept, media.value) for media in Media}
    best = max(weights.values())
    if best == 0:
        return None
    return default if weights[default] == best else next(media for media in Media if weights[media] == best)


def _weight(accept: str, name: str) -> float:
    ranges = {"*/*": 1, f"{name.partition('/')[0]}/*": 2, name: 3}
    specific, weight = 0, 0.0
    for part in accept.split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        rank = ranges.get(kind, 0)
        if rank > specific:
            specific, weight = rank, _quality(parameters)
    return weight


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            return float(value) if QUALITY.fullmatch(value.strip()) else 0.0
    return 1.0
