"""What becomes of frames that were sent: the state machine between the server's word and the message's state.

waiting --delivered--> gone, message `delivered`          waiting --quota, no retention, unavailable--> held, again
waiting --stored-----> gone, message `stored`             waiting --offline (receipts)--> held, again
waiting --refused, malformed, too old--> gone, message `failed`
waiting --nothing heard--> waiting: the same bytes and the same frame id go out on the next connection
"""

import random

from handshaker_core.client import live
from handshaker_core.client.events import DeliveryChanged, RequestAnswered
from handshaker_core.client.unit import Signal, Unit
from handshaker_core.credentials import FrameId
from handshaker_core.model import Direction, MessageNumber, MessageState, RequestState
from handshaker_core.net.backoff import delay
from handshaker_core.net.relay import Outcome, OutgoingFrame, Policy
from handshaker_core.store import contacts, mailboxes, messages, outbox, receipts, requests
from handshaker_core.store.outbox import Kind, Waiting

GIVE_UP_SECONDS = 14 * 86_400.0
"""As long as servers keep a frame."""

FAILED_REFUSED = "refused"
FAILED_MALFORMED = "malformed"
FAILED_EXPIRED = "expired"
FAILED_SESSION_ENDED = "session_ended"

# First and longest wait in seconds before a frame is tried again.
_HOLDS = {
    Outcome.UNAVAILABLE: (1.0, 60.0),
    Outcome.QUOTA: (5.0, 600.0),
    Outcome.NO_RETENTION: (15.0, 600.0),
    Outcome.OFFLINE: (30.0, 600.0),
}
# What these say is true of the whole mailbox: later frames wait behind this one, so that messages keep their order.
_MAILBOX_WIDE = frozenset({Outcome.UNAVAILABLE, Outcome.QUOTA, Outcome.NO_RETENTION})


def due(u: Unit, limit: int) -> list[OutgoingFrame]:
    """Up to `limit` frames that may go out now, in order."""
    return [_outgoing(waiting) for waiting in outbox.due(u.c, u.now, limit)]


def _outgoing(waiting: Waiting) -> OutgoingFrame:
    # Receipts are never stored by a server: who is away gets them when both are there.
    policy = Policy.LIVE_ONLY if waiting.kind in (Kind.RECEIPTS, Kind.LIVE) else Policy.STORE
    return OutgoingFrame(waiting.frame_id, waiting.to.send_id, waiting.to.send_secret, waiting.frame, policy)


def apply(u: Unit, frame_id: FrameId, outcome: Outcome) -> None:
    """Take the server's word about a frame; a repeated or late one changes nothing."""
    waiting = outbox.get(u.c, frame_id)
    match outcome:
        case Outcome.DELIVERED | Outcome.STORED:
            outbox.remove(u.c, frame_id)
            state = MessageState.DELIVERED if outcome is Outcome.DELIVERED else MessageState.STORED
            _advance(u, messages.by_frame(u.c, frame_id), state)
        case Outcome.REFUSED | Outcome.MALFORMED:
            if waiting is not None:
                fail(u, waiting, FAILED_REFUSED if outcome is Outcome.REFUSED else FAILED_MALFORMED)
        case Outcome.OFFLINE if waiting is not None and waiting.kind is Kind.LIVE:
            outbox.remove(u.c, frame_id)
            if waiting.contact is not None:
                live.nobody_there(u, waiting.contact)
        case _:
            if waiting is not None:
                _hold(u, waiting, outcome)


def _hold(u: Unit, waiting: Waiting, outcome: Outcome) -> None:
    first, longest = _HOLDS[outcome]
    until = u.now + delay(waiting.attempts, first, longest, random.SystemRandom())
    outbox.hold(u.c, waiting.frame_id, until)
    if outcome in _MAILBOX_WIDE:
        outbox.hold_mailbox(u.c, waiting.to.send_id, until)
    u.signals.add(Signal.OUTBOX)


def fail(u: Unit, waiting: Waiting, failure: str) -> None:
    """Give a frame up, and say what that means for what it carried."""
    outbox.remove(u.c, waiting.frame_id)
    _advance(u, messages.by_frame(u.c, waiting.frame_id), MessageState.FAILED, failure)
    if waiting.contact is None:
        return
    if waiting.kind is Kind.REQUEST:
        _end_request(u, waiting, Direction.OUTGOING)
    elif waiting.kind is Kind.ACCEPTED:
        # Whoever asked has withdrawn in the meantime: the mailbox to answer to is gone.
        contacts.set_connected(u.c, waiting.contact, False)
        receipts.forget(u.c, waiting.contact)
        _end_request(u, waiting, Direction.INCOMING)


def _end_request(u: Unit, waiting: Waiting, direction: Direction) -> None:
    if waiting.contact is None:
        return
    mailboxes.close_for_contact(u.c, waiting.contact)
    u.mailboxes_changed()
    request = requests.latest(u.c, waiting.contact, direction)
    if request is None:
        return
    requests.set_state(u.c, request, RequestState.CANCELLED, u.now)
    ended = requests.get(u.c, request)
    if ended is not None:
        u.events.append(RequestAnswered(ended))


def give_up_old(u: Unit) -> None:
    """Fail what could not be sent for as long as a server would have kept it."""
    for waiting in outbox.older_than(u.c, u.now - GIVE_UP_SECONDS):
        fail(u, waiting, FAILED_EXPIRED)


def _advance(u: Unit, number: MessageNumber | None, state: MessageState, failure: str | None = None) -> None:
    if number is not None and messages.advance(u.c, number, state, failure):
        message = messages.get(u.c, number)
        if message is not None:
            u.events.append(DeliveryChanged(message))
