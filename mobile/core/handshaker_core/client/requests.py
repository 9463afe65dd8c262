"""Requests to connect: pending, then accepted, rejected or cancelled. A request is answered once, and both sides agree.

Two people who ask each other at the same moment have both said yes: each side takes the other's request as the answer,
confirms it, and from there on uses the session that the other one writes with (`store.sessions`).
"""

from handshaker_core.client import device_lists, syncing
from handshaker_core.client.content import ConnectionAccepted, ConnectionRejected, ConnectionRequest, Content
from handshaker_core.client.errors import NoSuchRequest, RequestClosed
from handshaker_core.client.events import MessageReceived, RequestAnswered, RequestReceived
from handshaker_core.client.receipts import owe_delivered
from handshaker_core.client.sending import keep_outgoing, new_content, post, post_to_contact, send_acceptance
from handshaker_core.client.unit import Signal, Unit
from handshaker_core.credentials import Mailbox
from handshaker_core.model import (
    ContactId,
    ContactState,
    Direction,
    MessageKind,
    MessageState,
    Request,
    RequestId,
    RequestState,
)
from handshaker_core.protocol.session import SessionState
from handshaker_core.store import contacts, devices, mailboxes, messages, outbox, receipts, requests, sessions
from handshaker_core.store.devices import ContactDevice
from handshaker_core.store.mailboxes import OwnMailbox, PeerMailbox, Purpose, State
from handshaker_core.store.messages import NewMessage
from handshaker_core.store.outbox import Kind
from handshaker_core.store.requests import NewRequest


def standing(u: Unit, contact: ContactId) -> ContactState:
    """Where the two stand."""
    found = contacts.get(u.c, contact)
    return ContactState.CLOSED if found is None else found.state


def reply_address(mailbox: Mailbox) -> PeerMailbox:
    """What the other side is told about an own mailbox."""
    return PeerMailbox(mailbox.send_id, mailbox.send_secret)


def ask(u: Unit, session: SessionState, address: PeerMailbox, reply_to: Mailbox, greeting: str) -> RequestId:
    """Queue a request to the person whose bundle the session was made from.

    Args:
        u: the unit.
        session: fresh, of the initiator.
        address: the other side's contact address.
        reply_to: an own mailbox that exists on the server.
        greeting: checked; may be empty.
    """
    contact = contacts.ensure(u.c, session.peer_identity, u.now)
    _use_mailbox(u, contact, reply_to)
    _keep_session(u, contact, session)
    content = new_content(
        u, ConnectionRequest(u.own_profile(), reply_address(reply_to), greeting, devices.own_list(u.c))
    )
    frame_id = post(u, contact, session, address, content, kind=Kind.REQUEST)
    if greeting:
        keep_outgoing(u, contact, content, greeting, frame_id)
    new = NewRequest(contact, Direction.OUTGOING, content.message_id, session.handshake_id, greeting)
    return requests.add(u.c, new, RequestState.PENDING, u.now)


def _keep_session(u: Unit, contact: ContactId, session: SessionState) -> None:
    sessions.add(u.c, contact, session, u.now)
    devices.remember(u.c, contact, ContactDevice(session.peer, session.peer_seal_key), u.now)


def _use_mailbox(u: Unit, contact: ContactId, mailbox: Mailbox) -> None:
    mailboxes.close_for_contact(u.c, contact)
    mailboxes.add(u.c, OwnMailbox(mailbox, Purpose.CONTACT, State.ACTIVE, contact), u.now)
    u.mailboxes_changed()


def take_request(u: Unit, session: SessionState, content: Content, body: ConnectionRequest) -> None:
    """Somebody asks. The session is decrypted, but not in the store yet."""
    contact = contacts.ensure(u.c, session.peer_identity, u.now)
    before = standing(u, contact)
    if before is ContactState.ASKING:
        sessions.delete_of_contact(u.c, contact)
    _keep_session(u, contact, session)
    contacts.set_profile(u.c, contact, body.profile)
    device_lists.learn(u, contact, body.devices)
    mailboxes.set_peer(u.c, contact, session.peer.device_id, body.reply_to)
    new = NewRequest(contact, Direction.INCOMING, content.message_id, session.handshake_id, body.greeting)
    own = mailboxes.for_contact(u.c, contact)
    if before in (ContactState.CONNECTED, ContactState.REQUESTED) and own is not None:
        if before is ContactState.CONNECTED:
            sessions.supersede(u.c, contact, session, u.now)
        requests.add(u.c, new, RequestState.ACCEPTED, u.now)
        _become_connected(u, contact)
        send_acceptance(u, contact, session, body.reply_to, reply_address(own.mailbox))
        _show_greeting(u, contact, content.message_id, body.greeting, content.sent_at_ms)
        return
    open_request = requests.pending(u.c, contact, Direction.INCOMING)
    if open_request is None:
        open_request = requests.add(u.c, new, RequestState.PENDING, u.now)
    else:
        requests.renew(u.c, open_request, new)
    u.events.append(RequestReceived(_get(u, open_request)))


def take_acceptance(u: Unit, contact: ContactId, session: SessionState, body: ConnectionAccepted) -> None:
    """The answer to an own request is yes. Without one that is open it only tells the address anew."""
    if standing(u, contact) not in (ContactState.REQUESTED, ContactState.CONNECTED):
        return
    contacts.set_profile(u.c, contact, body.profile)
    device_lists.learn(u, contact, body.devices)
    mailboxes.set_peer(u.c, contact, session.peer.device_id, body.reply_to)
    _become_connected(u, contact)


def take_rejection(u: Unit, contact: ContactId) -> None:
    """The answer to an own request is no."""
    request = requests.pending(u.c, contact, Direction.OUTGOING)
    if request is not None:
        _close(u, contact, request, RequestState.REJECTED)


def _become_connected(u: Unit, contact: ContactId) -> None:
    request = requests.pending(u.c, contact, Direction.OUTGOING)
    contacts.set_connected(u.c, contact, True)
    u.signals.add(Signal.RECEIPTS)
    if request is not None:
        requests.set_state(u.c, request, RequestState.ACCEPTED, u.now)
        u.events.append(RequestAnswered(_get(u, request)))
    syncing.share_person(u, contact)


def accept(u: Unit, request_id: RequestId, reply_to: Mailbox) -> ContactId:
    """Say yes to somebody who asks.

    Args:
        u: the unit.
        request_id: the request.
        reply_to: an own mailbox that exists on the server.

    Raises:
        NoSuchRequest, RequestClosed.
    """
    request = get_open(u, request_id, Direction.INCOMING)
    contact = request.contact_id
    facts = requests.facts(u.c, request_id)
    _use_mailbox(u, contact, reply_to)
    requests.set_state(u.c, request_id, RequestState.ACCEPTED, u.now)
    contacts.set_connected(u.c, contact, True)
    content = new_content(u, ConnectionAccepted(u.own_profile(), reply_address(reply_to), devices.own_list(u.c)))
    post_to_contact(u, contact, content, Kind.ACCEPTED)
    syncing.share_person(u, contact)
    _show_greeting(u, contact, facts.message_id, request.greeting, request.created_at_ms)
    return contact


def reject(u: Unit, request_id: RequestId, *, tell: bool) -> Request:
    """Say no, or say nothing, which nobody can tell from being away.

    Raises:
        NoSuchRequest, RequestClosed.
    """
    request = get_open(u, request_id, Direction.INCOMING)
    if tell:
        post_to_contact(u, request.contact_id, new_content(u, ConnectionRejected()), Kind.REJECTED)
    requests.set_state(u.c, request_id, RequestState.REJECTED, u.now)
    sessions.delete_of_contact(u.c, request.contact_id)
    mailboxes.forget_peer(u.c, request.contact_id)
    return _get(u, request_id)


def cancel(u: Unit, request_id: RequestId) -> Request:
    """Withdraw an own request. If it has arrived already, its answer will find no mailbox.

    Raises:
        NoSuchRequest, RequestClosed.
    """
    request = get_open(u, request_id, Direction.OUTGOING)
    _close(u, request.contact_id, request_id, RequestState.CANCELLED)
    return _get(u, request_id)


def _close(u: Unit, contact: ContactId, request: RequestId, state: RequestState) -> None:
    requests.set_state(u.c, request, state, u.now)
    outbox.remove_of_contact(u.c, contact, Kind.REQUEST)
    number = messages.by_message_id(u.c, contact, Direction.OUTGOING, requests.facts(u.c, request).message_id)
    if number is not None:
        messages.advance(u.c, number, MessageState.FAILED, state.value)
    sessions.delete_of_contact(u.c, contact)
    receipts.forget(u.c, contact)
    mailboxes.close_for_contact(u.c, contact)
    u.mailboxes_changed()
    u.events.append(RequestAnswered(_get(u, request)))


def get_open(u: Unit, request_id: RequestId, direction: Direction) -> Request:
    """The request, if it can still be answered from this side.

    Raises:
        NoSuchRequest, RequestClosed.
    """
    request = requests.get(u.c, request_id)
    if request is None or request.direction is not direction:
        raise NoSuchRequest
    if request.state is not RequestState.PENDING:
        raise RequestClosed
    return request


def _get(u: Unit, request_id: RequestId) -> Request:
    request = requests.get(u.c, request_id)
    if request is None:
        raise AssertionError("a request vanished inside its unit")
    return request


def _show_greeting(u: Unit, contact: ContactId, message_id: bytes, greeting: str, sent_at_ms: int) -> None:
    """The greeting of somebody who is connected now is the first message of the conversation."""
    if not greeting:
        return
    keep_incoming(u, contact, message_id, greeting, sent_at_ms)


def keep_incoming(
    u: Unit,
    contact: ContactId,
    message_id: bytes,
    text: str,
    sent_at_ms: int,
    *,
    expires_after_seconds: int | None = None,
) -> None:
    """Put a contact's message into the conversation, and owe the receipt; one that is there already changes nothing."""
    number = messages.add(
        u.c,
        NewMessage(
            contact=contact,
            direction=Direction.INCOMING,
            message_id=message_id,
            kind=MessageKind.TEXT,
            text=text,
            sent_at_ms=sent_at_ms,
            created_at_ms=u.now_ms,
            state=MessageState.RECEIVED,
            expires_after_seconds=expires_after_seconds,
        ),
    )
    if number is None:
        return
    owe_delivered(u, contact, message_id)
    message, who = messages.get(u.c, number), contacts.get(u.c, contact)
    if message is not None and who is not None:
        u.events.append(MessageReceived(message, who))
