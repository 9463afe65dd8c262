"""Receipts: end to end, to connected contacts only, several in one frame, after a random pause.

Nobody else can tell from them whether this device is on; strangers get none at all.
"""

from contextlib import suppress

from handshaker_core.client import syncing
from handshaker_core.client.content import Receipts
from handshaker_core.client.errors import NotConnected
from handshaker_core.client.events import DeliveryChanged
from handshaker_core.client.sending import new_content, post_to_contact
from handshaker_core.client.unit import Signal, Unit
from handshaker_core.model import ContactId, Direction, MessageNumber, MessageState
from handshaker_core.store import messages, receipts
from handshaker_core.store.outbox import Kind as FrameKind
from handshaker_core.store.receipts import Kind

MOST_IN_A_FRAME = 25
"""They fit the small frame."""


def owe_delivered(u: Unit, contact: ContactId, message_id: bytes) -> None:
    """A message has arrived."""
    if u.settings.delivery_receipts:
        receipts.owe(u.c, contact, message_id, Kind.DELIVERED, u.receipt_due())
        u.signals.add(Signal.RECEIPTS)


def mark_read(u: Unit, contact: ContactId, up_to: MessageNumber | None) -> int:
    """Mark messages as read here and, if the person wants that, owe the receipts. Returns: how many."""
    count, message_ids = messages.mark_read(u.c, contact, up_to)
    syncing.share_read(u, contact, message_ids)
    if u.settings.read_receipts:
        due_at = u.receipt_due()
        for message_id in message_ids:
            receipts.owe(u.c, contact, message_id, Kind.READ, due_at)
        u.signals.add(Signal.RECEIPTS)
    u.signals.add(Signal.TIMERS)
    return count


def send_due(u: Unit) -> float | None:
    """Put receipts that are due into frames.

    Returns:
        When the next ones are due (seconds since 1970); None when none are owed.
    """
    while (owed := receipts.next_due(u.c)) is not None:
        contact, due_at = owed
        if due_at > u.now:
            return due_at
        delivered, read = receipts.take(u.c, contact, MOST_IN_A_FRAME)
        content = new_content(u, Receipts(tuple(delivered), tuple(read)))
        with suppress(NotConnected):  # the session was ended since: these are never sent
            post_to_contact(u, contact, content, FrameKind.RECEIPTS)
    return None


def take(u: Unit, contact: ContactId, body: Receipts) -> None:
    """Believe a contact about own messages to that contact; unknown ones mean nothing."""
    for message_ids, state in ((body.delivered, MessageState.DELIVERED), (body.read, MessageState.READ)):
        for message_id in message_ids:
            number = messages.by_message_id(u.c, contact, Direction.OUTGOING, message_id)
            if number is not None and messages.advance(u.c, number, state):
                message = messages.get(u.c, number)
                if message is not None:
                    u.events.append(DeliveryChanged(message))
