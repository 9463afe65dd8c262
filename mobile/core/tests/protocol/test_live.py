"""Live sessions: both ends come to the same keys or to none, and the keys are nowhere but in the state."""

import os
from dataclasses import dataclass, field

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from handshaker_core.errors import LiveSessionOpen, NoLiveSession
from handshaker_core.protocol import live
from handshaker_core.protocol.keys import ExportedSecret
from handshaker_core.protocol.live import (
    LONGEST_SECONDS,
    OFFER_SECONDS,
    Accepting,
    Ended,
    EndReason,
    Idle,
    Live,
    LiveId,
    LiveState,
    Offered,
    Reply,
)
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

NOW = 1_800_000_000.0
SMALL, LARGE = LiveId(b"\x01" * 16), LiveId(b"\x02" * 16)


def secret() -> ExportedSecret:
    return ExportedSecret(os.urandom(32))


def agreed() -> tuple[LiveState, LiveState]:
    offered, accepted = secret(), secret()
    one: LiveState = live.offer(Idle(), SMALL, offered, NOW)
    other, reply = live.receive_offer(Idle(), SMALL, offered, NOW)
    assert reply is Reply.NOTHING
    other = live.accept(other, accepted, NOW)
    one, reply = live.receive_accept(one, SMALL, accepted, NOW)
    assert reply is Reply.NOTHING
    return one, other


def test_both_derive_the_keys_that_are_specified() -> None:
    offered, accepted = ExportedSecret(b"o" * 32), ExportedSecret(b"a" * 32)
    one, _ = live.receive_accept(live.offer(Idle(), SMALL, offered, NOW), SMALL, accepted, NOW)
    other = live.accept(live.receive_offer(Idle(), SMALL, offered, NOW)[0], accepted, NOW)
    assert isinstance(one, Live)
    expected = HKDF(SHA256(), 64, bytes(32), b"handshaker/v1/live-session-key" + SMALL).derive(b"o" * 32 + b"a" * 32)
    assert one.keys.sending.raw + one.keys.receiving.raw == expected
    assert (one.keys.sending, one.keys.receiving) == (other.keys.receiving, other.keys.sending)


@pytest.mark.parametrize("which", ["offer", "acceptance", "id"])
def test_keys_depend_on_both_messages_and_on_the_id(which: str) -> None:
    offered, accepted = ExportedSecret(b"o" * 32), ExportedSecret(b"a" * 32)
    state = live.offer(Idle(), SMALL, offered, NOW)
    right, _ = live.receive_accept(state, SMALL, accepted, NOW)
    other_offer = live.offer(Idle(), LARGE if which == "id" else SMALL, secret() if which == "offer" else offered, NOW)
    wrong, _ = live.receive_accept(
        other_offer, other_offer.live_id, secret() if which == "acceptance" else accepted, NOW
    )
    assert isinstance(right, Live)
    assert isinstance(wrong, Live)
    assert right.keys.sending != wrong.keys.sending
    assert right.keys.receiving != wrong.keys.receiving


def test_nobody_offers_while_there_is_one() -> None:
    one, other = agreed()
    for state in (one, other, Offered(SMALL, secret(), NOW), Accepting(SMALL, secret(), NOW)):
        with pytest.raises(LiveSessionOpen):
            live.offer(state, LARGE, secret(), NOW)
    assert live.offer(Ended(EndReason.NO_ANSWER), LARGE, secret(), NOW).live_id == LARGE


def test_only_an_offer_can_be_accepted() -> None:
    one, _ = agreed()
    for state in (Idle(), one, Offered(SMALL, secret(), NOW), Ended(EndReason.ENDED_HERE)):
        with pytest.raises(NoLiveSession):
            live.accept(state, secret(), NOW)


def test_where_both_offer_the_smaller_id_counts() -> None:
    a_offer, b_offer, a_accept = secret(), secret(), secret()
    a: LiveState = live.offer(Idle(), LARGE, a_offer, NOW)
    b: LiveState = live.offer(Idle(), SMALL, b_offer, NOW)
    b, reply = live.receive_offer(b, LARGE, a_offer, NOW)
    assert reply is Reply.NOTHING
    a, reply = live.receive_offer(a, SMALL, b_offer, NOW)
    assert reply is Reply.ACCEPT
    a = live.accept(a, a_accept, NOW)
    b, _ = live.receive_accept(b, SMALL, a_accept, NOW)
    assert isinstance(b, Live)
    assert (a.live_id, a.keys.sending) == (b.live_id, b.keys.receiving)


def test_an_acceptance_of_something_else_is_answered_with_the_end() -> None:
    for state in (Idle(), Ended(EndReason.NO_ANSWER), Offered(LARGE, secret(), NOW)):
        assert live.receive_accept(state, SMALL, secret(), NOW) == (state, Reply.END)


def test_a_repeated_acceptance_changes_nothing() -> None:
    one, _ = agreed()
    assert live.receive_accept(one, SMALL, secret(), NOW) == (one, Reply.NOTHING)


def test_a_new_offer_shows_that_the_other_side_has_forgotten() -> None:
    one, _ = agreed()
    state, reply = live.receive_offer(one, LARGE, secret(), NOW)
    assert isinstance(state, Accepting)
    assert reply is Reply.NOTHING


def test_each_side_can_end_it_at_any_stage() -> None:
    one, other = agreed()
    for state in (one, other, Offered(SMALL, secret(), NOW), Accepting(SMALL, secret(), NOW)):
        assert live.end(state) == Ended(EndReason.ENDED_HERE)
        assert live.receive_end(state, SMALL) == Ended(EndReason.ENDED_BY_CONTACT)
        assert live.receive_end(state, LARGE) == state
    for nothing in (Idle(), Ended(EndReason.ENDED_HERE)):
        with pytest.raises(NoLiveSession):
            live.end(nothing)
        assert live.receive_end(nothing, SMALL) == nothing


def test_offers_and_sessions_end_with_time_and_not_before() -> None:
    one, _ = agreed()
    for waiting in (Offered(SMALL, secret(), NOW), Accepting(SMALL, secret(), NOW)):
        assert live.expire(waiting, NOW + OFFER_SECONDS - 1) == waiting
        assert live.expire(waiting, NOW + OFFER_SECONDS) == Ended(EndReason.NO_ANSWER)
        assert live.expire(waiting, NOW - 1) == Ended(EndReason.NO_ANSWER)
    assert live.expire(one, NOW + LONGEST_SECONDS - 1) == one
    assert live.expire(one, NOW + LONGEST_SECONDS) == Ended(EndReason.TOO_LONG)
    assert live.expire(Idle(), NOW + 10**9) == Idle()


def test_no_repr_shows_a_key() -> None:
    one, other = agreed()
    states = (
        one,
        other,
        Offered(SMALL, ExportedSecret(b"S" * 32), NOW),
        Accepting(SMALL, ExportedSecret(b"S" * 32), NOW),
    )
    for state in states:
        assert "SSSS" not in repr(state)
        assert "keys" not in repr(state)
    assert isinstance(one, Live)
    assert repr(one.keys.sending) == "LiveKey(<redacted>)"


# --- Two sides and a network that reorders, loses and delays


@dataclass
class Side:
    state: LiveState = field(default_factory=Idle)
    inbox: list[tuple[str, LiveId, ExportedSecret]] = field(default_factory=list)


class LiveMachine(RuleBasedStateMachine):
    """Whatever arrives in whatever order: two sides that are live under the same id have the same keys."""

    @initialize()
    def begin(self) -> None:
        self.sides = [Side(), Side()]
        self.now = NOW

    def post(self, sender: int, kind: str, live_id: LiveId) -> ExportedSecret:
        exported = secret()
        self.sides[1 - sender].inbox.append((kind, live_id, exported))
        return exported

    @rule(side=st.integers(0, 1))
    def offers(self, side: int) -> None:
        me = self.sides[side]
        if isinstance(me.state, Idle | Ended):
            live_id = live.new_live_id(os.urandom)
            me.state = live.offer(me.state, live_id, self.post(side, "offer", live_id), self.now)

    @rule(side=st.integers(0, 1))
    def accepts(self, side: int) -> None:
        me = self.sides[side]
        if isinstance(me.state, Accepting):
            me.state = live.accept(me.state, self.post(side, "accept", me.state.live_id), self.now)

    @rule(side=st.integers(0, 1))
    def ends(self, side: int) -> None:
        me = self.sides[side]
        if not isinstance(me.state, Idle | Ended):
            self.post(side, "end", me.state.live_id)
            me.state = live.end(me.state)

    @rule(side=st.integers(0, 1))
    def restarts(self, side: int) -> None:
        self.sides[side].state = Idle()

    @rule(seconds=st.sampled_from([1.0, OFFER_SECONDS, LONGEST_SECONDS]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        for side in self.sides:
            side.state = live.expire(side.state, self.now)

    @precondition(lambda self: any(side.inbox for side in self.sides))
    @rule(data=st.data(), side=st.integers(0, 1), lost=st.booleans())
    def receives(self, data: st.DataObject, side: int, lost: bool) -> None:
        me = self.sides[side]
        if not me.inbox:
            return
        kind, live_id, exported = me.inbox.pop(data.draw(st.integers(0, len(me.inbox) - 1)))
        if lost:
            return
        reply = Reply.NOTHING
        if kind == "offer":
            me.state, reply = live.receive_offer(me.state, live_id, exported, self.now)
        elif kind == "accept":
            me.state, reply = live.receive_accept(me.state, live_id, exported, self.now)
        else:
            me.state = live.receive_end(me.state, live_id)
        if reply is Reply.ACCEPT:
            self.accepts(side)
        elif reply is Reply.END:
            self.post(side, "end", live_id)

    @invariant()
    def same_session_same_keys(self) -> None:
        one, other = (side.state for side in getattr(self, "sides", [Side(), Side()]))
        if isinstance(one, Live) and isinstance(other, Live) and one.live_id == other.live_id:
            assert (one.keys.sending, one.keys.receiving) == (other.keys.receiving, other.keys.sending)


LiveMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestLiveMachine = LiveMachine.TestCase
