"""Live sessions in the client's units of work: what is said where, and that nothing of them survives the process."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from core_world import Crash, Party
from handshaker_core.client import inbox, live
from handshaker_core.client.errors import AttentionNeeded, NotConnected
from handshaker_core.client.events import LiveSessionChanged
from handshaker_core.errors import LiveSessionOpen, NoLiveSession
from handshaker_core.model import Attention, LiveSession
from handshaker_core.net.relay import IncomingFrame, Outcome, OutgoingFrame, Policy
from handshaker_core.protocol.live import LONGEST_SECONDS, OFFER_SECONDS, EndReason, LiveKeys, Phase
from handshaker_core.store import contacts
from pairs import Pair, deliver, exchange, friends_in, on


@pytest.fixture(scope="module")
def friends(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return friends_in(tmp_path_factory.mktemp("friends"))


@pytest.fixture
def pair(friends: Path, tmp_path: Path) -> Iterator[Pair]:
    shutil.copytree(friends, tmp_path, dirs_exist_ok=True)
    both = Party(tmp_path / "a" / "db"), Party(tmp_path / "b" / "db")
    yield both
    for party in both:
        party.close()


def status(party: Party) -> LiveSession:
    return on(party, live.status)


def phases(a: Party, b: Party) -> tuple[Phase, Phase]:
    return status(a).phase, status(b).phase


def keys(party: Party) -> LiveKeys:
    found = on(party, live.keys)
    assert found is not None
    return found


def go_live(a: Party, b: Party) -> None:
    on(a, live.start)
    deliver(b, a.due(), a)
    on(b, live.start)
    deliver(a, b.due(), b)
    assert phases(a, b) == (Phase.LIVE, Phase.LIVE)


def test_an_offer_and_an_acceptance_give_both_the_same_keys(pair: Pair) -> None:
    a, b = pair
    assert phases(a, b) == (Phase.IDLE, Phase.IDLE)
    on(a, live.start)
    assert phases(a, b) == (Phase.OFFERED, Phase.IDLE)
    assert on(a, live.keys) is None
    deliver(b, a.due(), a)
    assert phases(a, b) == (Phase.OFFERED, Phase.ACCEPTING)
    on(b, live.start)
    deliver(a, b.due(), b)
    assert phases(a, b) == (Phase.LIVE, Phase.LIVE)
    assert (keys(a).sending, keys(a).receiving) == (keys(b).receiving, keys(b).sending)
    seen = [event.session.phase for event in b.events if isinstance(event, LiveSessionChanged)]
    assert seen == [Phase.ACCEPTING, Phase.LIVE]


def test_offers_and_acceptances_are_not_kept_by_servers_and_the_end_is(pair: Pair) -> None:
    a, b = pair
    on(a, live.start)
    (offer,) = a.due()
    assert offer.policy is Policy.LIVE_ONLY
    deliver(b, [offer], a)
    on(b, live.start)
    (acceptance,) = b.due()
    assert acceptance.policy is Policy.LIVE_ONLY
    deliver(a, [acceptance], b)
    on(a, live.end)
    (ending,) = a.due()
    assert ending.policy is Policy.STORE


def test_messages_go_on_beside_it_and_after_it(pair: Pair) -> None:
    a, b = pair
    go_live(a, b)
    before = keys(a)
    a.send("beside it")
    exchange(a, b)
    assert keys(a) == before
    on(b, live.end)
    exchange(a, b)
    assert phases(a, b) == (Phase.ENDED, Phase.ENDED)
    assert (status(a).ended, status(b).ended) == (EndReason.ENDED_BY_CONTACT, EndReason.ENDED_HERE)
    b.send("after it")
    exchange(a, b)
    assert b.history()[-2:] == a.history()[-2:] == ["beside it", "after it"]


def test_where_both_offer_at_once_both_are_live_without_asking(pair: Pair) -> None:
    a, b = pair
    on(a, live.start)
    on(b, live.start)
    crossing_a, crossing_b = a.due(), b.due()
    deliver(b, crossing_a, a)
    deliver(a, crossing_b, b)
    exchange(a, b)
    assert phases(a, b) == (Phase.LIVE, Phase.LIVE)
    assert (keys(a).sending, keys(a).receiving) == (keys(b).receiving, keys(b).sending)


def test_somebody_who_is_away_is_not_asked_later(pair: Pair) -> None:
    a, b = pair
    on(a, live.start)
    (offer,) = a.due()
    a.result(offer.frame_id, Outcome.OFFLINE)
    assert status(a).ended is EndReason.NOT_THERE
    assert a.due() == []
    assert status(b).phase is Phase.IDLE
    go_live(a, b)


def test_an_offer_that_arrives_too_late_is_answered_with_the_end(pair: Pair) -> None:
    a, b = pair
    on(a, live.start)
    late = a.due()
    a.now += OFFER_SECONDS
    assert status(a).ended is EndReason.NO_ANSWER
    deliver(b, late, a)
    on(b, live.start)
    assert status(b).phase is Phase.LIVE
    exchange(a, b)
    assert status(b).ended is EndReason.ENDED_BY_CONTACT
    assert on(b, live.keys) is None


def test_an_offer_that_could_not_leave_in_time_never_leaves(pair: Pair) -> None:
    a, _ = pair
    on(a, live.start)
    assert len(a.due()) == 1
    a.now += OFFER_SECONDS
    assert a.do(live.expire_all) is None
    assert a.due() == []


def test_an_offer_of_an_earlier_process_never_leaves(pair: Pair) -> None:
    a, _ = pair
    a.send("but messages do")
    on(a, live.start)
    a.restart()
    a.do(live.forget_frames)
    assert [frame.policy for frame in a.due()] == [Policy.STORE]


def test_nothing_is_offered_to_somebody_who_needs_attention(pair: Pair) -> None:
    a, b = pair
    on(a, lambda u, who: contacts.set_attention(u.c, who, Attention.DEVICE_ADDED))
    with pytest.raises(AttentionNeeded):
        on(a, live.start)
    assert (a.due(), status(a).phase) == ([], Phase.IDLE)
    on(a, lambda u, who: contacts.set_attention(u.c, who, None))
    go_live(a, b)


def test_time_ends_it_on_each_side(pair: Pair) -> None:
    a, b = pair
    go_live(a, b)
    for party in pair:
        party.now += LONGEST_SECONDS - 1
        assert status(party).phase is Phase.LIVE
        assert party.do(live.expire_all) == 1.0
        party.now += 1
        assert party.do(live.expire_all) is None
        assert status(party).ended is EndReason.TOO_LONG
        assert on(party, live.keys) is None


def test_a_restart_ends_it_and_the_other_side_can_begin_again(pair: Pair) -> None:
    a, b = pair
    go_live(a, b)
    old = keys(a)
    b.restart()
    assert phases(a, b) == (Phase.LIVE, Phase.IDLE)
    on(b, live.start)
    deliver(a, b.due(), b)
    assert status(a).phase is Phase.ACCEPTING
    on(a, live.start)
    exchange(a, b)
    assert phases(a, b) == (Phase.LIVE, Phase.LIVE)
    assert keys(a).sending != old.sending


def test_closing_tells_the_other_side(pair: Pair) -> None:
    a, b = pair
    go_live(a, b)
    assert a.do(live.end_all) == 1
    assert a.do(live.end_all) == 0
    exchange(a, b)
    assert status(b).ended is EndReason.ENDED_BY_CONTACT


def test_no_key_is_ever_in_the_store(pair: Pair) -> None:
    a, b = pair
    go_live(a, b)
    for party in pair:
        held = keys(party)
        party.database.close()
        files = b"".join(path.read_bytes() for path in party.path.parent.iterdir())
        party.restart()
        tables = [row[0] for row in party.do(lambda u: u.c.execute("SELECT name FROM sqlite_schema").fetchall())]
        rows = [
            value
            for table in tables
            if not table.startswith(("sqlite_", "messages_fts")) and is_table(party, table)
            for row in party.do(lambda u, table=table: u.c.execute(f"SELECT * FROM {table}").fetchall())  # type: ignore[misc]
            for value in row
            if isinstance(value, bytes)
        ]
        assert len(rows) > 20
        for key in (held.sending.raw, held.receiving.raw):
            assert key not in files
            assert not any(key in value for value in rows)


def is_table(party: Party, name: str) -> bool:
    kinds = party.do(lambda u: u.c.execute("SELECT type FROM sqlite_schema WHERE name = ?", (name,)).fetchall())
    return kinds == [("table",)]


def test_a_unit_that_fails_changes_no_live_session(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = pair
    on(a, live.start)
    (offer,) = a.due()

    def taken_and_then_a_mistake(*arguments: object) -> None:
        original(*arguments)  # type: ignore[arg-type]
        raise ZeroDivisionError

    original = live.take
    monkeypatch.setattr(live, "take", taken_and_then_a_mistake)
    b.take(incoming(b, offer))
    assert status(b).phase is Phase.IDLE
    assert not any(isinstance(event, LiveSessionChanged) for event in b.events)


def test_a_crash_while_it_is_agreed_leaves_nothing_half_agreed(pair: Pair) -> None:
    a, b = pair
    with pytest.raises(Crash):
        on(a, live.start, crash=True)
    a.restart()
    assert a.due() == []
    on(a, live.start)
    (offer,) = a.due()
    arriving = incoming(b, offer)
    with pytest.raises(Crash):
        b.do(lambda u: inbox.take_all(u, [arriving]), crash=True)
    b.restart()
    b.take(arriving)  # the server delivers it again
    on(b, live.start)
    exchange(a, b)
    assert phases(a, b) == (Phase.LIVE, Phase.LIVE)
    assert keys(a).sending == keys(b).receiving


def incoming(to: Party, frame: OutgoingFrame) -> IncomingFrame:
    return IncomingFrame(1, to.mailboxes()[frame.send_id], frame.frame_id, frame.frame)


def test_what_cannot_be_done_changes_nothing(pair: Pair) -> None:
    a, b = pair
    with pytest.raises(NoLiveSession):
        on(a, live.end)
    on(a, live.start)
    with pytest.raises(LiveSessionOpen):
        on(a, live.start)
    assert len(a.due()) == 1
    stranger = Party(a.path.parent.parent / "c" / "db")
    stranger.ask(b)
    with pytest.raises(NotConnected):
        on(stranger, live.start)
    stranger.close()
