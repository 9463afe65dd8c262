"""What becomes of device lists and of devices that introduce themselves, case by case, honest and not."""

import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from core_world import START, Party
from handshaker_core.client import conversations, introducing
from handshaker_core.client.content import Body, Content
from handshaker_core.client.device_content import DeviceUpdate, ReadMarks, Sync
from handshaker_core.client.errors import AttentionNeeded
from handshaker_core.client.events import FrameUnreadable, NoticeAdded
from handshaker_core.client.own_devices import next_list
from handshaker_core.client.posting import post_to_contact
from handshaker_core.client.prekeys import read_bundle
from handshaker_core.client.unit import Unit
from handshaker_core.credentials import FrameId, Mailbox
from handshaker_core.model import Attention, ContactId, Direction, Notice
from handshaker_core.net.relay import IncomingFrame, Outcome, OutgoingFrame
from handshaker_core.protocol import session as protocol
from handshaker_core.protocol.address import BundleId
from handshaker_core.protocol.bundle import verify_bundle
from handshaker_core.protocol.device import DeviceCertificate, DeviceId, DeviceList
from handshaker_core.protocol.keys import DeviceIdentityKeyPair, IdentityKeyPair
from handshaker_core.protocol.randomness import system_randomness
from handshaker_core.protocol.session import LocalDevice
from handshaker_core.store import contacts, devices, introductions, mailboxes, sessions
from handshaker_core.store.mailboxes import PeerMailbox
from handshaker_core.store.outbox import Kind

Pair = tuple[Party, Party]


@pytest.fixture(scope="module")
def connected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two stores of people who are connected, to be copied."""
    folder = tmp_path_factory.mktemp("connected")
    a, b = (Party(folder / name / "db") for name in ("a", "b"))
    a.ask(b)
    exchange(a, b)
    b.accept()
    exchange(a, b)
    for party in (a, b):
        party.close()
    return folder


@pytest.fixture
def pair(connected: Path, tmp_path: Path) -> Iterator[Pair]:
    shutil.copytree(connected, tmp_path, dirs_exist_ok=True)
    both = Party(tmp_path / "a" / "db"), Party(tmp_path / "b" / "db")
    yield both
    for party in both:
        party.close()


def deliver(to: Party, frames: list[OutgoingFrame], sender: Party) -> None:
    for frame in frames:
        to.take(IncomingFrame(1, to.mailboxes()[frame.send_id], frame.frame_id, frame.frame))
        sender.result(frame.frame_id, Outcome.STORED)


def exchange(a: Party, b: Party) -> None:
    for _ in range(3):
        deliver(b, a.due(), a)
        deliver(a, b.due(), b)


def contact_of(party: Party) -> ContactId:
    found = party.contact()
    assert found is not None
    return found


def _only(u: Unit) -> ContactId:
    (contact,) = contacts.everybody(u.c)
    return contact.id


class Laptop:
    """A further device of somebody, made by hand."""

    def __init__(self, owner: Party, identity: IdentityKeyPair | None = None) -> None:
        self.key = DeviceIdentityKeyPair.generate(system_randomness)
        self.certificate = DeviceCertificate.issue(
            identity or owner.keys.identity,
            device_id=DeviceId(secrets.token_bytes(16)),
            device_key=self.key.public,
            bundle_id=owner.keys.bundle_id,
            issued_at=int(START),
        )
        self.mailbox = Mailbox.generate()
        self.local = LocalDevice(self.key, self.certificate, owner.keys.local.seal_keys)

    def introduces_itself(self, to: Party, listed: DeviceList) -> None:
        """Send a first message to the contact's mailbox for the owner."""
        verified = verify_bundle(read_bundle(to.fetched_bundle()), to.keys.identity_key, to.keys.bundle_id)
        self.session, _ = protocol.initiate(self.local, verified, now=START)
        self.sends(to, DeviceUpdate(listed, PeerMailbox.of(self.mailbox)))

    def hears(self, other: Party) -> None:
        """Take the answers that wait for this device."""
        for outgoing in other.due():
            if outgoing.send_id == self.mailbox.send_id:
                envelope = protocol.open_frame(self.local, outgoing.frame)
                self.session, _ = protocol.decrypt(self.session, envelope, now=START)
                other.result(outgoing.frame_id, Outcome.STORED)

    def sends(self, to: Party, body: Body) -> None:
        content = Content(secrets.token_bytes(16), int(START * 1000), body)
        self.session, frame = protocol.encrypt(self.session, content.encode(), now=START)
        own = to.do(lambda u: mailboxes.for_contact(u.c, _only(u)))
        assert own is not None
        to.take(IncomingFrame(1, own.mailbox.recv_id, FrameId(secrets.token_bytes(16)), frame))


def listing(owner: Party, *certificates: DeviceCertificate, later: int = 0) -> DeviceList:
    """A newer list of the owner's devices."""
    before = owner.do(lambda u: devices.own_list(u.c))
    return next_list(owner.keys.identity, before, [owner.keys.certificate, *certificates], START + later)


def tell(owner: Party, other: Party, body: Body) -> None:
    """Have a body sent over the session that there is."""

    contact, content = contact_of(owner), Content(secrets.token_bytes(16), int(START * 1000), body)
    owner.do(lambda u: post_to_contact(u, contact, content, Kind.CONTROL))
    deliver(other, owner.due(), owner)


def notices_of(party: Party) -> list[Notice | None]:
    return [event.message.notice for event in party.events if isinstance(event, NoticeAdded)]


def refusals(party: Party) -> list[str]:
    return [event.reason for event in party.events if isinstance(event, FrameUnreadable)]


def test_a_new_device_is_noticed_and_pauses_sending_across_a_restart(pair: Pair) -> None:
    a, b = pair
    laptop = Laptop(a)
    tell(a, b, DeviceUpdate(listing(a, laptop.certificate), None))
    assert notices_of(b) == [Notice.DEVICE_ADDED]
    b.restart()
    with pytest.raises(AttentionNeeded) as raised:
        b.send("paused")
    assert raised.value.attention is Attention.DEVICE_ADDED
    assert "paused" not in b.texts(Direction.OUTGOING)
    a.send("receiving goes on")
    deliver(b, a.due(), a)
    assert "receiving goes on" in b.texts(Direction.INCOMING)
    assert b.do(lambda u: conversations.acknowledge(u, _only(u))).attention is None
    b.send("again")
    assert "again" in b.texts(Direction.OUTGOING)


def test_verification_stays_and_verifying_ends_the_pause(pair: Pair) -> None:
    a, b = pair
    b.do(lambda u: conversations.verify(u, _only(u), None))
    tell(a, b, DeviceUpdate(listing(a, Laptop(a).certificate), None))
    paused = b.do(lambda u: contacts.get(u.c, _only(u)))
    assert paused is not None
    assert (paused.verified, paused.attention) == (True, Attention.DEVICE_ADDED)
    number = a.do(lambda u: conversations.safety_number_with(u, _only(u)))
    assert b.do(lambda u: conversations.verify(u, _only(u), number)).attention is None


def test_a_list_never_goes_backwards(pair: Pair) -> None:
    a, b = pair
    laptop = Laptop(a)
    newer, newest = listing(a, laptop.certificate), listing(a, later=10)
    for told in (newer, newest, newer, newest):
        tell(a, b, DeviceUpdate(told, None))
    assert notices_of(b) == [Notice.DEVICE_ADDED, Notice.DEVICE_REMOVED]
    assert b.do(lambda u: devices.list_of(u.c, _only(u))) == newest


def test_a_device_introduces_itself_and_is_written_to(pair: Pair) -> None:
    a, b = pair
    laptop = Laptop(a)
    laptop.introduces_itself(b, listing(a, laptop.certificate))
    assert notices_of(b) == [Notice.DEVICE_ADDED]
    b.do(lambda u: conversations.acknowledge(u, _only(u)))
    for frame in b.due():
        b.result(frame.frame_id, Outcome.STORED)
    b.send("to both")
    outgoing = b.due()
    assert {frame.send_id for frame in outgoing} == {laptop.mailbox.send_id, next(iter(_addresses(a)))}
    assert len({frame.frame for frame in outgoing}) == 2, "each device has a session of its own"


def _addresses(owner: Party) -> set[bytes]:
    own = owner.do(lambda u: mailboxes.for_contact(u.c, _only(u)))
    assert own is not None
    return {own.mailbox.send_id}


def test_who_is_not_on_the_list_does_not_come_in(pair: Pair) -> None:
    a, b = pair
    stranger = IdentityKeyPair.generate(system_randomness)
    unlisted, foreign, forged = Laptop(a), Laptop(a, stranger), Laptop(a)
    unlisted.introduces_itself(b, listing(a))
    foreign.introduces_itself(b, listing(a, unlisted.certificate))
    other_list = DeviceList.issue(
        stranger, sequence=2**31, issued_at=int(START), certificates=(Laptop(a, stranger).certificate,)
    )
    forged.introduces_itself(b, other_list)
    old = DeviceList.issue(
        a.keys.identity, sequence=1, issued_at=1, certificates=(a.keys.certificate, unlisted.certificate)
    )
    unlisted.introduces_itself(b, old)
    assert refusals(b) == ["unlisted_device", "wrong_identity", "wrong_identity", "unlisted_device"]
    assert notices_of(b) == []
    b.send("to one")
    assert len(b.due()) == 1
    forged.introduces_itself(b, listing(a, forged.certificate))
    assert notices_of(b) == [Notice.DEVICE_ADDED], "the same device, on the list"


def test_a_removed_device_is_forgotten_refused_and_cut_off(pair: Pair) -> None:
    a, b = pair
    laptop = Laptop(a)
    laptop.introduces_itself(b, listing(a, laptop.certificate))
    laptop.hears(b)
    assert not laptop.session.awaiting_answer
    tell(a, b, DeviceUpdate(listing(a, later=5), None))
    assert notices_of(b) == [Notice.DEVICE_ADDED, Notice.DEVICE_REMOVED]
    laptop.sends(b, DeviceUpdate(listing(a, laptop.certificate), None))
    assert refusals(b) == ["unlisted_device"]
    contact = contact_of(b)
    assert b.do(lambda u: sessions.of_device(u.c, contact, laptop.certificate.device_id)) == []
    assert b.do(lambda u: mailboxes.peer(u.c, contact, laptop.certificate.device_id)) is None
    assert b.do(lambda u: introductions.listed(u.c)) == [(contact, True)], "the mailbox that it knew is replaced"
    fresh = Mailbox.generate()
    b.do(lambda u: introducing._tell(u, contact, fresh, []))
    b.do(lambda u: conversations.acknowledge(u, contact))
    for frame in b.due():
        assert frame.send_id != laptop.mailbox.send_id
    deliver(a, [frame for frame in b.due() if frame.send_id in a.mailboxes()], b)
    a.send("to the new mailbox")
    assert {frame.send_id for frame in a.due()} == {fresh.send_id}
    deliver(b, a.due(), a)
    assert "to the new mailbox" in b.texts(Direction.INCOMING)


def test_what_own_devices_tell_each_other_counts_from_nobody_else(pair: Pair) -> None:
    a, b = pair
    a.send("unread")
    deliver(b, a.due(), a)
    message = b.do(lambda u: contacts.get(u.c, _only(u)))
    tell(a, b, Sync(ReadMarks(b.keys.identity_key, (bytes(16),))))
    assert refusals(b) == ["malformed_device_content"]
    assert message is not None
    assert message.unread


def test_the_list_of_another_identity_changes_nothing(pair: Pair) -> None:
    a, b = pair
    stranger = IdentityKeyPair.generate(system_randomness)
    theirs = DeviceList.issue(stranger, sequence=2**31, issued_at=1, certificates=(Laptop(a, stranger).certificate,))
    tell(a, b, DeviceUpdate(theirs, None))
    assert refusals(b) == ["wrong_identity"]
    assert notices_of(b) == []
    b.send("nothing is paused")


def test_sequences_rise_with_time_and_always() -> None:
    identity = IdentityKeyPair.generate(system_randomness)
    certificate = DeviceCertificate.issue(
        identity,
        device_id=DeviceId(bytes(16)),
        device_key=DeviceIdentityKeyPair.generate(system_randomness).public,
        bundle_id=BundleId(bytes(16)),
        issued_at=1,
    )
    first = next_list(identity, None, [certificate], START)
    assert first.sequence == int(START)
    assert next_list(identity, first, [certificate], START - 1_000).sequence == int(START) + 1
    assert next_list(identity, first, [certificate], START + 1_000).sequence == int(START) + 1_000
