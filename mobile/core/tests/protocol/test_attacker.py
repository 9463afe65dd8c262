"""A state machine: two sessions, an attacker who owns the network, and a client that may restart at any time."""

from dataclasses import dataclass
from typing import cast

import pytest
from handshaker_core.errors import DuplicateMessage, ProtocolError, UndecryptableMessage
from handshaker_core.protocol import session as sessions
from handshaker_core.protocol.sealed_sender import EnvelopeKind
from handshaker_core.protocol.session import SessionState
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from .parties import NOW, Device, flip

ALICE, BOB = Device.create(0), Device.create(0)
PAIRS = st.integers(0, 1)
SIDES = st.integers(0, 1)


@dataclass
class Sent:
    """A frame on the network. `delivered` once its recipient has decrypted it."""

    pair: int
    recipient: int
    frame: bytes
    content: bytes
    kind: EnvelopeKind
    delivered: bool = False


class AttackerMachine(RuleBasedStateMachine):
    """Side 0 initiates each pair, side 1 answers; both pairs are between the same two devices."""

    @initialize()
    def begin(self) -> None:
        self.sent: list[Sent] = []
        self.sides: list[list[SessionState | None]] = []
        for _ in range(2):
            session, _ = sessions.initiate(ALICE.local, BOB.verified_bundle(), now=NOW)
            self.sides.append([session, None])

    def session(self, pair: int, side: int) -> SessionState | None:
        return self.sides[pair][side]

    @rule(pair=PAIRS, side=SIDES, content=st.binary(max_size=40), count=st.integers(1, 4))
    def send(self, pair: int, side: int, content: bytes, count: int) -> None:
        for _ in range(count):
            session = self.session(pair, side)
            if session is None:
                return
            kind = EnvelopeKind.INITIAL if session.awaiting_answer else EnvelopeKind.RATCHET
            self.sides[pair][side], frame = sessions.encrypt(session, content, now=NOW)
            self.sent.append(Sent(pair, 1 - side, frame, content, kind))

    def attempt(self, pair: int, side: int, frame: bytes) -> tuple[SessionState, bytes]:
        """What the client does with an incoming frame."""
        session = self.session(pair, side)
        envelope = (ALICE, BOB)[side].open(frame)
        if session is not None and sessions.handshake_id(envelope) in (None, session.handshake_id):
            return sessions.decrypt(session, envelope, now=NOW)
        if envelope.kind is EnvelopeKind.RATCHET:
            raise UndecryptableMessage
        accepted = (ALICE, BOB)[side].accept(frame)
        return accepted.session, accepted.plaintext

    def deliver(self, message: Sent) -> None:
        """Deliver honestly: decrypts the first time, is refused without effect afterwards."""
        if message.delivered:
            self.refused(message.pair, message.recipient, message.frame, (DuplicateMessage, UndecryptableMessage))
            return
        session, content = self.attempt(message.pair, message.recipient, message.frame)
        assert content == message.content
        self.sides[message.pair][message.recipient] = session
        message.delivered = True

    def refused(
        self, pair: int, side: int, frame: bytes, errors: type[ProtocolError] | tuple[type[ProtocolError], ...]
    ) -> None:
        before = self.session(pair, side)
        stored = None if before is None else before.to_bytes()
        with pytest.raises(errors):
            self.attempt(pair, side, frame)
        after = self.session(pair, side)
        assert (None if after is None else after.to_bytes()) == stored

    def pick(self, data: st.DataObject) -> Sent:
        return self.sent[data.draw(st.integers(0, len(self.sent) - 1), label="frame")]

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def deliver_any(self, data: st.DataObject) -> None:
        """Any frame at any time: delay, reordering and replay. What is never picked is lost until the end."""
        self.deliver(self.pick(data))

    @precondition(lambda self: self.sent)
    @rule()
    def deliver_oldest(self) -> None:
        """Keeps conversations moving, so that ratchets turn."""
        waiting = [message for message in self.sent if not message.delivered]
        if waiting:
            self.deliver(waiting[0])

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), position=st.integers(0, 16_383), bit=st.integers(0, 7))
    def flip_bit(self, data: st.DataObject, position: int, bit: int) -> None:
        message = self.pick(data)
        self.refused(message.pair, message.recipient, flip(message.frame, position, bit), ProtocolError)

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), length=st.integers(0, 16_383), pad=st.booleans())
    def truncate(self, data: st.DataObject, length: int, pad: bool) -> None:
        message = self.pick(data)
        cut = message.frame[: min(length, len(message.frame) - 1)]
        if pad:
            cut = cut.ljust(len(message.frame), b"\x00")
            cut = cut if cut != message.frame else flip(cut, -1)
        self.refused(message.pair, message.recipient, cut, ProtocolError)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def reflect(self, data: st.DataObject) -> None:
        message = self.pick(data)
        self.refused(message.pair, 1 - message.recipient, message.frame, ProtocolError)

    @precondition(lambda self: any(message.kind is EnvelopeKind.RATCHET for message in self.sent))
    @rule(data=st.data())
    def swap_sessions(self, data: st.DataObject) -> None:
        """A ratchet frame in the other conversation; initial frames name their session themselves."""
        frames = [message for message in self.sent if message.kind is EnvelopeKind.RATCHET]
        message = frames[data.draw(st.integers(0, len(frames) - 1), label="frame")]
        self.refused(1 - message.pair, message.recipient, message.frame, ProtocolError)

    @precondition(lambda self: len(self.sent) > 1)
    @rule(data=st.data(), cut=st.integers(3, 2_047))
    def splice(self, data: st.DataObject, cut: int) -> None:
        """The beginning of one frame with the end of another."""
        one, other = self.pick(data), self.pick(data)
        spliced = one.frame[:cut] + other.frame[cut:]
        if spliced not in {one.frame, other.frame}:
            self.refused(one.pair, one.recipient, spliced, ProtocolError)

    @rule(pair=PAIRS, side=SIDES)
    def restart(self, pair: int, side: int) -> None:
        session = self.session(pair, side)
        if session is not None:
            self.sides[pair][side] = SessionState.from_bytes(session.to_bytes())

    @invariant()
    def both_sides_name_the_same_session(self) -> None:
        for first, second in getattr(self, "sides", []):
            if second is not None:
                assert cast("SessionState", first).handshake_id == second.handshake_id

    def teardown(self) -> None:
        """Everything still on the network arrives, newest first; then each conversation works in both directions."""
        if not hasattr(self, "sent"):
            return
        for message in reversed(self.sent):
            if not message.delivered:
                self.deliver(message)
        for pair in range(2):
            for side in (0, 1, 0):
                already = len(self.sent)
                self.send(pair, side, b"finally", 1)
                assert len(self.sent) == already + 1
                self.deliver(self.sent[-1])


AttackerMachine.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestAttacker = AttackerMachine.TestCase
