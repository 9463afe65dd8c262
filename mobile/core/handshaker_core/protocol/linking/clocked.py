"""What both machines have in common: an end that is final, and a time limit."""

from collections.abc import Callable
from typing import TypeVar

from handshaker_core.errors import (
    LinkingAltered,
    LinkingCancelled,
    LinkingError,
    LinkingExpired,
    MalformedFrame,
    PaddingError,
    ProtocolError,
    UndecryptableMessage,
    UnsupportedVersion,
)
from handshaker_core.protocol.linking.code import CodeSecret
from handshaker_core.protocol.linking.messages import LIFETIME_SECONDS, is_cancel, seal_cancel
from handshaker_core.protocol.randomness import Randomness

T = TypeVar("T")

# What anybody can send who may write to the mailbox; it does not concern the linking.
NOISE = (UndecryptableMessage, MalformedFrame, UnsupportedVersion, PaddingError)


class Linking:
    """One side of a linking.

    Args:
        secret: of the code.
        now: seconds, of whatever clock the caller also passes later.
        rng: randomness.
    """

    def __init__(self, secret: CodeSecret, now: float, rng: Randomness) -> None:
        self._secret = secret
        self._rng = rng
        self._deadline = now + LIFETIME_SECONDS
        self._failure: LinkingError | None = None

    @property
    def failure(self) -> LinkingError | None:
        """Why it has ended without a link; None while it goes on, or when it was done."""
        return self._failure

    def cancel(self) -> bytes:
        """Call it off. A linking that has ended stays as it ended. Returns: a frame that tells the other side."""
        self._failure = self._failure or LinkingCancelled()
        return seal_cancel(self._secret, self._rng)

    def _check(self, now: float) -> None:
        """Raises: the reason of an end, LinkingExpired."""
        if self._failure is None and now > self._deadline:
            self._failure = LinkingExpired()
        if self._failure is not None:
            raise self._failure

    def _check_cancel(self, frame: bytes) -> None:
        """Raises: LinkingCancelled: the other side calls it off."""
        if is_cancel(frame, self._secret):
            raise self._fail(LinkingCancelled("The other device has called it off; nothing was linked."))

    def _prolong(self, now: float) -> None:
        self._deadline = now + LIFETIME_SECONDS

    def _fail(self, error: LinkingError) -> LinkingError:
        self._failure = self._failure or error
        return self._failure

    def _open(self, read: Callable[[], T]) -> T | None:
        """What `read` returns; None for noise; whatever is authentic but wrong ends the linking.

        Raises:
            LinkingAltered.
        """
        try:
            return read()
        except NOISE:
            return None
        except LinkingError as error:
            raise self._fail(error) from None
        except ProtocolError:
            raise self._fail(LinkingAltered()) from None
