"""The registry of all limiters: how much of what, how often, and what happens when Redis is away.

A limiter is a token bucket: `burst` uses at once, refilled evenly within `period` seconds. Rows that guard secrets,
or that others pay for, fail closed: without Redis they refuse. The others fail open: without Redis they let pass and
are counted. Rows of single WebSockets live in the gateway's memory and cannot fail.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum, StrEnum, unique
from typing import Self


class KeyedBy(StrEnum):
    """Whose bucket it is."""

    PREFIX = "network prefix"  # the /24 or /48 that a request comes from
    ACCOUNT = "account"
    CONNECTION = "connection"  # one WebSocket; kept in memory, gone with it


class OnOutage(StrEnum):
    """What happens when Redis does not answer."""

    OPEN = "fails open"
    CLOSED = "fails closed"


@dataclass(frozen=True, slots=True)
class Limit:
    """`burst` uses at once, an empty bucket is full again after `period` seconds."""

    name: str
    burst: int
    period: float
    keyed_by: KeyedBy
    on_outage: OnOutage


@unique
class Limiter(Enum):
    """All limiters; the value is the row, its name is what the protocol's method rules say."""

    # Anonymous calls, by network prefix. A prefix may be a whole household, school or carrier: what makes abuse
    # expensive is the proof of work, these rows only keep one network from keeping everybody else out.
    CHALLENGE = Limit("challenge", 300, 60, KeyedBy.PREFIX, OnOutage.OPEN)
    REGISTRATION = Limit("registration", 60, 600, KeyedBy.PREFIX, OnOutage.CLOSED)
    SESSION = Limit("session", 240, 60, KeyedBy.PREFIX, OnOutage.CLOSED)
    MAILBOX = Limit("mailbox", 600, 600, KeyedBy.PREFIX, OnOutage.OPEN)
    LOOKUP = Limit("lookup", 120, 600, KeyedBy.PREFIX, OnOutage.CLOSED)
    BUNDLE = Limit("bundle", 120, 600, KeyedBy.PREFIX, OnOutage.CLOSED)
    WAKE_TARGET = Limit("wake_target", 300, 600, KeyedBy.PREFIX, OnOutage.OPEN)
    SOCKET_OPEN = Limit("socket_open", 600, 60, KeyedBy.PREFIX, OnOutage.OPEN)

    # Calls with a token, by account.
    ACCOUNT = Limit("account", 120, 60, KeyedBy.ACCOUNT, OnOutage.OPEN)
    PREKEYS = Limit("prekeys", 60, 600, KeyedBy.ACCOUNT, OnOutage.CLOSED)
    TOKENS = Limit("tokens", 30, 3600, KeyedBy.ACCOUNT, OnOutage.CLOSED)
    USERNAME = Limit("username", 20, 3600, KeyedBy.ACCOUNT, OnOutage.CLOSED)

    # What one WebSocket may send, counted in memory.
    SOCKET_BYTES = Limit("socket_bytes", 4 * 1024 * 1024, 1, KeyedBy.CONNECTION, OnOutage.CLOSED)
    SOCKET_MESSAGES = Limit("socket_messages", 2_000, 1, KeyedBy.CONNECTION, OnOutage.CLOSED)

    @property
    def key(self) -> str:
        """The name in the protocol's method rules, in settings and in metrics."""
        return self.value.name

    @classmethod
    def named(cls, key: str) -> Self:
        """The limiter that a method rule names.

        Raises:
            KeyError: there is none of that name.
        """
        return cls[key.upper()]


# The rows in force: those of the registry, some of them replaced by the operator's settings.
Limits = Mapping[Limiter, Limit]


def limits_with(overrides: Mapping[str, tuple[int, float]]) -> dict[Limiter, Limit]:
    """The registry's rows with (burst, period) of some of them replaced.

    Raises:
        ValueError: a name is not in the registry, or a number is not positive.
    """
    limits = {limiter: limiter.value for limiter in Limiter}
    for name, (burst, period) in overrides.items():
        try:
            limiter = Limiter.named(name)
        except KeyError:
            known = ", ".join(sorted(limiter.key for limiter in Limiter))
            raise ValueError(f"there is no limiter of the name {name!r}; there are {known}") from None
        if burst < 1 or period <= 0:
            raise ValueError(f"the limiter {name} needs a burst of 1 or more and a period above 0 seconds")
        limits[limiter] = replace(limiter.value, burst=burst, period=period)
    return limits
