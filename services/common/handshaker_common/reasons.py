"""Every stable reason that leaves a service as an ErrorInfo, or the gateway as a problem document."""

from enum import StrEnum


class Reason(StrEnum):
    """Machines may rely on these; the sentences beside them may change."""

    # Bad input
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    NOT_ACCEPTABLE = "not_acceptable"
    HEADER_TOO_LARGE = "header_too_large"
    TOO_SLOW = "too_slow"
    UNKNOWN_HOST = "unknown_host"
    ORIGIN_NOT_ALLOWED = "origin_not_allowed"
    # Who is calling
    UNAUTHENTICATED = "unauthenticated"
    TOKEN_ON_ANONYMOUS_PLANE = "token_on_anonymous_plane"
    CALLER_NOT_ALLOWED = "caller_not_allowed"
    ADMISSION_REQUIRED = "admission_required"
    # Outcomes that stand in the protocol's `refusal` options
    ADMISSION_REFUSED = "admission_refused"
    REFUSED = "refused"
    BAD_PROOF = "bad_proof"
    ALREADY_REGISTERED = "already_registered"
    USERNAME_TAKEN = "username_taken"
    NOT_PRIMARY = "not_primary"
    KEY_TAKEN = "key_taken"
    TOO_MANY_DEVICES = "too_many_devices"
    ALREADY_SET = "already_set"
    UNKNOWN_ISSUER_KEY = "unknown_issuer_key"
    QUOTA_EXHAUSTED = "quota_exhausted"
    # How busy or broken the server is
    RATE_LIMITED = "rate_limited"
    LIMITER_UNAVAILABLE = "limiter_unavailable"
    OVERLOADED = "overloaded"
    CONFLICT = "conflict"
    UNAVAILABLE = "unavailable"
    DEADLINE = "deadline"
    INTERNAL = "internal"
