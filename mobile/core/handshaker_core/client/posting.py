"""Posting: encrypt once, and keep the ciphertext in the transaction that moves the ratchet on.

A crash before the commit sends nothing and uses no key; a crash after it sends the very same bytes again.
"""

from handshaker_core.client.content import MESSAGE_ID_SIZE, Body, Content
from handshaker_core.client.errors import NotConnected
from handshaker_core.client.unit import Signal, Unit
from handshaker_core.credentials import ID_SIZE, FrameId
from handshaker_core.model import ContactId
from handshaker_core.protocol import session as protocol
from handshaker_core.protocol.device import DeviceId
from handshaker_core.protocol.session import MessageExporter, SessionState
from handshaker_core.store import devices, mailboxes, outbox, sessions
from handshaker_core.store.mailboxes import PeerMailbox
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
    return post_exporting(u, contact, session, to, content, kind=kind)[0]


def post_exporting(
    u: Unit, contact: ContactId, session: SessionState, to: PeerMailbox, content: Content, *, kind: Kind
) -> tuple[FrameId, MessageExporter]:
    """`post` that also returns what secrets can be exported with, the same as on the device that decrypts it."""
    stepped, frame, exporter = protocol.encrypt_exporting(session, content.encode(), now=u.now, rng=u.rng)
    sessions.save(u.c, stepped)
    frame_id = FrameId(u.rng(ID_SIZE))
    outbox.add(u.c, Waiting(frame_id, contact, kind, to, frame, u.now))
    u.signals.add(Signal.OUTBOX)
    return frame_id, exporter


def post_to_device(u: Unit, contact: ContactId, device_id: DeviceId, content: Content, kind: Kind) -> FrameId | None:
    """The same through the current session with one device of a contact; None where there is none, or no mailbox."""
    available, to = sessions.of_device(u.c, contact, device_id), mailboxes.peer(u.c, contact, device_id)
    if not available or to is None:
        return None
    return post(u, contact, available[0], to, content, kind=kind)


def post_to_contact(u: Unit, contact: ContactId, content: Content, kind: Kind) -> list[FrameId]:
    """The same to every device of a contact that can be written to, each with the session that is current.

    Raises:
        NotConnected: there is none.
    """
    known = [device.certificate.device_id for device in devices.of_contact(u.c, contact)]
    posted = [post_to_device(u, contact, device_id, content, kind) for device_id in known]
    frame_ids = [frame_id for frame_id in posted if frame_id is not None]
    if not frame_ids:
        raise NotConnected
    return frame_ids
