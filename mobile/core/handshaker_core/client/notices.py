"""Lines that the client itself puts into a conversation, where the person cannot overlook them."""

from handshaker_core.client.content import MESSAGE_ID_SIZE
from handshaker_core.client.events import NoticeAdded
from handshaker_core.client.unit import Unit
from handshaker_core.model import ContactId, Direction, MessageKind, MessageNumber, MessageState, Notice
from handshaker_core.store import contacts, messages
from handshaker_core.store.messages import NewMessage

SENTENCES = {
    Notice.SESSION_ENDED: (
        "You ended the session. Its keys were deleted, and your contact was told to delete theirs. Your next message "
        "starts a new session with new keys."
    ),
    Notice.SESSION_ENDED_BY_CONTACT: (
        "Your contact ended the session. Its keys were deleted on both sides. What you sent and they had not received yet "
        "cannot be read by anybody: send it again. Your next message starts a new session with new keys."
    ),
    Notice.IDENTITY_CHANGED: "Your contact has a new identity. Compare safety numbers before you go on.",
    Notice.DEVICE_ADDED: "Your contact uses a further device from now on.",
    Notice.DEVICE_REMOVED: "Your contact removed a device.",
    Notice.TIMER_CHANGED: "You changed when messages disappear.",
    Notice.TIMER_CHANGED_BY_CONTACT: "Your contact changed when messages disappear.",
}
"""For a person; one for each notice."""

_OWN = frozenset({Notice.SESSION_ENDED, Notice.TIMER_CHANGED})


def add(u: Unit, contact: ContactId, notice: Notice, sentence: str | None = None) -> MessageNumber:
    """Put a notice into the conversation and tell listeners. It is unread, unless it tells of what this person did.

    `sentence` says it where the usual one does not say enough.
    """
    own = notice in _OWN
    number = messages.add(
        u.c,
        NewMessage(
            contact=contact,
            direction=Direction.OUTGOING if own else Direction.INCOMING,
            message_id=u.rng(MESSAGE_ID_SIZE),
            kind=MessageKind.NOTICE,
            text=sentence or SENTENCES[notice],
            sent_at_ms=u.now_ms,
            created_at_ms=u.now_ms,
            state=MessageState.READ if own else MessageState.RECEIVED,
            notice=notice,
        ),
    )
    if number is None:
        raise AssertionError("a fresh random message id was there already")
    message, who = messages.get(u.c, number), contacts.get(u.c, contact)
    if message is not None and who is not None:
        u.events.append(NoticeAdded(message, who))
    return number
