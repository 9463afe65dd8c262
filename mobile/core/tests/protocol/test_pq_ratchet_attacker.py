"""A state machine: two conversations on the real Double Ratchet with its post-quantum salt, and whoever owns the network.

Never is an honest message undecryptable, never is a forged one accepted, and both ends' epochs agree: they differ by at
most one while an exchange is under way, and come to the same one when messages arrive again.
"""

from dataclasses import dataclass

import pytest
from handshaker_core.errors import DuplicateMessage, ProtocolError, UndecryptableMessage
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from .parties import flip
from .pq_ends import End, real_ends

PAIRS = st.integers(0, 1)
SIDES = st.integers(0, 1)
HEADER_END = 40 + 154
NEVER_OPENS = (UndecryptableMessage, DuplicateMessage)


@dataclass
class Sent:
    """A message on the network."""

    pair: int
    recipient: int
    message: bytes
    content: bytes
    delivered: bool = False


class EpochMachine(RuleBasedStateMachine):
    """Side 0 initiates each pair, side 1 answers."""

    @initialize()
    def begin(self) -> None:
        self.sent: list[Sent] = []
        self.pairs: list[tuple[End, End]] = [real_ends(), real_ends()]
        self.written = 0

    # --- The two ends

    @rule(pair=PAIRS, side=SIDES, count=st.integers(1, 12))
    def send(self, pair: int, side: int, count: int) -> None:
        end = self.pairs[pair][side]
        for _ in range(count):
            self.written += 1
            content = b"message %d" % self.written
            stepped, message = end.send(content)
            end.commit(stepped)
            self.sent.append(Sent(pair, 1 - side, message, content))

    @rule(pair=PAIRS, rounds=st.integers(1, 12))
    def talk(self, pair: int, rounds: int) -> None:
        """The two write in turn and are heard at once, whatever else is still on its way."""
        for _ in range(rounds):
            for side in (0, 1):
                self.send(pair, side, 1)
                self.deliver(self.sent[-1])

    @rule(pair=PAIRS, side=SIDES)
    def crash_while_sending(self, pair: int, side: int) -> None:
        """The process ends before the commit: the message never left, and its keys will be used again."""
        end = self.pairs[pair][side]
        end.send(b"never committed")
        end.restart()

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def crash_while_receiving(self, data: st.DataObject) -> None:
        """The process ends before the commit: the server delivers the message once more."""
        message = self.pick(data)
        end = self.pairs[message.pair][message.recipient]
        if not message.delivered:
            assert end.receive(message.message)[1] == message.content
        end.restart()
        self.deliver(message)

    @rule(pair=PAIRS, side=SIDES)
    def restart(self, pair: int, side: int) -> None:
        self.pairs[pair][side].restart()

    @rule(pair=PAIRS, side=SIDES, seconds=st.sampled_from([-5_000_000, -1_000, 0, 999, 1_000, 1_000_000]))
    def clock(self, pair: int, side: int, seconds: int) -> None:
        self.pairs[pair][side].now += seconds

    # --- The network

    def deliver(self, message: Sent) -> None:
        """Honest delivery: decrypts the first time, is refused without effect from then on."""
        if message.delivered:
            self.refused(message.pair, message.recipient, message.message, (DuplicateMessage, UndecryptableMessage))
            return
        end = self.pairs[message.pair][message.recipient]
        stepped, content = end.receive(message.message)
        assert content == message.content
        end.commit(stepped)
        message.delivered = True

    def refused(
        self, pair: int, side: int, message: bytes, errors: type[ProtocolError] | tuple[type[ProtocolError], ...]
    ) -> None:
        end = self.pairs[pair][side]
        before = end.committed.ratchet.to_bytes(), end.committed.pq.to_bytes()
        with pytest.raises(errors):
            end.receive(message)
        assert (end.committed.ratchet.to_bytes(), end.committed.pq.to_bytes()) == before

    def pick(self, data: st.DataObject) -> Sent:
        return self.sent[data.draw(st.integers(0, len(self.sent) - 1), label="message")]

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def deliver_any(self, data: st.DataObject) -> None:
        """Any message at any time: delay, reordering and replay. What is never picked is lost until the end."""
        self.deliver(self.pick(data))

    @precondition(lambda self: self.sent)
    @rule(count=st.integers(1, 12))
    def deliver_newest(self, count: int) -> None:
        for message in [message for message in self.sent if not message.delivered][: -count - 1 : -1]:
            self.deliver(message)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        """Lost for good."""
        self.sent.remove(self.pick(data))

    @precondition(lambda self: self.sent)
    @rule(
        data=st.data(), position=st.one_of(st.integers(0, HEADER_END - 1), st.integers(0, 500)), bit=st.integers(0, 7)
    )
    def flip_bit(self, data: st.DataObject, position: int, bit: int) -> None:
        """In the ratchet header, the epoch, the chunk or the ciphertext."""
        message = self.pick(data)
        self.refused(message.pair, message.recipient, flip(message.message, position, bit), ProtocolError)

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), length=st.integers(0, 500))
    def truncate(self, data: st.DataObject, length: int) -> None:
        message = self.pick(data)
        cut = message.message[: min(length, len(message.message) - 1)]
        self.refused(message.pair, message.recipient, cut, ProtocolError)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def reflect(self, data: st.DataObject) -> None:
        message = self.pick(data)
        self.refused(message.pair, 1 - message.recipient, message.message, NEVER_OPENS)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def swap_sessions(self, data: st.DataObject) -> None:
        message = self.pick(data)
        self.refused(1 - message.pair, message.recipient, message.message, NEVER_OPENS)

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), whole=st.booleans())
    def swap_chunks(self, data: st.DataObject, whole: bool) -> None:
        """One message's header of the post-quantum ratchet (or all of its headers) on the content of another."""
        one, other = self.pick(data), self.pick(data)
        begin = 0 if whole else 40
        forged = other.message[:begin] + one.message[begin:HEADER_END] + other.message[HEADER_END:]
        if whole:
            forged = one.message[:HEADER_END] + other.message[HEADER_END:]
        if forged not in (one.message, other.message):
            self.refused(other.pair, other.recipient, forged, ProtocolError)

    # --- What always holds

    @invariant()
    def epochs_agree(self) -> None:
        for initiator, responder in getattr(self, "pairs", []):
            one, other = initiator.committed.pq, responder.committed.pq
            assert abs(one.epoch - other.epoch) <= 1
            if one.epoch == other.epoch:
                assert one.keys == other.keys

    def teardown(self) -> None:
        """What is still on the network arrives, newest first; then each pair comes to the same, new epoch."""
        if not hasattr(self, "sent"):
            return
        for message in reversed(self.sent):
            if not message.delivered:
                self.deliver(message)
        for pair, (initiator, responder) in enumerate(self.pairs):
            target = max(initiator.committed.pq.epoch, responder.committed.pq.epoch) + 1
            for _ in range(30):
                self.talk(pair, 1)
            assert initiator.committed.pq.epoch >= target
            assert abs(initiator.committed.pq.epoch - responder.committed.pq.epoch) <= 1


EpochMachine.TestCase.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestEpochs = EpochMachine.TestCase
