"""A unit of work: what happens together or not at all, and what is told about it afterwards."""

import random
from dataclasses import dataclass, field
from enum import Enum, auto

from handshaker_core.client.events import Event
from handshaker_core.client.live_states import LiveStates
from handshaker_core.client.settings import Settings
from handshaker_core.clock import milliseconds
from handshaker_core.protocol.randomness import Randomness
from handshaker_core.store import accounts
from handshaker_core.store.accounts import AccountKeys
from handshaker_core.store.connection import Connection
from handshaker_core.store.contacts import Profile


class Signal(Enum):
    """Who has something to do after the commit."""

    OUTBOX = auto()
    """Frames may be due."""
    RECEIPTS = auto()
    """Receipts are owed."""
    SUBSCRIPTIONS = auto()
    """The set of mailboxes to receive from has changed."""
    MAILBOXES = auto()
    """Mailboxes have to be made or deleted on the server."""
    PREKEYS = auto()
    """A stranger has used prekeys."""
    DEVICES = auto()
    """Contacts, or own devices, are to be told about this person's devices."""
    SESSIONS = auto()
    """Keys of a session were deleted, or a live session was offered, agreed or ended."""
    TIMERS = auto()
    """The time of messages that disappear may have begun."""


@dataclass(slots=True)
class Unit:
    """Everything that a rule of the client may look at or change; it ends with the commit.

    Attributes:
        c: the open transaction.
        now: seconds since 1970, the same for the whole unit.
        live: live sessions, which are in memory alone; a unit that fails has not changed them.
        events: published after the commit, and only then.
        signals: set after the commit.
    """

    c: Connection
    keys: AccountKeys
    settings: Settings
    now: float
    rng: Randomness
    live: LiveStates = field(default_factory=LiveStates)
    events: list[Event] = field(default_factory=list)
    signals: set[Signal] = field(default_factory=set)

    @property
    def now_ms(self) -> int:
        """The same time as messages carry it."""
        return milliseconds(self.now)

    def mailboxes_changed(self) -> None:
        """Wake those who subscribe, and those who make and delete."""
        self.signals |= {Signal.SUBSCRIPTIONS, Signal.MAILBOXES}

    def own_profile(self) -> Profile:
        """What contacts are told about this person."""
        account = accounts.get(self.c)
        return Profile() if account is None else Profile(account.display_name, account.username)

    def receipt_due(self) -> float:
        """When a receipt that is owed from now on goes out: later by a random time, so that it tells little."""
        shortest, longest = self.settings.receipt_delay
        return self.now + random.SystemRandom().uniform(shortest, longest)
