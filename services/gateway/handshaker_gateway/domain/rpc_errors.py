"""What a client is told when a call to a service fails: by the status's name and the ErrorInfo that came with it."""

from handshaker_common.reasons import Reason

from handshaker_gateway.domain.problems import (
    BAD_TOKEN,
    DEADLINE,
    INTERNAL,
    UNAVAILABLE,
    Problem,
    malformed,
    rate_limited,
)

# Seconds that a client waits where the service did not say.
DEFAULT_RETRY = 1.0


def problem_of(code: str, reason: str | None, sentence: str, retry_after: float | None) -> Problem:
    """The problem for a failed call.

    `code` is the name of the gRPC status, `reason` that of its ErrorInfo, `sentence` the text that the service wrote
    for callers, `retry_after` the seconds of its RetryInfo. Only a service's own sentence (one with a reason) is
    passed on: what the transport says may name addresses.
    """
    known = _known(reason)
    match code:
        case "INVALID_ARGUMENT" if known is not None:
            return malformed(sentence) if known is Reason.MALFORMED else Problem(400, known, sentence)
        case "UNAUTHENTICATED" if known in {None, Reason.UNAUTHENTICATED}:
            return BAD_TOKEN
        case "RESOURCE_EXHAUSTED" if known is not None:
            limited = rate_limited(retry_after or DEFAULT_RETRY)
            return Problem(429, known, sentence, retry_after=limited.retry_after)
        case "ABORTED":
            return Problem(409, known or Reason.CONFLICT, sentence if known else "Repeat the request.")
        case "UNAVAILABLE":
            wait = rate_limited(retry_after or DEFAULT_RETRY).retry_after
            return Problem(503, known, sentence, retry_after=wait) if known else UNAVAILABLE
        case "DEADLINE_EXCEEDED":
            return DEADLINE
    # Everything else is a fault between the processes, such as a service that does not take this one for a gateway.
    return INTERNAL


def _known(reason: str | None) -> Reason | None:
    return Reason(reason) if reason in set(Reason) else None
