"""The attacker's machine once more, with processes that end between any two steps, and post-quantum epochs that pass quickly.

What a device has is what it has committed: a session's bytes, together with the frame that they were stepped for. A frame
leaves after that, perhaps twice, always as the same bytes.
"""

from unittest import mock

from handshaker_core.errors import DuplicateMessage
from handshaker_core.protocol import pq_ratchet
from handshaker_core.protocol import session as sessions
from handshaker_core.protocol.pq_ratchet import PqRatchetState
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from .parties import NOW
from .pq_ends import QUICK
from .test_attacker import BOB, PAIRS, SIDES, AttackerMachine


class CrashMachine(AttackerMachine):
    """Everything that the attacker can do, and the end of a process at every step of sending and receiving."""

    @initialize()
    def begin(self) -> None:
        super().begin()
        self._patch = mock.patch.dict(pq_ratchet.send.__kwdefaults__, trigger=QUICK)
        self._patch.start()

    @rule(pair=PAIRS, side=SIDES)
    def crash_before_the_commit_of_a_sent_message(self, pair: int, side: int) -> None:
        """Nothing has left, and the keys of the step will be used for another message."""
        session = self.session(pair, side)
        if session is not None:
            sessions.encrypt(session, b"nobody will ever see this", now=NOW)
            self.restart(pair, side)

    @rule(pair=PAIRS, side=SIDES)
    def crash_after_the_commit_of_a_sent_message(self, pair: int, side: int) -> None:
        """Whether it has left is not known: the same bytes leave after the restart."""
        already = len(self.sent)
        self.send(pair, side, b"perhaps twice", 1)
        self.restart(pair, side)
        for message in self.sent[already:]:
            self.deliver(message)
            self.refused(message.pair, message.recipient, message.frame, DuplicateMessage)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def crash_before_the_commit_of_a_received_message(self, data: st.DataObject) -> None:
        """It was never acknowledged: the server delivers it again."""
        message = self.pick(data)
        if not message.delivered:
            uses = set(BOB.uses)
            _, content = self.attempt(message.pair, message.recipient, message.frame)
            assert content == message.content
            BOB.uses = uses  # of the same transaction
            self.restart(message.pair, message.recipient)
        self.deliver(message)

    @rule(pair=PAIRS, rounds=st.integers(1, 15))
    def talk(self, pair: int, rounds: int) -> None:
        """The two write in turn and are heard at once, so that epochs pass."""
        for _ in range(rounds):
            for side in SIDES_IN_TURN:
                already = len(self.sent)
                self.send(pair, side, b"and so on", 1)
                for message in self.sent[already:]:
                    self.deliver(message)

    def ratchets(self, pair: int) -> tuple[PqRatchetState, PqRatchetState] | None:
        one, other = self.sides[pair]
        return None if one is None or other is None else (one.pq, other.pq)

    @invariant()
    def epochs_agree(self) -> None:
        for pair in range(len(getattr(self, "sides", []))):
            both = self.ratchets(pair)
            if both is not None:
                assert abs(both[0].epoch - both[1].epoch) <= 1
                assert both[0].epoch != both[1].epoch or both[0].keys == both[1].keys

    def teardown(self) -> None:
        super().teardown()
        for pair in range(len(getattr(self, "sides", []))):
            both = self.ratchets(pair)
            assert both is not None
            self.talk(pair, 25)
            after = self.ratchets(pair)
            assert after is not None
            assert min(state.epoch for state in after) > min(state.epoch for state in both)
        if hasattr(self, "_patch"):
            self._patch.stop()


SIDES_IN_TURN = (0, 1)

CrashMachine.TestCase.settings = settings(
    max_examples=20, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestCrashes = CrashMachine.TestCase


def test_only_the_machine_is_in_a_hurry() -> None:
    assert pq_ratchet.send.__kwdefaults__["trigger"] == pq_ratchet.STANDARD_TRIGGER
