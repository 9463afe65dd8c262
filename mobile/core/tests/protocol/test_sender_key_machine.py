"""A state machine: three sending devices in two groups, one recipient, and an attacker who owns the network."""

from dataclasses import dataclass

import pytest
from handshaker_core.errors import DuplicateMessage, ProtocolError
from handshaker_core.protocol.groups import sender_key
from handshaker_core.protocol.groups.ids import EntryHash
from handshaker_core.protocol.groups.sender_key import MAX_CHAINS, SenderKeyRecord, SendingSenderKey
from handshaker_core.protocol.groups.sender_key_profile import HANDSHAKER_GROUP_V1
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from .group_people import ALICE, BOB, CAROL, numbered, seed
from .parties import flip

SENDERS = (ALICE.device(0).address, ALICE.device(1).address, BOB.device().address)
OUTSIDER = CAROL.device().address
GROUPS = (seed("group", 0), seed("group", 1))
HEAD = EntryHash(seed("head"))

Place = tuple[int, int]  # sender, group
PLACES = st.tuples(st.integers(0, len(SENDERS) - 1), st.integers(0, len(GROUPS) - 1))


@dataclass
class Sent:
    """A message on the network; `chain` counts the chains of its place."""

    place: Place
    chain: int
    message: bytes
    plaintext: bytes
    delivered: bool = False


class SenderKeyMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.rng = numbered("machine")
        self.sent: list[Sent] = []
        self.own: dict[Place, SendingSenderKey] = {}
        self.chains: dict[Place, int] = {}
        self.records: dict[Place, SenderKeyRecord] = {}
        for sender in range(len(SENDERS)):
            for group in range(len(GROUPS)):
                self.records[sender, group] = SenderKeyRecord()
                self.chains[sender, group] = 0
                self.rotate((sender, group))

    def associated_data(self, place: Place) -> bytes:
        return SENDERS[place[0]].encode() + HEAD

    @rule(place=PLACES)
    def rotate(self, place: Place) -> None:
        """A new chain, distributed over a session that delivers it as it is."""
        key = SendingSenderKey.create(GROUPS[place[1]], 1, HEAD, self.rng)
        self.own[place] = key
        self.chains[place] += 1
        self.hand_over(place)

    @rule(place=PLACES)
    def hand_over(self, place: Place) -> None:
        """A distribution, often one that is known already."""
        key, sender = self.own[place], SENDERS[place[0]].encode()
        given = sender_key.distribution(HANDSHAKER_GROUP_V1, key)
        data = HANDSHAKER_GROUP_V1.framing.encode_distribution(given, key.signature_key, sender)
        with pytest.raises(ProtocolError):
            HANDSHAKER_GROUP_V1.framing.decode_distribution(data, OUTSIDER.encode())
        received = HANDSHAKER_GROUP_V1.framing.decode_distribution(data, sender)
        self.records[place] = sender_key.process(self.records[place], received)

    @rule(place=PLACES, plaintext=st.binary(max_size=40), count=st.integers(1, 3))
    def send(self, place: Place, plaintext: bytes, count: int) -> None:
        for _ in range(count):
            self.own[place], message = sender_key.encrypt(
                HANDSHAKER_GROUP_V1, self.own[place], 1, plaintext, self.associated_data(place)
            )
            self.sent.append(Sent(place, self.chains[place], message, plaintext))

    def attempt(self, place: Place, message: bytes) -> tuple[SenderKeyRecord, bytes]:
        parsed = HANDSHAKER_GROUP_V1.framing.split(message)
        return sender_key.decrypt(HANDSHAKER_GROUP_V1, self.records[place], parsed, self.associated_data(place))

    def refused(self, place: Place, message: bytes, error: type[ProtocolError] = ProtocolError) -> None:
        before = self.records[place].to_bytes()
        with pytest.raises(error):
            self.attempt(place, message)
        assert self.records[place].to_bytes() == before

    def pick(self, data: st.DataObject) -> Sent:
        return self.sent[data.draw(st.integers(0, len(self.sent) - 1), label="message")]

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        """Any message at any time: delay, reordering, replay. What is never picked is lost until the end."""
        self.deliver_one(self.pick(data))

    def deliver_one(self, message: Sent) -> None:
        if self.chains[message.place] - message.chain >= MAX_CHAINS:
            self.refused(message.place, message.message)
        elif message.delivered:
            self.refused(message.place, message.message, DuplicateMessage)
        else:
            self.records[message.place], plaintext = self.attempt(message.place, message.message)
            assert plaintext == message.plaintext
            message.delivered = True

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), position=st.integers(0, 200), bit=st.integers(0, 7))
    def flip_bit(self, data: st.DataObject, position: int, bit: int) -> None:
        message = self.pick(data)
        self.refused(message.place, flip(message.message, position, bit))

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), cut=st.integers(1, 200))
    def truncate(self, data: st.DataObject, cut: int) -> None:
        message = self.pick(data)
        self.refused(message.place, message.message[:-cut])

    @precondition(lambda self: len(self.sent) > 1)
    @rule(data=st.data(), cut=st.integers(1, 120))
    def splice(self, data: st.DataObject, cut: int) -> None:
        one, other = self.pick(data), self.pick(data)
        spliced = one.message[:cut] + other.message[cut:]
        if spliced not in {one.message, other.message}:
            self.refused(one.place, spliced)

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), place=PLACES)
    def swap(self, data: st.DataObject, place: Place) -> None:
        """As if another device had sent it, or in another group."""
        message = self.pick(data)
        if place != message.place:
            self.refused(place, message.message)

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), plaintext=st.binary(max_size=40))
    def forge(self, data: st.DataObject, plaintext: bytes) -> None:
        """Another reader, who holds the chain key, writes in the sender's name with a signature key of its own."""
        message = self.pick(data)
        key = self.own[message.place]
        known = SendingSenderKey(
            key.distribution_id, key.chain_id, key.epoch, key.head, key.chain, type(key.signature_key)(seed("forger"))
        )
        _, forged = sender_key.encrypt(HANDSHAKER_GROUP_V1, known, 1, plaintext, self.associated_data(message.place))
        self.refused(message.place, forged)

    @rule(place=PLACES)
    def restart(self, place: Place) -> None:
        self.records[place] = SenderKeyRecord.from_bytes(self.records[place].to_bytes())
        self.own[place] = SendingSenderKey.from_bytes(self.own[place].to_bytes())

    @invariant()
    def bounds_hold(self) -> None:
        for record in getattr(self, "records", {}).values():
            assert len(record.chains) <= MAX_CHAINS

    def teardown(self) -> None:
        """Everything still on the network arrives, newest first; then every place works."""
        if not hasattr(self, "sent"):
            return
        for message in reversed(self.sent):
            self.deliver_one(message)
        for place in self.own:
            self.send(place, b"finally", 1)
            self.deliver_one(self.sent[-1])
            assert self.sent[-1].delivered


SenderKeyMachine.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestSenderKeyAttacker = SenderKeyMachine.TestCase
