"""A group over real sessions: three people with four devices, everything in frames, and somebody who is removed."""

from dataclasses import dataclass, field

import pytest
from handshaker_core.errors import BadSignature, UndecryptableMessage
from handshaker_core.protocol import session as sessions
from handshaker_core.protocol.device import DeviceList
from handshaker_core.protocol.groups import group_cipher, sender_key
from handshaker_core.protocol.groups.change import Add, Change, Create, Remove, UpdateDevices
from handshaker_core.protocol.groups.errors import GroupError, NotAMember, RevokedDevice, UnknownSenderKey
from handshaker_core.protocol.groups.ids import GroupDevice, GroupId
from handshaker_core.protocol.groups.log import GroupLog, verify_history
from handshaker_core.protocol.groups.log_entry import LogEntry
from handshaker_core.protocol.groups.rotation import OwnSenderKey, RotationReason
from handshaker_core.protocol.groups.sender_key import SenderKeyRecord
from handshaker_core.protocol.groups.view import GroupView
from handshaker_core.protocol.keys import IdentityPublicKey

from .group_people import numbered
from .parties import NOW, Device, Side, initiate

SENDER_KEY, LOG_ENTRY = b"k", b"e"


@dataclass
class Phone:
    """One device: its sessions with other devices, its copy of the log, its sender keys."""

    device: Device
    lists: dict[IdentityPublicKey, DeviceList]
    log: GroupLog
    sides: dict[GroupDevice, Side] = field(default_factory=dict)
    own: OwnSenderKey | None = None
    records: dict[GroupDevice, SenderKeyRecord] = field(default_factory=dict)

    @property
    def address(self) -> GroupDevice:
        return GroupDevice.of(self.device.certificate)

    @property
    def view(self) -> GroupView:
        return GroupView(self.address, self.log, self.lists)

    def tell(self, other: "Phone", content: bytes) -> bytes:
        """A frame for the other device, which starts a session if there is none."""
        if other.address not in self.sides:
            self.sides[other.address] = initiate(self.device, other.device)
        return self.sides[other.address].send(content)

    def hear(self, frame: bytes) -> None:
        """Take a frame in; the session tells whose it is."""
        envelope = self.device.open(frame)
        sender = GroupDevice.of(envelope.sender)
        if sender in self.sides:
            side = self.sides[sender]
            side.session, content = sessions.decrypt(side.session, envelope, now=NOW)
        else:
            accepted = self.device.accept(frame)
            self.sides[sender], content = Side(self.device, accepted.session), accepted.plaintext
        kind, body = content[:1], content[1:]
        if kind == LOG_ENTRY:
            self.log = self.log.receive(LogEntry.decode(body))
        else:
            record = self.records.get(sender, SenderKeyRecord())
            self.records[sender] = group_cipher.accept_distribution(self.view, record, sender, body)

    def change(self, change: Change, *others: "Phone") -> None:
        """Write an entry and tell the others."""
        previous = self.log.history()[-1]
        made = LogEntry.append(previous, self.device.certificate, self.device.key, time=int(NOW), change=change)
        self.log = self.log.receive(made)
        for other in others:
            other.hear(self.tell(other, LOG_ENTRY + made.encode()))

    def say(self, plaintext: bytes, *phones: "Phone") -> bytes:
        """Give the key to whom it is due, then encrypt once for all."""
        result = group_cipher.distribute(self.view, self.own, now=NOW)
        reachable = {phone.address: phone for phone in phones}
        for given in result.distributions:
            phone = reachable[given.recipient]
            phone.hear(self.tell(phone, SENDER_KEY + given.content))
        self.own, message = group_cipher.encrypt(self.view, result.own, plaintext, now=NOW)
        return message

    def read(self, sender: "Phone", message: bytes) -> bytes:
        record = self.records.get(sender.address, SenderKeyRecord())
        self.records[sender.address], plaintext = group_cipher.decrypt(self.view, record, sender.address, message)
        return plaintext


def device_list(sequence: int, *devices: Device) -> DeviceList:
    certificates = tuple(device.certificate for device in devices)
    return DeviceList.issue(devices[0].identity, sequence=sequence, issued_at=int(NOW), certificates=certificates)


@dataclass
class Scene:
    """Alice owns the group; Bob has a phone and a tablet; Carol is going to be removed."""

    alice: Phone
    bob: Phone
    tablet: Phone
    carol: Phone

    @property
    def phones(self) -> tuple[Phone, ...]:
        return self.alice, self.bob, self.tablet, self.carol


@pytest.fixture
def scene() -> Scene:
    alice, bob, carol = Device.create(4), Device.create(4), Device.create(4)
    tablet = Device.create(4, bob.identity)
    lists = {
        found.identity: found for found in (device_list(1, alice), device_list(1, bob, tablet), device_list(1, carol))
    }
    create = Create(numbered("nonce")(32), numbered("settings")(32))
    creation = LogEntry.create(alice.certificate, alice.key, time=int(NOW), change=create)
    empty = GroupLog(creation.group_id)
    made = Scene(*(Phone(device, dict(lists), empty) for device in (alice, bob, tablet, carol)))
    made.alice.log = empty.receive(creation)
    for person in (bob, carol):
        made.alice.change(Add(person.identity.public))
    for phone in made.phones[1:]:  # an invitation names the group, its epoch and its head; the history is verified
        state = made.alice.log.state
        phone.log = verify_history(GroupId(creation.group_id), state.epoch, state.head, made.alice.log.history())
    return made


def test_everybody_reads_everybody_and_the_removed_reads_no_more(scene: Scene) -> None:
    for sender in scene.phones:
        message = sender.say(b"hello", *scene.phones)
        for reader in scene.phones:
            if reader is not sender:
                assert reader.read(sender, message) == b"hello"

    carol, remaining = scene.carol, (scene.alice, scene.bob, scene.tablet)
    parting = carol.say(b"last words", *scene.phones)
    scene.alice.change(Remove(carol.device.identity.public), scene.bob, scene.tablet, carol)
    for sender in remaining:
        before = sender.own
        secret = sender.say(b"secret", *remaining)
        assert before is not None
        assert sender.own.key.chain_id != before.key.chain_id
        assert carol.address not in sender.own.holders
        for reader in remaining:
            if reader is not sender:
                assert reader.read(sender, secret) == b"secret"
        carol_cannot_read(carol, sender, secret)
        with pytest.raises(NotAMember):
            sender.read(carol, parting)
    with pytest.raises(NotAMember):
        carol.say(b"still here", *scene.phones)


def carol_cannot_read(carol: Phone, sender: Phone, secret: bytes) -> None:
    """Neither with the rules, nor with a client that ignores them and tries every chain that she was given."""
    with pytest.raises(GroupError):
        carol.read(sender, secret)
    parsed = group_cipher.PROFILE.framing.split(secret)
    associated_data = sender.address.encode() + sender.log.state.head
    with pytest.raises(UnknownSenderKey):
        sender_key.decrypt(group_cipher.PROFILE, carol.records[sender.address], parsed, associated_data)
    for chain in carol.records[sender.address].chains:
        _, key = chain.chain.step()
        material = sender_key._material(group_cipher.PROFILE, key)
        with pytest.raises(UndecryptableMessage):
            group_cipher.PROFILE.aead.open(material, parsed.ciphertext, associated_data + parsed.authenticated)


def test_keys_for_others_are_of_no_use(scene: Scene) -> None:
    """What Carol hears of Alice's key in Alice's session with her is not taken as Bob's, nor from Bob."""
    given = group_cipher.distribute(scene.alice.view, None, now=NOW)
    content = next(found.content for found in given.distributions if found.recipient == scene.carol.address)
    with pytest.raises(BadSignature):
        scene.carol.hear(scene.bob.tell(scene.carol, SENDER_KEY + content))
    scene.carol.hear(scene.alice.tell(scene.carol, SENDER_KEY + content))
    assert len(scene.carol.records[scene.alice.address].chains) == 1
    with pytest.raises(UndecryptableMessage):  # the frame is sealed to Carol's device
        scene.bob.hear(scene.alice.tell(scene.carol, SENDER_KEY + content))


def test_a_removed_device_reads_no_more(scene: Scene) -> None:
    alice, bob, tablet, carol = scene.phones
    message = alice.say(b"to all devices", *scene.phones)
    assert [reader.read(alice, message) for reader in (bob, tablet, carol)] == [b"to all devices"] * 3
    shorter = device_list(2, bob.device)
    for phone in (alice, bob, carol):
        phone.lists[bob.device.identity.public] = shorter
    bob.change(UpdateDevices(shorter), alice, carol)
    result = group_cipher.distribute(alice.view, alice.own, now=NOW)
    assert result.rotated is RotationReason.READER_LEFT
    secret = alice.say(b"not to the tablet", alice, bob, carol)
    assert [reader.read(alice, secret) for reader in (bob, carol)] == [b"not to the tablet"] * 2
    with pytest.raises(GroupError):
        tablet.read(alice, secret)
    with pytest.raises(UnknownSenderKey):
        sender_key.decrypt(
            group_cipher.PROFILE, tablet.records[alice.address], group_cipher.PROFILE.framing.split(secret), b""
        )
    with pytest.raises(RevokedDevice):
        alice.read(tablet, tablet.say(b"still here", *scene.phones[:3], carol))
