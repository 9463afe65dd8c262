"""End session: the keys of all sessions with a contact are deleted, and the contact's devices are told to do the same.

What was said stays in both histories. What is under way to whoever ended cannot be read any more. The next message, from
either side, starts a new session by itself.
"""

from handshaker_core.client import live, notices, outbox
from handshaker_core.client.content import EndSession, Receipts
from handshaker_core.client.errors import NoSession, NotConnected
from handshaker_core.client.posting import new_content, post, post_to_contact
from handshaker_core.client.receipts import MOST_IN_A_FRAME
from handshaker_core.client.unit import Signal, Unit
from handshaker_core.model import ContactId, MessageNumber, Notice
from handshaker_core.protocol.device import DeviceId
from handshaker_core.protocol.session import SessionState
from handshaker_core.store import contacts, devices, mailboxes, receipts, sessions
from handshaker_core.store import outbox as stored
from handshaker_core.store.outbox import Kind

_OF_THE_SESSION = (Kind.TEXT, Kind.RECEIPTS, Kind.CONTROL, Kind.LIVE)


def end(u: Unit, contact: ContactId) -> MessageNumber:
    """End all sessions of this device with a contact. Returns: the notice that says so.

    Raises:
        NotConnected: there is no conversation.
        NoSession: there is none, or it was ended already.
    """
    if not contacts.is_connected(u.c, contact):
        raise NotConnected
    if not sessions.current(u.c, contact):
        raise NoSession
    live.session_ended(u, contact)
    _send_last_receipts(u, contact)
    for session in sessions.current(u.c, contact):
        to = mailboxes.peer(u.c, contact, session.peer.device_id)
        if to is not None:
            post(u, contact, session, to, new_content(u, EndSession()), kind=Kind.CONTROL)
    sessions.delete_of_contact(u.c, contact)
    receipts.forget(u.c, contact)
    u.signals.add(Signal.SESSIONS)
    return notices.add(u, contact, Notice.SESSION_ENDED)


def _send_last_receipts(u: Unit, contact: ContactId) -> None:
    """Say what has arrived: nothing that this side says later can be read by the keys that the contact has now."""
    while any(owed := receipts.take(u.c, contact, MOST_IN_A_FRAME)):
        delivered, read = owed
        post_to_contact(u, contact, new_content(u, Receipts(tuple(delivered), tuple(read))), Kind.CONTROL)


def take(u: Unit, contact: ContactId, session: SessionState) -> None:
    """The contact's device has ended a session: this side's keys of it go as well."""
    device = session.peer.device_id
    sessions.delete(u.c, contact, session)
    if sessions.current(u.c, contact, device):
        return  # the other one of two that were begun at the same moment, or a new one
    if u.live.device(contact) == device:
        live.session_ended(u, contact)
    _fail_waiting(u, contact, session)
    if not sessions.current(u.c, contact):
        receipts.forget(u.c, contact)
    notices.add(u, contact, Notice.SESSION_ENDED_BY_CONTACT)
    u.signals.add(Signal.SESSIONS)


def _fail_waiting(u: Unit, contact: ContactId, session: SessionState) -> None:
    """Frames that have not left yet were encrypted for keys that are gone."""
    to = mailboxes.peer(u.c, contact, session.peer.device_id)
    for waiting in stored.of_contact(u.c, contact):
        if to is not None and waiting.to.send_id == to.send_id and waiting.kind in _OF_THE_SESSION:
            outbox.fail(u, waiting, outbox.FAILED_SESSION_ENDED)


def without_session(u: Unit, contact: ContactId) -> list[DeviceId]:
    """A contact's devices that could be written to, but for a session: the next message needs a new one."""
    if not contacts.is_connected(u.c, contact):
        return []
    known = [device.certificate.device_id for device in devices.of_contact(u.c, contact)]
    return [
        device_id
        for device_id in known
        if mailboxes.peer(u.c, contact, device_id) is not None and not sessions.current(u.c, contact, device_id)
    ]
