"""Answers with the header fields that all of them carry."""

import json

from aiohttp import web
from google.protobuf.message import Message

from handshaker_gateway.domain import json_codec
from handshaker_gateway.domain.media import Media
from handshaker_gateway.domain.problems import Problem

# There is nothing for a browser to show, frame, guess at or keep; and there is no CORS on purpose.
COMMON = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "handshaker",
    "X-Content-Type-Options": "nosniff",
}
STRICT_TRANSPORT = ("Strict-Transport-Security", "max-age=63072000; includeSubDomains")


def respond(body: bytes, content_type: str, *, status: int = 200, cache_seconds: int = 0) -> web.Response:
    """A whole answer; `cache_seconds` lets others keep it."""
    headers = COMMON | {"Content-Type": content_type}
    if cache_seconds:
        headers["Cache-Control"] = f"public, max-age={cache_seconds}"
    return web.Response(body=body, status=status, headers=headers)


def json_response(value: object, *, status: int = 200, cache_seconds: int = 0) -> web.Response:
    body = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    return respond(body, Media.JSON.value, status=status, cache_seconds=cache_seconds)


def problem_response(problem: Problem) -> web.Response:
    return web.Response(body=problem.body(), status=problem.status, headers=COMMON | problem.headers())


def message_response(message: Message, media: Media) -> web.Response:
    """A granted outcome in the encoding that was negotiated."""
    if media is Media.JSON:
        return json_response(json_codec.write(message))
    return respond(message.SerializeToString(), media.value)
