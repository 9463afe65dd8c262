"""What becomes of a frame that arrives: ratchet step, message and the memory of the frame are one transaction.

Only what is committed is acknowledged. A frame that cannot be read is remembered and shown as such; it never comes
back and never stands in the way of the next.
"""

from collections.abc import Iterable

from handshaker_core.client import disappearing
from handshaker_core.client.content import (
    ConnectionAccepted,
    ConnectionRejected,
    ConnectionRequest,
    Content,
    MalformedContent,
    Receipts,
    Text,
    TimerChanged,
)
from handshaker_core.client.events import FrameUnreadable
from handshaker_core.client.receipts import take as take_receipts
from handshaker_core.client.requests import (
    keep_incoming,
    standing,
    take_acceptance,
    take_rejection,
    take_request,
)
from handshaker_core.client.unit import Signal, Unit
from handshaker_core.errors import DuplicateMessage, MalformedFrame, ProtocolError, UndecryptableMessage
from handshaker_core.model import ContactId, ContactState, Direction, MessageKind, MessageState
from handshaker_core.net.relay import IncomingFrame
from handshaker_core.protocol import session as protocol
from handshaker_core.protocol.sealed_sender import Envelope, EnvelopeKind, check_sender
from handshaker_core.protocol.session import SessionState
from handshaker_core.store import contacts, devices, mailboxes, messages, outbox, prekeys, seen, sessions
from handshaker_core.store.connection import StorageFailure
from handshaker_core.store.messages import NewMessage
from handshaker_core.store.prekeys import StoredPreKeys

INTERNAL_ERROR = "internal_error"


def take_all(u: Unit, frames: Iterable[IncomingFrame]) -> None:
    """Take frames, each for itself: whatever one of them does, the others are not touched by it."""
    for frame in frames:
        told = len(u.events)
        u.c.execute("SAVEPOINT frame")
        try:
            take(u, frame)
        except StorageFailure:
            raise
        except Exception:  # noqa: BLE001 - a mistake of ours must not make the server deliver this frame for ever
            u.c.execute("ROLLBACK TO frame")
            del u.events[told:]
            seen.add(u.c, frame.frame_id, u.now)
            own = mailboxes.get(u.c, frame.recv_id)
            _record_unreadable(u, None if own is None else own.contact, frame, INTERNAL_ERROR)
        u.c.execute("RELEASE frame")


def take(u: Unit, frame: IncomingFrame) -> None:
    """Take one frame. After the commit it may be acknowledged, whatever became of it."""
    if not seen.add(u.c, frame.frame_id, u.now):
        return
    own = mailboxes.get(u.c, frame.recv_id)
    if own is None:
        return
    try:
        envelope = protocol.open_frame(u.keys.local, frame.frame)
        _check_sender(u, own.contact, envelope)
        if envelope.kind is EnvelopeKind.INITIAL:
            _take_initial(u, envelope)
        else:
            _take_ratchet(u, own.contact, envelope)
    except DuplicateMessage:
        pass  # the same message in another frame: a resend whose frame id was lost, or a replay
    except ProtocolError as error:
        _record_unreadable(u, own.contact, frame, error.reason)


def _check_sender(u: Unit, contact: ContactId | None, envelope: Envelope) -> None:
    """Check the sender against the contact whose mailbox it is, and against that person's devices.

    Raises:
        WrongIdentity, UnlistedDevice.
    """
    sender = envelope.sender
    expected = sender.identity if contact is None else contacts.identity(u.c, contact)
    known = contacts.by_identity(u.c, sender.identity)
    check_sender(sender, expected, None if known is None else devices.list_of(u.c, known))


def _take_initial(u: Unit, envelope: Envelope) -> None:
    known = sessions.get(u.c, protocol.handshake_id(envelope) or b"")
    if known is not None:
        contact, session = known
        stepped, plaintext = protocol.decrypt(session, envelope, now=u.now)
        sessions.save(u.c, stepped)
        _take_content(u, contact, stepped, plaintext)
        return
    accepted = protocol.accept(u.keys.local, StoredPreKeys(u.c), envelope, now=u.now)
    prekeys.consume(u.c, accepted.consumed)
    u.signals.add(Signal.PREKEYS)
    content = Content.decode(accepted.plaintext)
    if not isinstance(content.body, ConnectionRequest) or envelope.sender.identity == u.keys.identity_key:
        raise MalformedContent
    take_request(u, accepted.session, content, content.body)


def _take_ratchet(u: Unit, contact: ContactId | None, envelope: Envelope) -> None:
    if contact is None:
        raise MalformedFrame  # strangers have no session
    session, plaintext = _decrypt(u, contact, envelope)
    sessions.save(u.c, session)
    _take_content(u, contact, session, plaintext)


def _decrypt(u: Unit, contact: ContactId, envelope: Envelope) -> tuple[SessionState, bytes]:
    """Decrypt with whichever of the sessions with the sending device the frame belongs to; a wrong one changes nothing.

    Raises:
        DuplicateMessage: one of them has used the message's key already.
        ProtocolError: none of them can decrypt it.
    """
    failure: ProtocolError = UndecryptableMessage()
    for session in sessions.of_device(u.c, contact, envelope.sender.device_id):
        try:
            return protocol.decrypt(session, envelope, now=u.now)
        except DuplicateMessage:
            raise
        except ProtocolError as error:
            failure = error
    raise failure


def _take_content(u: Unit, contact: ContactId, session: SessionState, plaintext: bytes) -> None:
    content = Content.decode(plaintext)
    match content.body:
        case Text(text):
            # Whoever was asked may write as soon as they have accepted, even if their acceptance is still on its way.
            if standing(u, contact) in (ContactState.CONNECTED, ContactState.REQUESTED):
                sessions.promote(u.c, contact, session)
                after = content.expires_after_seconds
                keep_incoming(u, contact, content.message_id, text, content.sent_at_ms, expires_after_seconds=after)
        case Receipts():
            sessions.promote(u.c, contact, session)
            take_receipts(u, contact, content.body)
        case ConnectionAccepted():
            take_acceptance(u, contact, session, content.body)
        case ConnectionRejected():
            take_rejection(u, contact)
        case TimerChanged():
            if standing(u, contact) is ContactState.CONNECTED:
                sessions.promote(u.c, contact, session)
                disappearing.take(u, contact, content)
        case ConnectionRequest():
            raise MalformedContent  # a request begins a session, it never comes later
    outbox.release_receipts(u.c, contact)
    u.signals.add(Signal.OUTBOX)


def _record_unreadable(u: Unit, contact: ContactId | None, frame: IncomingFrame, reason: str) -> None:
    """Show it in its conversation, once for any number of them in a row; strangers have no conversation."""
    if contact is not None and not messages.ends_unreadable(u.c, contact):
        messages.add(
            u.c,
            NewMessage(
                contact=contact,
                direction=Direction.INCOMING,
                message_id=frame.frame_id,
                kind=MessageKind.UNREADABLE,
                text="",
                sent_at_ms=u.now_ms,
                created_at_ms=u.now_ms,
                state=MessageState.RECEIVED,
            ),
        )
    who = None if contact is None else contacts.get(u.c, contact)
    u.events.append(FrameUnreadable(who, reason))
