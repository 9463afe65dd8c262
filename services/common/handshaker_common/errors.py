"""Errors that end a call.

    ServiceError
    └── Rejected             an answer to the caller: a gRPC status with one google.rpc.ErrorInfo
        ├── InvalidArgument
        ├── Unauthenticated
        ├── ResourceExhausted
        ├── Aborted
        └── Unavailable
            └── DatabaseUnavailable

Outcomes of the domain (refused, taken, used up) are arms of the response, never one of these. The sentence is shown
to callers: it names no identifier, address or secret.
"""

import grpc

from handshaker_common.reasons import Reason


class ServiceError(Exception):
    """Root of the chassis's errors."""


class Rejected(ServiceError):
    """The call ends with `code`; `reason` is stable, `retry_after` (seconds) says when to try again."""

    code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE

    def __init__(self, reason: Reason, sentence: str, *, retry_after: float | None = None) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.sentence = sentence
        self.retry_after = retry_after


class InvalidArgument(Rejected):
    """The request is not of its form."""

    code = grpc.StatusCode.INVALID_ARGUMENT


class Unauthenticated(Rejected):
    """Who calls is unknown, or calls on the wrong plane."""

    code = grpc.StatusCode.UNAUTHENTICATED


class ResourceExhausted(Rejected):
    """Too much, too often."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED


class Aborted(Rejected):
    """Somebody else was faster; the call may be repeated."""

    code = grpc.StatusCode.ABORTED


class Unavailable(Rejected):
    """The service cannot answer now."""

    code = grpc.StatusCode.UNAVAILABLE


class DatabaseUnavailable(Unavailable):
    """PostgreSQL did not carry a statement out in time. The same request may be made again."""

    def __init__(self) -> None:
        super().__init__(Reason.UNAVAILABLE, "The server's store does not answer; try again.", retry_after=1)
