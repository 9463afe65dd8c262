"""What own devices tell each other, over ordinary sessions: the owner is to each of them like a contact that is not shown."""

from collections.abc import Iterable

from handshaker_core.client.content import MESSAGE_ID_SIZE, Content
from handshaker_core.client.device_content import Person, ReadMarks, SentCopy, Sync, SyncItem
from handshaker_core.client.posting import post_to_device
from handshaker_core.client.unit import Signal, Unit
from handshaker_core.model import ContactId, Direction, MessageKind, MessageState
from handshaker_core.protocol.device import DeviceId
from handshaker_core.protocol.keys import IdentityPublicKey
from handshaker_core.store import contacts, devices, introductions, mailboxes, messages
from handshaker_core.store.messages import NewMessage
from handshaker_core.store.outbox import Kind


def share(u: Unit, item: SyncItem, only: DeviceId | None = None, *, expires_after_seconds: int | None = None) -> None:
    """Tell the other own devices, or one of them; without any this does nothing."""
    own = contacts.own_self(u.c)
    if own is None:
        return
    for device in devices.of_contact(u.c, own):
        device_id = device.certificate.device_id
        if only in (None, device_id):
            content = Content(u.rng(MESSAGE_ID_SIZE), u.now_ms, Sync(item), expires_after_seconds)
            post_to_device(u, own, device_id, content, Kind.CONTROL)


def share_text(u: Unit, contact: ContactId, content: Content, text: str) -> None:
    """A message that this device has sent."""
    copy = SentCopy(contacts.identity(u.c, contact), content.message_id, content.sent_at_ms, text)
    share(u, copy, expires_after_seconds=content.expires_after_seconds)


def share_read(u: Unit, contact: ContactId, message_ids: Iterable[bytes]) -> None:
    """Messages that were read here."""
    ids = tuple(message_ids)
    if ids:
        share(u, ReadMarks(contacts.identity(u.c, contact), ids))


def share_person(u: Unit, contact: ContactId, only: DeviceId | None = None) -> None:
    """A contact as this device knows them."""
    who = contacts.get(u.c, contact)
    if who is None or contacts.own_self(u.c) in (None, contact):
        return
    person = Person(
        identity=contacts.identity(u.c, contact),
        profile=contacts.profile(u.c, contact),
        username=who.username,
        verified=who.verified,
        attention=who.attention,
        devices=devices.list_of(u.c, contact),
        mailboxes=tuple(mailboxes.peers(u.c, contact)),
    )
    share(u, person, only)


def share_everybody(u: Unit, only: DeviceId) -> None:
    """Everybody, for a device that has just come."""
    for contact in contacts.connected(u.c):
        share_person(u, contact, only)


def take(u: Unit, sync: Sync, expires_after_seconds: int | None) -> None:
    """Take what another own device tells."""
    match sync.item:
        case SentCopy() as sent:
            _take_sent(u, sent, expires_after_seconds)
        case ReadMarks(identity, message_ids):
            contact = _connected(u, identity)
            if contact is not None:
                messages.mark_ids_read(u.c, contact, message_ids)
        case Person() as person:
            _take_person(u, person)


def _connected(u: Unit, identity: IdentityPublicKey) -> ContactId | None:
    contact = contacts.by_identity(u.c, identity)
    return contact if contact is not None and contacts.is_connected(u.c, contact) else None


def _take_sent(u: Unit, sent: SentCopy, expires_after_seconds: int | None) -> None:
    contact = _connected(u, sent.identity)
    if contact is None:
        return
    messages.add(
        u.c,
        NewMessage(
            contact=contact,
            direction=Direction.OUTGOING,
            message_id=sent.message_id,
            kind=MessageKind.TEXT,
            text=sent.text,
            sent_at_ms=sent.sent_at_ms,
            created_at_ms=u.now_ms,
            state=MessageState.STORED,
            expires_after_seconds=expires_after_seconds,
        ),
    )


def _take_person(u: Unit, person: Person) -> None:
    if person.identity == u.keys.identity_key:
        return
    contact = contacts.ensure(u.c, person.identity, u.now)
    is_new = not contacts.is_connected(u.c, contact)
    contacts.set_connected(u.c, contact, True)
    contacts.set_profile(u.c, contact, person.profile)
    if person.username is not None:
        contacts.set_username(u.c, contact, person.username)
    contacts.set_verified(u.c, contact, u.now if person.verified else None)
    contacts.set_attention(u.c, contact, person.attention)
    known = devices.list_of(u.c, contact)
    if person.devices is not None and (known is None or person.devices.sequence > known.sequence):
        devices.set_list(u.c, contact, person.devices)
    for device_id, mailbox in person.mailboxes:
        if mailboxes.peer(u.c, contact, device_id) is None:
            mailboxes.set_peer(u.c, contact, device_id, mailbox)
    if is_new:
        introductions.add(u.c, contact)
        u.signals.add(Signal.DEVICES)
