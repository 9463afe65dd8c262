"""Sending: messages to every device of a contact, a copy to the own other devices, and a line in the conversation."""

from handshaker_core.client.content import MESSAGE_ID_SIZE, ConnectionAccepted, Content, Text
from handshaker_core.client.errors import AttentionNeeded, NotConnected, ReconnectNeeded
from handshaker_core.client.posting import new_content, post, post_to_contact, post_to_device
from handshaker_core.client.syncing import share_text
from handshaker_core.client.unit import Unit
from handshaker_core.credentials import FrameId
from handshaker_core.model import ContactId, Direction, MessageKind, MessageNumber, MessageState
from handshaker_core.protocol.session import SessionState
from handshaker_core.store import contacts, devices, messages, timers
from handshaker_core.store.mailboxes import PeerMailbox
from handshaker_core.store.messages import NewMessage
from handshaker_core.store.outbox import Kind

__all__ = ["keep_outgoing", "new_content", "post", "post_to_contact", "post_to_device", "send_acceptance", "send_text"]


def send_text(u: Unit, contact: ContactId, text: str) -> MessageNumber:
    """Queue a message to somebody with whom there is a conversation.

    Raises:
        NotConnected, ReconnectNeeded.
        AttentionNeeded: something about the contact has changed that the owner has not looked at.
    """
    if not contacts.is_connected(u.c, contact):
        raise ReconnectNeeded if contacts.is_outdated(u.c, contact) else NotConnected
    who = contacts.get(u.c, contact)
    if who is not None and who.attention is not None:
        raise AttentionNeeded(who.attention)
    sent_at_ms = messages.next_sent_at(u.c, contact, u.now_ms)
    content = Content(u.rng(MESSAGE_ID_SIZE), sent_at_ms, Text(text), timers.get(u.c, contact))
    first, *further = post_to_contact(u, contact, content, Kind.TEXT)
    number = keep_outgoing(u, contact, content, text, first)
    messages.add_frames(u.c, number, further)
    share_text(u, contact, content, text)
    return number


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
    content = new_content(u, ConnectionAccepted(u.own_profile(), reply_to, devices.own_list(u.c)))
    post(u, contact, session, to, content, kind=Kind.ACCEPTED)
