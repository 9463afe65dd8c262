"""Sender keys, ours and libsignal's, in one group: both directions, any order, nothing forged."""

import random
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pytest
from handshaker_core.errors import BadSignature, DuplicateMessage, ProtocolError, TooManySkipped
from handshaker_core.protocol.groups import sender_key
from handshaker_core.protocol.groups.errors import UnknownSenderKey
from handshaker_core.protocol.groups.ids import NO_ENTRY
from handshaker_core.protocol.groups.sender_chain import SenderSignatureKey
from handshaker_core.protocol.groups.sender_key import (
    MAX_FORWARD_JUMP,
    MAX_STORED,
    SenderKeyRecord,
    SendingSenderKey,
)
from handshaker_core.protocol.randomness import system_randomness
from peers.libsignal import Address, Libsignal, LibsignalError, Person

from libsignal.pairs import flipped, new_address, new_people
from libsignal.sender_key_profile import LIBSIGNAL_GROUP

FRAMING = LIBSIGNAL_GROUP.framing


@dataclass
class Group:
    """One of ours and one of libsignal's; a state of ours is replaced only by what succeeded."""

    theirs: Person
    ours: Address
    own: SendingSenderKey
    name: str
    record: SenderKeyRecord = field(default_factory=SenderKeyRecord)

    @classmethod
    def create(cls, libsignal: Libsignal) -> "Group":
        """Both have the other's sender key."""
        theirs = new_people(libsignal)[1]
        group = cls(theirs, new_address(), own_key(name := uuid.uuid4()), str(name))
        group.they_learn(group.distribution())
        group.learn(theirs.distribution(group.name))
        return group

    def distribution(self) -> bytes:
        given = sender_key.distribution(LIBSIGNAL_GROUP, self.own)
        return FRAMING.encode_distribution(given, self.own.signature_key, b"")

    def they_learn(self, distribution: bytes) -> None:
        self.theirs.learn_sender_key(self.ours, distribution)

    def learn(self, distribution: bytes) -> None:
        self.record = sender_key.process(self.record, FRAMING.decode_distribution(distribution, b""))

    def send(self, plaintext: bytes) -> bytes:
        self.own, message = sender_key.encrypt(LIBSIGNAL_GROUP, self.own, 0, plaintext, b"")
        return message

    def receive(self, message: bytes) -> bytes:
        self.record, plaintext = sender_key.decrypt(LIBSIGNAL_GROUP, self.record, FRAMING.split(message), b"")
        return plaintext

    def they_send(self, plaintext: bytes) -> bytes:
        return self.theirs.encrypt_group(self.name, plaintext)

    def they_receive(self, message: bytes) -> bytes:
        return self.theirs.decrypt_group(self.ours, message)

    def check(self) -> None:
        """The positive control: a message each way."""
        assert self.they_receive(self.send(b"from us")) == b"from us"
        assert self.receive(self.they_send(b"from them")) == b"from them"

    def they_refuse(self, message: bytes, because: str = "invalid signature detected") -> None:
        with pytest.raises(LibsignalError, match=because):
            self.they_receive(message)

    def we_refuse(self, message: bytes, error: type[ProtocolError] = BadSignature) -> None:
        before = self.record.to_bytes()
        with pytest.raises(error):
            self.receive(message)
        assert self.record.to_bytes() == before


def own_key(name: uuid.UUID) -> SendingSenderKey:
    return SendingSenderKey.create(name.bytes, 0, NO_ENTRY, system_randomness)


@pytest.fixture
def group(libsignal: Libsignal) -> Iterator[Group]:
    """A group that works before and after the test."""
    made = Group.create(libsignal)
    made.check()
    yield made
    made.check()


@contextmanager
def between_controls(group: Group) -> Iterator[None]:
    group.check()
    yield
    group.check()


def test_a_thousand_messages_each_way_with_loss_and_reordering(group: Group) -> None:
    chance = random.Random(20)
    for _ in range(20):
        plaintexts = [chance.randbytes(chance.randrange(200)) for _ in range(50)]
        to_them = [(plaintext, group.send(plaintext)) for plaintext in plaintexts]
        to_us = [(plaintext, group.they_send(plaintext)) for plaintext in plaintexts]
        for plaintext, message in chance.sample(to_them, 40):
            assert group.they_receive(message) == plaintext
        for plaintext, message in chance.sample(to_us, 40):
            assert group.receive(message) == plaintext
        group.record = SenderKeyRecord.from_bytes(group.record.to_bytes())
        group.own = SendingSenderKey.from_bytes(group.own.to_bytes())


def test_what_was_given_later_reads_nothing_earlier(group: Group, libsignal: Libsignal) -> None:
    early_ours, early_theirs = group.send(b"early"), group.they_send(b"early")
    newcomer = new_people(libsignal)[1]
    newcomer.learn_sender_key(group.ours, group.distribution())
    late = Group(group.theirs, group.ours, group.own, group.name)
    late.learn(group.theirs.distribution(group.name))
    with pytest.raises(LibsignalError) as refused:
        newcomer.decrypt_group(group.ours, early_ours)
    assert refused.value.code == "DuplicatedMessage"
    late.we_refuse(early_theirs, DuplicateMessage)
    ours, theirs = group.send(b"late"), group.they_send(b"late")
    assert newcomer.decrypt_group(group.ours, ours) == late.receive(theirs) == b"late"
    assert group.they_receive(ours) == group.receive(theirs) == b"late"
    assert group.they_receive(early_ours) == group.receive(early_theirs) == b"early"


def test_neither_takes_a_message_twice(group: Group) -> None:
    ours, theirs = group.send(b"once"), group.they_send(b"once")
    assert group.they_receive(ours) == group.receive(theirs) == b"once"
    with pytest.raises(LibsignalError) as refused:
        group.they_receive(ours)
    assert refused.value.code == "DuplicatedMessage"
    group.we_refuse(theirs, DuplicateMessage)


def test_neither_takes_an_altered_message(group: Group) -> None:
    for number in range(12):
        with between_controls(group):
            ours, theirs = group.send(b"text"), group.they_send(b"text")
            # From the back: signature, then ciphertext. The header's forgeries have their own test.
            position = -1 - number * 6
            group.they_refuse(flipped(ours, position, number % 8))
            group.we_refuse(flipped(theirs, position, number % 8))
            assert group.they_receive(ours) == group.receive(theirs) == b"text"


def test_every_byte_of_their_message_counts(group: Group) -> None:
    theirs = group.they_send(b"text")
    for position in range(len(theirs)):
        group.we_refuse(flipped(theirs, position, position % 8), ProtocolError)
    assert group.receive(theirs) == b"text"


def test_neither_takes_what_a_reader_forged_with_the_chain_key(group: Group, libsignal: Libsignal) -> None:
    ours = replace(group.own, signature_key=SenderSignatureKey.generate(system_randomness))
    _, forged = sender_key.encrypt(LIBSIGNAL_GROUP, ours, 0, b"forged", b"")
    group.they_refuse(forged)

    # Ours would take theirs for a chain of its own: the same chain key and id, another signature key.
    given = FRAMING.decode_distribution(group.theirs.distribution(group.name), b"")
    forger = replace(ours, chain_id=given.chain_id, chain=given.chain)
    group.we_refuse(sender_key.encrypt(LIBSIGNAL_GROUP, forger, 0, b"forged", b"")[1])
    group.check()
    honest = group.they_send(b"honest")
    assert group.receive(honest) == b"honest"


def test_neither_reads_a_chain_that_it_was_not_given(group: Group, libsignal: Libsignal) -> None:
    with between_controls(group):
        rotated = replace(group, own=own_key(uuid.UUID(group.name)))
        group.they_refuse(rotated.send(b"x"), "missing sender key state")
        stranger = Group.create(libsignal)
        group.we_refuse(stranger.they_send(b"x"), UnknownSenderKey)
        stranger.check()


def test_a_new_chain_and_late_messages_of_the_one_before(group: Group) -> None:
    late = group.send(b"late")
    group.own = own_key(uuid.UUID(group.name))
    group.they_learn(group.distribution())
    group.check()
    assert group.they_receive(late) == b"late"


def test_a_repeated_distribution_changes_nothing(group: Group) -> None:
    earlier, ours = group.distribution(), group.send(b"x")
    theirs = group.they_send(b"y")
    assert group.they_receive(group.send(b"z")) == b"z"
    assert group.receive(group.they_send(b"z")) == b"z"
    group.they_learn(earlier)
    group.they_learn(group.distribution())
    group.learn(group.theirs.distribution(group.name))
    assert (group.they_receive(ours), group.receive(theirs)) == (b"x", b"y")


def test_both_jump_as_far_and_no_further(libsignal: Libsignal) -> None:
    group = Group.create(libsignal)
    group.check()
    start = group.own
    group.own = replace(start, chain=start.chain.forward(MAX_FORWARD_JUMP + 1))
    group.they_refuse(group.send(b"x"), "too far into the future")
    group.own = replace(start, chain=start.chain.forward(MAX_FORWARD_JUMP))
    assert group.they_receive(group.send(b"x")) == b"x"
    # Of the gap both keep the newest 2,000 keys.
    for back, kept in ((1, True), (MAX_STORED, True), (MAX_STORED + 1, False)):
        _, message = sender_key.encrypt(
            LIBSIGNAL_GROUP,
            replace(start, chain=start.chain.forward(MAX_FORWARD_JUMP - back)),
            0,
            b"late",
            b"",
        )
        if kept:
            assert group.they_receive(message) == b"late"
        else:
            group.they_refuse(message, "old counter")
    record = sender_key.process(SenderKeyRecord(), sender_key.distribution(LIBSIGNAL_GROUP, start))
    _, too_far = sender_key.encrypt(
        LIBSIGNAL_GROUP, replace(start, chain=start.chain.forward(MAX_FORWARD_JUMP + 1)), 0, b"x", b""
    )
    with pytest.raises(TooManySkipped):
        sender_key.decrypt(LIBSIGNAL_GROUP, record, FRAMING.split(too_far), b"")
    group.check()
