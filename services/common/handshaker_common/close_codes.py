"""Every way in which a server closes a WebSocket: one code and one stable reason each.

Codes below 4000 are those of RFC 6455 section 7.4 and the IANA registry; 4000 and above are the protocol's own.
Clients decide by the reason: all but `unauthenticated`, `malformed` and `unsupported` say "connect again, with jitter".
"""

from enum import Enum


class Close(Enum):
    """A close code with its reason (ASCII, at most 123 bytes)."""

    UNSUPPORTED = (1003, "unsupported")  # a text message; the protocol is binary
    RESTARTING = (1012, "restarting")  # this process is about to stop
    RELAY_RESTARTED = (1012, "relay_restarted")  # the process behind this socket has gone
    TOO_SLOW = (1013, "too_slow")  # the client does not read what it is sent
    UNAUTHENTICATED = (4001, "unauthenticated")  # no valid subscribe or send in time, or too many bad signatures
    MALFORMED = (4002, "malformed")  # not a ClientMessage, or more items than one may hold
    RATE_LIMITED = (4008, "rate_limited")  # far more than one socket may send
    TOO_MANY_SUBSCRIPTIONS = (4009, "too_many_subscriptions")

    @property
    def code(self) -> int:
        """The number in the close frame."""
        return self.value[0]

    @property
    def reason(self) -> str:
        """The text in the close frame."""
        return self.value[1]
