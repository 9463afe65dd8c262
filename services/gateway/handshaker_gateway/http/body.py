"""Reads bodies within bytes and seconds."""

import asyncio

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, TransferEncodingError
from aiohttp.web import RequestPayloadError

from handshaker_gateway.domain.bounds import BODY_SECONDS, LARGEST_BODY, PIECE_SECONDS
from handshaker_gateway.domain.problems import BODY_TOO_SLOW, NOT_HTTP, TOO_LARGE, Refusal

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


async def read_body(request: web.BaseRequest) -> bytes:
    """The body of a request.

    Raises:
        Refusal: it is larger than 64 KiB, does not arrive in time, or breaks HTTP.
    """
    if (request.content_length or 0) > LARGEST_BODY:
        raise Refusal(TOO_LARGE)
    if not request.body_exists:
        return b""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(CONTINUE)
        request.writer.output_size = 0  # nothing of the answer has been sent
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while not request.content.at_eof():
                async with asyncio.timeout(PIECE_SECONDS):
                    body += await request.content.readany()
                if len(body) > LARGEST_BODY:
                    raise Refusal(TOO_LARGE)
    except TimeoutError:
        raise Refusal(BODY_TOO_SLOW) from None
    except (RequestPayloadError, TransferEncodingError, HttpProcessingError):
        raise Refusal(NOT_HTTP) from None
    return bytes(body)
