"""Sending: encrypt once, and keep the ciphertext in the transaction that moves the ratchet on.

A crash before the commit sends nothing and uses no key; a crash after it sends the very same bytes again.
"""

from handshaker_core.client.content import MESSAGE_ID_SIZE, Body, ConnectionAccepted, Content, Text
from handshaker_core.client.errors import NotConnected, ReconnectNeeded
from handshaker_core.client.unit import Signal, Unit
from handshaker_core.credentials import ID_SIZE, FrameId
from handshaker_core.model import ContactId, Direction, MessageKind, MessageNumber, MessageState
from handshaker_core.protocol import session as protocol
from handshaker_core.protocol.session import SessionState
from handshaker_core.store import contacts, mailboxes, messages, outbox, sessions, timers
from handshaker_core.store.mailboxes import PeerMailbox
from handshaker_core.store.messages import NewMessage
from handshaker_core.store.outbox import Kind, Waiting


def new_content(u: Unit, body: Body) -> Content:
    """A body with a fresh message id and the time."""
    return Content(u.rng(MESSAGE_ID_SIZE), u.now_ms, body)


def post(
    u: Unit, contact: ContactId, session: SessionState, to: PeerMailbox, content: Content, *, kind: Kind
) -> FrameId:
    """Encrypt a content and put the frame into the outbox. The session must be in the store already.

    Raises:
        ContentTooLarge, ChainExhausted, NoSendingChain.
    """
    stepped, frame = protocol.encrypt(session, content.encode(), now=u.now, rng=u.rng)
    sessions.save(u.c, stepped)
    frame_id = FrameId(u.rng(ID_SIZE))
    outbox.add(u.c, Waiting(frame_id, contact, kind, to, frame, u.now))
    u.signals.add(Signal.OUTBOX)
    return frame_id


def post_to_contact(u: Unit, contact: ContactId, content: Content, kind: Kind) -> FrameId:
    """The same through the contact's current session, to the contact's mailbox.

    Raises:
        NotConnected: there is no session, or nowhere to write to.
    """
    available = sessions.of_contact(u.c, contact)
    to = mailboxes.peer(u.c, contact, available[0].peer.device_id) if available else None
    if to is None:
        raise NotConnected
    return post(u, contact, available[0], to, content, kind=kind)


def send_text(u: Unit, contact: ContactId, text: str) -> MessageNumber:
    """Queue a message to somebody with whom there is a conversation.

    Raises:
        NotConnected, ReconnectNeeded.
    """
    if not contacts.is_connected(u.c, contact):
        raise ReconnectNeeded if contacts.is_outdated(u.c, contact) else NotConnected
    sent_at_ms = messages.next_sent_at(u.c, contact, u.now_ms)
    content = Content(u.rng(MESSAGE_ID_SIZE), sent_at_ms, Text(text), timers.get(u.c, contact))
    return keep_outgoing(u, contact, content, text, post_to_contact(u, contact, content, Kind.TEXT))


def keep_outgoing(u: Unit, contact: ContactId, content: Content, text: str, frame_id: FrameId) -> MessageNumber:
    """Put an own message into the conversation; its state follows the frame's."""
    number = messages.add(
        u.c,
        NewMessage(
            contact=contact,
            direction=Direction.OUTGOING,
            message_id=content.message_id,
            kind=MessageKind.TEXT,
            text=text,
            sent_at_ms=content.sent_at_ms,
            created_at_ms=u.now_ms,
            state=MessageState.SENDING,
            frame_id=frame_id,
            expires_after_seconds=content.expires_after_seconds,
        ),
    )
    if number is None:
        raise AssertionError("a fresh random message id was there already")
    return number


def send_acceptance(u: Unit, contact: ContactId, session: SessionState, to: PeerMailbox, reply_to: PeerMailbox) -> None:
    """Tell somebody who asked that the answer is yes, and where to write."""
    content = new_content(u, ConnectionAccepted(u.own_profile(), reply_to))
    post(u, contact, session, to, content, kind=Kind.ACCEPTED)
