"""Outbox, inbox, receipts and requests of two clients as one state machine, over the worst network and with crashes."""

import contextlib
import secrets
import shutil
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

from core_world import START, Crash, KeyWatch, Party, outcome_when_away
from handshaker_core.client.events import FrameUnreadable
from handshaker_core.credentials import FrameId
from handshaker_core.model import ContactState, Direction, MessageState
from handshaker_core.net.relay import IncomingFrame, Outcome, OutgoingFrame, Policy
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

SIDES = st.sampled_from([0, 1])
HELD = st.sampled_from([Outcome.QUOTA, Outcome.UNAVAILABLE, Outcome.NO_RETENTION])


@dataclass
class Mail:
    """What the server keeps for one party: frames by id."""

    frames: dict[FrameId, OutgoingFrame] = field(default_factory=dict)
    taken: list[OutgoingFrame] = field(default_factory=list)


class Conversation(RuleBasedStateMachine):
    """Both may ask, accept, write, read and crash at any moment; the network loses, repeats, reorders and refuses."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="handshaker-machine-"))
        self.parties = [Party(self.folder / name / "messages.db") for name in ("a", "b")]
        self.mail = [Mail(), Mail()]
        self.written: list[list[str]] = [[], []]
        self.watch = KeyWatch(self.parties)
        self.now = START

    def teardown(self) -> None:
        try:
            self._settle()
        finally:
            for party in self.parties:
                party.close()
            shutil.rmtree(self.folder)

    @initialize(begun=st.sampled_from(["strangers", "asked", "crossed", "connected", "connected"]))
    def begin(self, begun: str) -> None:
        if begun == "strangers":
            return
        self.ask(0, crash=False)
        if begun == "crossed":
            self.ask(1, crash=False)
        if begun == "connected":
            self._exchange()
            self.accept(1, crash=False)
            self._exchange()

    def _stands(self, *states: ContactState) -> bool:
        return any(party.standing() in states for party in self.parties)

    # --- What people do

    @precondition(lambda self: self._stands(ContactState.CLOSED))
    @rule(side=SIDES, crash=st.booleans())
    def ask(self, side: int, crash: bool) -> None:
        me, other = self.parties[side], self.parties[1 - side]
        if me.standing() is not ContactState.CLOSED:
            return
        greeting = f"greeting of {side}"
        try:
            me.ask(other, greeting, crash=crash)
        except Crash:
            return
        self.written[side].append(greeting)

    @precondition(lambda self: self._stands(ContactState.ASKING))
    @rule(side=SIDES, crash=st.booleans())
    def accept(self, side: int, crash: bool) -> None:
        me = self.parties[side]
        if me.standing() is ContactState.ASKING:
            with contextlib.suppress(Crash):
                me.accept(crash=crash)

    @precondition(lambda self: self._stands(ContactState.CONNECTED))
    @rule(side=SIDES, crash=st.booleans())
    def write(self, side: int, crash: bool) -> None:
        me = self.parties[side]
        if me.standing() is not ContactState.CONNECTED:
            return
        text = f"text {len(self.written[side])} of {side}"
        try:
            me.send(text, crash=crash)
        except Crash:
            return
        self.written[side].append(text)

    @rule(side=SIDES)
    def read(self, side: int) -> None:
        self.parties[side].mark_read()

    # --- What the network and the machines do

    @precondition(lambda self: any(party.due() for party in self.parties))
    @rule(side=SIDES, choice=st.integers(0, 1000), fate=st.sampled_from(["lost", "stored", "stored unheard"]))
    def transmit(self, side: int, choice: int, fate: str) -> None:
        due = self.parties[side].due()
        if not due:
            return
        outgoing = due[choice % len(due)]
        self.watch.see(outgoing)
        if fate == "lost":
            return
        if outgoing.policy is Policy.STORE:
            self.mail[1 - side].frames[outgoing.frame_id] = outgoing
        if fate == "stored":
            self.parties[side].result(outgoing.frame_id, outcome_when_away(outgoing))

    @precondition(lambda self: any(party.due() for party in self.parties))
    @rule(side=SIDES, choice=st.integers(0, 1000), acknowledged=st.booleans())
    def transmit_live(self, side: int, choice: int, acknowledged: bool) -> None:
        due = self.parties[side].due()
        if not due:
            return
        outgoing = due[choice % len(due)]
        self.watch.see(outgoing)
        self._deliver(1 - side, outgoing)
        if acknowledged:
            self.parties[side].result(outgoing.frame_id, Outcome.DELIVERED)
        elif outgoing.policy is Policy.STORE:
            self.mail[1 - side].frames[outgoing.frame_id] = outgoing

    @precondition(lambda self: any(party.due() for party in self.parties))
    @rule(side=SIDES, choice=st.integers(0, 1000), outcome=HELD)
    def refuse_for_now(self, side: int, choice: int, outcome: Outcome) -> None:
        due = self.parties[side].due()
        if due:
            outgoing = due[choice % len(due)]
            self.parties[side].result(outgoing.frame_id, outcome)
            assert outgoing.frame_id not in {frame.frame_id for frame in self.parties[side].due()}

    @precondition(lambda self: any(mail.frames for mail in self.mail))
    @rule(side=SIDES, choice=st.integers(0, 1000), acknowledged=st.booleans(), crash=st.booleans())
    def receive(self, side: int, choice: int, acknowledged: bool, crash: bool) -> None:
        frames = list(self.mail[side].frames.values())
        if not frames:
            return
        outgoing = frames[choice % len(frames)]
        try:
            self._deliver(side, outgoing, crash=crash)
        except Crash:
            return
        if acknowledged:
            del self.mail[side].frames[outgoing.frame_id]

    @precondition(lambda self: any(mail.taken for mail in self.mail))
    @rule(side=SIDES, choice=st.integers(0, 1000))
    def replay(self, side: int, choice: int) -> None:
        """Somebody delivers an old frame under a new id."""
        taken = self.mail[side].taken
        if taken:
            old = taken[choice % len(taken)]
            self._deliver(side, replace(old, frame_id=FrameId(secrets.token_bytes(16))))

    @rule(side=SIDES)
    def late_word(self, side: int) -> None:
        """The server repeats itself about a frame that it spoke of before."""
        for frame_id in list(self.mail[1 - side].frames)[:1]:
            self.parties[side].result(frame_id, Outcome.STORED)

    @rule(side=SIDES)
    def send_receipts(self, side: int) -> None:
        self.parties[side].send_receipts()

    @rule(seconds=st.sampled_from([1.0, 5.0, 700.0]))
    def wait(self, seconds: float) -> None:
        self._pass(seconds)

    @rule(side=SIDES)
    def restart(self, side: int) -> None:
        self.parties[side].restart()

    # --- What has to be true

    @precondition(lambda self: any(self.written))
    @invariant()
    def nothing_arrives_twice_or_out_of_nowhere(self) -> None:
        for side, party in enumerate(self.parties):
            arrived = party.texts(Direction.INCOMING)
            assert len(arrived) == len(set(arrived))
            assert set(arrived) <= set(self.written[1 - side])

    @invariant()
    def everything_can_be_read(self) -> None:
        for party in self.parties:
            assert not [event for event in party.events if isinstance(event, FrameUnreadable)]
            party.check_states_only_move_forward()

    def _settle(self) -> None:
        """From now on the network is honest: whatever was said has to arrive, and both have to agree."""
        for _ in range(6):
            for party in self.parties:
                if party.standing() is ContactState.ASKING:
                    party.accept()
                party.mark_read()
                party.send_receipts()
            self._exchange()
            self._pass(700.0)
        standings = {party.standing() for party in self.parties}
        assert len(standings) == 1
        for side, party in enumerate(self.parties):
            assert sorted(party.texts(Direction.INCOMING)) == sorted(self.written[1 - side])
            assert party.texts(Direction.OUTGOING) == self.written[side]
            assert set(party.states()) <= {MessageState.READ}
            assert party.due() == []
            if party.contact() is not None:
                assert not party.awaits_answer()
        self.everything_can_be_read()

    def _exchange(self) -> None:
        for side, party in enumerate(self.parties):
            for outgoing in party.due():
                self.watch.see(outgoing)
                self._deliver(1 - side, outgoing)
                party.result(outgoing.frame_id, Outcome.DELIVERED)
            for outgoing in list(self.mail[side].frames.values()):
                self._deliver(side, outgoing)
                del self.mail[side].frames[outgoing.frame_id]

    def _deliver(self, side: int, outgoing: OutgoingFrame, *, crash: bool = False) -> None:
        recv_id = self.parties[side].mailboxes()[outgoing.send_id]
        self.parties[side].take(IncomingFrame(1, recv_id, outgoing.frame_id, outgoing.frame), crash=crash)
        self.mail[side].taken.append(outgoing)

    def _pass(self, seconds: float) -> None:
        self.now += seconds
        for party in self.parties:
            party.now = self.now


TestConversation = Conversation.TestCase
TestConversation.settings = settings(
    max_examples=50, stateful_step_count=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
