"""Disappearing messages: a timer that both sides of a conversation share.

Setting it tells the other side (`TimerChanged`); every message carries how long it lives, so that it disappears alike on
both sides even while they differ for a moment. Its time begins when it has left the sender, and when the recipient has
read it. Nothing can keep a recipient from copying what they read; this is an agreement between two honest clients.
"""

from handshaker_core.client import notices
from handshaker_core.client.content import LONGEST_TIMER_SECONDS, MESSAGE_ID_SIZE, Content, TimerChanged
from handshaker_core.client.core import Core, wait_any
from handshaker_core.client.errors import InvalidTimer, NotConnected
from handshaker_core.client.events import MessageExpired, Trouble
from handshaker_core.client.sending import post_to_contact
from handshaker_core.client.unit import Signal, Unit
from handshaker_core.model import ContactId, Notice
from handshaker_core.store import contacts, timers
from handshaker_core.store.errors import StoreError
from handshaker_core.store.outbox import Kind

LONGEST_WAIT_SECONDS = 60.0
"""How long a clock that was set forward may go unnoticed."""

_UNITS = ((604_800, "week"), (86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def spelled(seconds: int) -> str:
    """A length of time for people: "1 week", "90 minutes"."""
    size, name = next((size, name) for size, name in _UNITS if seconds % size == 0)
    count = seconds // size
    return f"{count} {name}" if count == 1 else f"{count} {name}s"


def change(u: Unit, contact: ContactId, seconds: int | None) -> None:
    """Set the conversation's timer here and tell the contact; nothing happens where it is so already.

    Raises:
        InvalidTimer, NotConnected.
    """
    if seconds is not None and not 0 < seconds <= LONGEST_TIMER_SECONDS:
        raise InvalidTimer
    if not contacts.is_connected(u.c, contact):
        raise NotConnected
    if timers.get(u.c, contact) == seconds:
        return
    # Later than any change that is known here, whatever the clocks say: whoever acts last decides.
    at_ms = max(u.now_ms, timers.changed_at_ms(u.c, contact) + 1)
    timers.put(u.c, contact, seconds, at_ms)
    content = Content(u.rng(MESSAGE_ID_SIZE), at_ms, TimerChanged(), expires_after_seconds=seconds)
    post_to_contact(u, contact, content, Kind.CONTROL)
    notices.add(u, contact, Notice.TIMER_CHANGED, _sentence("You", seconds))


def take(u: Unit, contact: ContactId, content: Content) -> None:
    """The contact has set the timer."""
    if timers.put(u.c, contact, content.expires_after_seconds, content.sent_at_ms):
        sentence = _sentence("Your contact", content.expires_after_seconds)
        notices.add(u, contact, Notice.TIMER_CHANGED_BY_CONTACT, sentence)


def sweep(u: Unit) -> float | None:
    """Start the time of messages that were sent or read, and delete those whose time is over.

    Returns:
        When the next is due (seconds since 1970); None when none is.
    """
    timers.start_outgoing(u.c, u.now_ms)
    timers.start_read(u.c, u.now_ms)
    timers.believe_clock(u.c, u.now_ms)
    u.events += [MessageExpired(number, contact) for contact, number in timers.take_due(u.c, u.now_ms)]
    due_ms = timers.next_due_ms(u.c)
    return None if due_ms is None else due_ms / 1000


async def keep_sweeping(core: Core) -> None:
    """Delete messages when they are due, until cancelled; what was deleted leaves the write-ahead log as well."""
    signal = core.signals[Signal.TIMERS]
    while True:
        signal.clear()
        wait: float | None = LONGEST_WAIT_SECONDS
        try:
            due_at = await sweep_now(core)
            wait = None if due_at is None else min(LONGEST_WAIT_SECONDS, max(0.0, due_at - core.clock()))
        except StoreError as error:
            core.hub.publish([Trouble("disappearing", error.reason, str(error))])
        await wait_any(signal, wait)


async def sweep_now(core: Core) -> float | None:
    """`sweep`, and then nothing of it is left in the log. Returns: when the next is due."""

    def counted(u: Unit) -> tuple[float | None, bool]:
        due_at = sweep(u)
        return due_at, any(isinstance(event, MessageExpired) for event in u.events)

    due_at, deleted = await core.run(counted)
    if deleted:
        await core.store.fold_log()
    return due_at


def _sentence(who: str, seconds: int | None) -> str:
    if seconds is None:
        return f"{who} switched disappearing messages off. New messages stay."
    return f"{who} set new messages to disappear {spelled(seconds)} after they are read."
