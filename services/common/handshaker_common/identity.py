"""Who calls: set by the interceptor for ACCOUNT methods, nowhere else."""

from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID

from handshaker_common.errors import Unauthenticated
from handshaker_common.reasons import Reason


@dataclass(frozen=True, slots=True)
class Identity:
    """The account and device that an access token speaks for."""

    account_id: UUID
    device_id: UUID

    def __repr__(self) -> str:
        return "Identity(…)"


_caller: ContextVar[Identity | None] = ContextVar("caller", default=None)


def set_caller(identity: Identity | None) -> None:
    """For the interceptor alone."""
    _caller.set(identity)


def caller() -> Identity:
    """The verified identity of the call that is being handled.

    Raises:
        Unauthenticated: the call is not an authenticated one.
    """
    identity = _caller.get()
    if identity is None:
        raise Unauthenticated(Reason.UNAUTHENTICATED, "This call needs an access token.")
    return identity
