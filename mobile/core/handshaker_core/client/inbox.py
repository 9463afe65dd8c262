"""What becomes of a frame that arrives: ratchet step, message and the memory of the frame are one transaction.

Only what is committed is acknowledged. A frame that cannot be read is remembered and shown as such; it never comes
back and never stands in the way of the next.
"""

from collections.abc import Iterable

from handshaker_core.client import device_lists, disappearing, ending, introductions, live
from handshaker_core.client.content import (
    ConnectionAccepted,
    ConnectionRejected,
    ConnectionRequest,
    Content,
    EndSession,
    LiveAccept,
    LiveEnd,
    LiveOffer,
    MalformedContent,
    Receipts,
    Text,
    TimerChanged,
)
from handshaker_core.client.device_content import DeviceUpdate, Sync
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
from handshaker_core.errors import (
    DuplicateMessage,
    MalformedFrame,
    ProtocolError,
    UndecryptableMessage,
    UnlistedDevice,
    WrongIdentity,
)
from handshaker_core.model import ContactId, ContactState, Direction, MessageKind, MessageState
from handshaker_core.net.relay import IncomingFrame
from handshaker_core.protocol import session as protocol
from handshaker_core.protocol.sealed_sender import Envelope, EnvelopeKind
from handshaker_core.protocol.session import MessageExporter, SessionState
from handshaker_core.store import contacts, mailboxes, messages, outbox, prekeys, seen, sessions
from handshaker_core.store.connection import StorageFailure
from handshaker_core.store.messages import NewMessage
from handshaker_core.store.prekeys import StoredPreKeys

INTERNAL_ERROR = "internal_error"


def take_all(u: Unit, frames: Iterable[IncomingFrame]) -> None:
    """Take frames, each for itself: whatever one of them does, the others are not touched by it."""
    for frame in frames:
        told, live_before = len(u.events), u.live.kept()
        u.c.execute("SAVEPOINT frame")
        try:
            take(u, frame)
        except StorageFailure:
            raise
        except Exception:  # noqa: BLE001 - a mistake of ours must not make the server deliver this frame for ever
            u.c.execute("ROLLBACK TO frame")
            del u.events[told:]
            u.live.restore(live_before)
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
            _take_initial(u, own.contact, envelope)
        else:
            _take_ratchet(u, own.contact, envelope)
    except DuplicateMessage:
        pass  # the same message in another frame: a resend whose frame id was lost, or a replay
    except ProtocolError as error:
        if isinstance(error, UnlistedDevice) and mailboxes.is_retired(u.c, frame.recv_id):
            return  # a device that was removed, at a mailbox that nobody else writes to any more
        _record_unreadable(u, own.contact, frame, error.reason)


def _check_sender(u: Unit, contact: ContactId | None, envelope: Envelope) -> None:
    """Check the sender against the contact whose mailbox it is, and against that person's devices.

    A device that is not known yet may introduce itself by a first message, which brings the list that names it: that is
    checked once the message is open (`_take_initial`).

    Raises:
        WrongIdentity, UnlistedDevice.
    """
    sender = envelope.sender
    if contact is not None and sender.identity != contacts.identity(u.c, contact):
        raise WrongIdentity
    known = contacts.by_identity(u.c, sender.identity)
    if envelope.kind is EnvelopeKind.RATCHET and known is not None:
        device_lists.check_session(u, known, sender)


def _take_initial(u: Unit, contact: ContactId | None, envelope: Envelope) -> None:
    known = sessions.get(u.c, protocol.handshake_id(envelope) or b"")
    if known is not None:
        contact, session = known
        device_lists.check_session(u, contact, envelope.sender)
        stepped, plaintext, exporter = protocol.decrypt_exporting(session, envelope, now=u.now)
        sessions.save(u.c, stepped)
        _take_content(u, contact, stepped, plaintext, exporter)
        return
    accepted = protocol.accept(u.keys.local, StoredPreKeys(u.c), envelope, now=u.now)
    prekeys.consume(u.c, accepted.consumed)
    u.signals.add(Signal.PREKEYS)
    content = Content.decode(accepted.plaintext)
    known_contact = contacts.by_identity(u.c, envelope.sender.identity)
    match content.body:
        case ConnectionRequest() as body:
            if envelope.sender.identity == u.keys.identity_key:
                raise MalformedContent
            if known_contact is not None:
                device_lists.check_newest(u, known_contact, envelope.sender, body.devices)
                device_lists.learn(u, known_contact, body.devices)
            take_request(u, accepted.session, content, body)
        case DeviceUpdate() as update if contact is not None:
            introductions.take_introduction(u, contact, accepted.session, update)
        case _:
            raise MalformedContent


def _take_ratchet(u: Unit, contact: ContactId | None, envelope: Envelope) -> None:
    if contact is None:
        raise MalformedFrame  # strangers have no session
    session, plaintext, exporter = _decrypt(u, contact, envelope)
    sessions.save(u.c, session)
    _take_content(u, contact, session, plaintext, exporter)


def _decrypt(u: Unit, contact: ContactId, envelope: Envelope) -> tuple[SessionState, bytes, MessageExporter]:
    """Decrypt with whichever of the sessions with the sending device the frame belongs to; a wrong one changes nothing.

    Raises:
        DuplicateMessage: one of them has used the message's key already.
        ProtocolError: none of them can decrypt it.
    """
    failure: ProtocolError = UndecryptableMessage()
    for session in sessions.of_device(u.c, contact, envelope.sender.device_id):
        try:
            return protocol.decrypt_exporting(session, envelope, now=u.now)
        except DuplicateMessage:
            raise
        except ProtocolError as error:
            failure = error
    raise failure


def _take_content(
    u: Unit, contact: ContactId, session: SessionState, plaintext: bytes, exporter: MessageExporter
) -> None:
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
        case ConnectionAccepted() | ConnectionRejected() | ConnectionRequest() as answer:
            _take_answer(u, contact, session, answer)
        case TimerChanged():
            if standing(u, contact) is ContactState.CONNECTED:
                sessions.promote(u.c, contact, session)
                disappearing.take(u, contact, content)
        case DeviceUpdate() | Sync() as told:
            introductions.take_news(u, contact, session, told, content.expires_after_seconds)
        case EndSession():
            ending.take(u, contact, session)
        case LiveOffer() | LiveAccept() | LiveEnd() as said:
            live.take(u, contact, session, said, exporter)
    outbox.release_receipts(u.c, contact)
    u.signals.add(Signal.OUTBOX)


def _take_answer(
    u: Unit,
    contact: ContactId,
    session: SessionState,
    answer: ConnectionAccepted | ConnectionRejected | ConnectionRequest,
) -> None:
    match answer:
        case ConnectionAccepted():
            take_acceptance(u, contact, session, answer)
        case ConnectionRejected():
            take_rejection(u, contact)
        case ConnectionRequest():
            raise MalformedContent  # a request begins a session, it never comes later


def _record_unreadable(u: Unit, contact: ContactId | None, frame: IncomingFrame, reason: str) -> None:
    """Show it in its conversation, once for any number of them in a row; strangers have no conversation."""
    if contact == contacts.own_self(u.c):
        contact = None  # own devices have no conversation either
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
