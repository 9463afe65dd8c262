"""Problem documents, RFC 9457: what every request that is not granted gets."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from handshaker_common.reasons import Reason

from handshaker_gateway.domain.bounds import HEADER_SECONDS, LARGEST_BODY, LARGEST_HEADER, MOST_FIELDS

MEDIA_TYPE = "application/problem+json"
# A relative reference, which RFC 9457 section 3.1.1 allows: it leads into the OpenAPI document of the same server.
TYPE_PREFIX = "/openapi.json#/x-problems/"

# The standing title of each reason that the gateway may answer with; a test compares this with the protocol's refusals.
TITLES: Mapping[Reason, str] = {
    Reason.MALFORMED: "The request is not of its form",
    Reason.TOO_LARGE: "The body is too large",
    Reason.HEADER_TOO_LARGE: "The header is too large",
    Reason.TOO_SLOW: "The request took too long to arrive",
    Reason.UNSUPPORTED_MEDIA_TYPE: "The body's type is not understood",
    Reason.NOT_ACCEPTABLE: "The answer is not available in that type",
    Reason.NOT_FOUND: "There is nothing at this address",
    Reason.METHOD_NOT_ALLOWED: "This address takes another verb",
    Reason.UNKNOWN_HOST: "This server does not answer for that host",
    Reason.ORIGIN_NOT_ALLOWED: "Web pages may not do this",
    Reason.UNAUTHENTICATED: "A valid access token is needed",
    Reason.TOKEN_ON_ANONYMOUS_PLANE: "An anonymous request must not carry a token",
    Reason.ADMISSION_REQUIRED: "This request has to be paid for",
    Reason.ADMISSION_REFUSED: "The admission is not valid",
    Reason.REFUSED: "Refused",
    Reason.BAD_PROOF: "The proof does not verify",
    Reason.ALREADY_REGISTERED: "The device key has an account already",
    Reason.NOT_PRIMARY: "Only the primary device of the account may do this",
    Reason.KEY_TAKEN: "The key belongs to another account",
    Reason.TOO_MANY_DEVICES: "The account has as many devices as it may have",
    Reason.ALREADY_SET: "The account has another recovery key",
    Reason.UNKNOWN_ISSUER_KEY: "The key does not sign tokens, or no longer",
    Reason.QUOTA_EXHAUSTED: "The account has had its tokens for today",
    Reason.USERNAME_TAKEN: "The username is taken",
    Reason.RATE_LIMITED: "Too many requests",
    Reason.LIMITER_UNAVAILABLE: "The server cannot count requests now",
    Reason.OVERLOADED: "The server is too busy",
    Reason.CONFLICT: "Somebody else was faster",
    Reason.UNAVAILABLE: "A part of the server is away",
    Reason.DEADLINE: "The server did not answer in time",
    Reason.INTERNAL: "The server made a mistake",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """An answer that refuses. `retry_after` is in whole seconds; `more` are further members of the document."""

    status: int
    reason: Reason
    detail: str
    retry_after: int | None = None
    allow: tuple[str, ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """The members of the document."""
        return {
            "type": TYPE_PREFIX + self.reason,
            "title": TITLES[self.reason],
            "status": self.status,
            "detail": self.detail,
            "reason": self.reason.value,
            **self.more,
        }

    def body(self) -> bytes:
        return json.dumps(self.document(), ensure_ascii=False).encode()

    def headers(self) -> dict[str, str]:
        """The header fields that belong to the status."""
        headers = {"Content-Type": MEDIA_TYPE}
        if self.status == 401:  # noqa: PLR2004
            headers["WWW-Authenticate"] = 'Bearer realm="handshaker"'
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        if self.allow:
            headers["Allow"] = ", ".join(self.allow)
        return headers


class Refusal(Exception):
    """Carries a problem from where it is found to where it is answered."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.reason)
        self.problem = problem


def malformed(sentence: str) -> Problem:
    """The answer to a request that is not of its form."""
    return Problem(400, Reason.MALFORMED, sentence)


NOT_FOUND = Problem(404, Reason.NOT_FOUND, "See /openapi.json for what there is.")
TOO_LARGE = Problem(413, Reason.TOO_LARGE, f"A body may have {LARGEST_BODY:,} bytes.")
BODY_TOO_SLOW = Problem(408, Reason.TOO_SLOW, "The body did not arrive in time.")
HEADER_TOO_SLOW = Problem(408, Reason.TOO_SLOW, f"The header did not arrive within {HEADER_SECONDS:g} seconds.")
HEADER_TOO_LARGE = Problem(
    431, Reason.HEADER_TOO_LARGE, f"A header may have {LARGEST_HEADER:,} bytes and {MOST_FIELDS} fields."
)
UNKNOWN_HOST = Problem(421, Reason.UNKNOWN_HOST, "The header field Host names another server.")
ORIGIN_NOT_ALLOWED = Problem(
    403, Reason.ORIGIN_NOT_ALLOWED, "WebSockets are not for web pages: the header field Origin must not be there."
)
NOT_HTTP = Problem(400, Reason.MALFORMED, "This is not a valid HTTP/1.1 request.")
UNSUPPORTED = Problem(
    415, Reason.UNSUPPORTED_MEDIA_TYPE, "Send application/json (UTF-8) or application/x-protobuf, not compressed."
)
NOT_ACCEPTABLE = Problem(
    406,
    Reason.NOT_ACCEPTABLE,
    "Answers are application/json or application/x-protobuf; the header field Accept has neither.",
)
NO_TOKEN = Problem(401, Reason.UNAUTHENTICATED, "Send an access token: Authorization: Bearer <token>.")
BAD_TOKEN = Problem(401, Reason.UNAUTHENTICATED, "The access token is not valid or has expired; refresh the session.")
TOKEN_REFUSED = Problem(
    400, Reason.TOKEN_ON_ANONYMOUS_PLANE, "Send anonymous requests without the header field Authorization."
)
UNAVAILABLE = Problem(503, Reason.UNAVAILABLE, "A part of the server is away. Try again soon.", retry_after=2)
LIMITER_UNAVAILABLE = Problem(
    503, Reason.LIMITER_UNAVAILABLE, "The server cannot count requests now. Try again soon.", retry_after=5
)
DEADLINE = Problem(504, Reason.DEADLINE, "The server did not answer in time. Whether the request took effect is open.")
INTERNAL = Problem(500, Reason.INTERNAL, "The server made a mistake. Nothing is known to be wrong with the request.")


def not_allowed(allowed: tuple[str, ...]) -> Problem:
    """The answer to a verb that an address does not take; `allowed` are those that it does."""
    return Problem(405, Reason.METHOD_NOT_ALLOWED, f"This address takes {' and '.join(allowed)}.", allow=allowed)


def rate_limited(retry_after: float) -> Problem:
    """The answer to too many requests; `retry_after` in seconds, told rounded up."""
    seconds = max(1, -int(-retry_after // 1))
    return Problem(429, Reason.RATE_LIMITED, f"Try again in {seconds} s.", retry_after=seconds)
