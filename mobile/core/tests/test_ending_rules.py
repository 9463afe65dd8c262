"""End session: what goes on both sides, what stays, and how two people go on afterwards."""

import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from core_world import Crash, Party
from handshaker_core.client import ending, introducing, live
from handshaker_core.client.errors import NoSession, NotConnected
from handshaker_core.client.events import FrameUnreadable, NoticeAdded
from handshaker_core.client.prekeys import read_bundle
from handshaker_core.credentials import FrameId
from handshaker_core.model import Direction, MessageState, Notice
from handshaker_core.net.relay import IncomingFrame, Outcome
from handshaker_core.protocol import session as protocol
from handshaker_core.protocol.bundle import verify_bundle
from handshaker_core.protocol.live import EndReason, Phase
from handshaker_core.store import messages, sessions
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


def end(party: Party) -> None:
    on(party, ending.end)


def count(party: Party) -> int:
    return len(on(party, lambda u, who: sessions.of_contact(u.c, who)))


def notices(party: Party) -> list[Notice]:
    history = on(party, lambda u, who: messages.history(u.c, who, None, 1000, None))
    return [line.notice for line in history if line.notice is not None]


def begin_anew(party: Party, other: Party) -> None:
    """What the client does when there is something to say and no session."""
    verified = verify_bundle(
        read_bundle(other.fetched_bundle()), other.keys.identity_key, other.keys.certificate.bundle_id
    )
    session, _ = protocol.initiate(party.keys.local, verified, now=party.now)
    on(party, lambda u, who: introducing._tell(u, who, None, [session]))


def test_keys_go_on_both_sides_and_both_are_told(pair: Pair) -> None:
    a, b = pair
    assert (count(a), count(b)) == (1, 1)
    end(a)
    assert count(a) == 0
    assert notices(a) == [Notice.SESSION_ENDED]
    assert (count(b), notices(b)) == (1, [])
    exchange(a, b)
    assert count(b) == 0
    assert notices(b) == [Notice.SESSION_ENDED_BY_CONTACT]
    assert [type(event) for event in b.events].count(NoticeAdded) == 1
    assert not any(isinstance(event, FrameUnreadable) for event in (*a.events, *b.events))


def test_what_was_said_stays(pair: Pair) -> None:
    a, b = pair
    before = a.texts(Direction.INCOMING), b.texts(Direction.INCOMING)
    end(a)
    exchange(a, b)
    after = a.texts(Direction.INCOMING), b.texts(Direction.INCOMING)
    assert before[0] == after[0]
    assert [text for text in after[1] if text in before[1]] == before[1]


def test_a_copy_of_both_stores_reads_no_earlier_frame(pair: Pair, tmp_path: Path) -> None:
    a, b = pair
    a.send("overtaken")
    b.send("never arrives")
    late, lost = a.due(), b.due()
    a.result(late[-1].frame_id, Outcome.STORED)
    b.result(lost[-1].frame_id, Outcome.STORED)
    a.send("after it")
    exchange(a, b)  # now b keeps a skipped key
    overheard = [(b, late[-1]), (a, lost[-1])]

    def readable(folder: str) -> list[bool]:
        """Copy both stores and give the copies the frames that somebody has recorded."""
        found = []
        for number, (party, frame) in enumerate(overheard):
            party.database.close()
            home = tmp_path / folder / str(number)
            shutil.copytree(party.path.parent, home)
            party.restart()
            copy = Party(home / "db")
            again = IncomingFrame(1, copy.mailboxes()[frame.send_id], FrameId(secrets.token_bytes(16)), frame.frame)
            before = len(copy.texts(Direction.INCOMING))
            copy.take(again)
            texts = copy.texts(Direction.INCOMING)[before:]
            found.append(any(texts))
            copy.close()
        return found

    assert readable("before") == [True, True]
    end(a)
    exchange(a, b)
    assert readable("after") == [False, False]


def test_no_table_still_holds_the_state(pair: Pair) -> None:
    a, b = pair
    states = [session.ratchet.to_bytes() for session in on(a, lambda u, who: sessions.of_contact(u.c, who))]
    root = states[0][1:33]
    assert root in dump(a)
    end(a)
    exchange(a, b)
    assert root not in dump(a)


def dump(party: Party) -> bytes:
    """Everything in the database, without encryption."""
    c = party.database._connection
    plain = party.path.with_suffix(".plain")
    c.execute(f"ATTACH DATABASE '{plain}' AS plain KEY ''")
    c.execute("SELECT sqlcipher_export('plain')")
    c.execute("DETACH DATABASE plain")
    data = plain.read_bytes()
    plain.unlink()
    return data


def test_the_next_message_of_either_side_goes_over_a_new_session(pair: Pair) -> None:
    a, b = pair
    for one, other in ((a, b), (b, a)):
        old = [session.handshake_id for session in on(one, lambda u, who: sessions.of_contact(u.c, who))]
        end(one)
        exchange(one, other)
        assert on(one, ending.without_session) == [other.keys.certificate.device_id]
        begin_anew(other, one)
        assert on(other, ending.without_session) == []
        other.send("with new keys")
        exchange(other, one)
        one.send("and back")
        exchange(one, other)
        assert one.texts(Direction.INCOMING)[-1] == "with new keys"
        assert other.texts(Direction.INCOMING)[-1] == "and back"
        new = [session.handshake_id for session in on(one, lambda u, who: sessions.of_contact(u.c, who))]
        assert not set(old) & set(new)


def test_nothing_can_be_sent_without_a_session_and_nothing_is_ended_twice(pair: Pair) -> None:
    a, b = pair
    end(a)
    for work in (lambda: a.send("too late"), lambda: end(a)):
        before = a.history()
        with pytest.raises((NotConnected, NoSession)):
            work()
        assert a.history() == before
    exchange(a, b)
    with pytest.raises(NoSession):
        end(b)
    assert notices(a) == [Notice.SESSION_ENDED]


def test_what_waits_for_the_network_fails_and_says_why(pair: Pair) -> None:
    a, b = pair
    b.send("not sent yet")
    end(a)
    deliver(b, a.due(), a)
    history = on(b, lambda u, who: messages.history(u.c, who, "not sent yet", 10, None))
    assert [(line.state, line.failure) for line in history] == [(MessageState.FAILED, "session_ended")]
    assert b.due() == []


def test_what_was_under_way_is_shown_as_unreadable_and_not_lost_silently(pair: Pair) -> None:
    a, b = pair
    b.send("crossing")
    crossing = b.due()
    end(a)
    deliver(a, crossing, b)
    assert [event for event in a.events if isinstance(event, FrameUnreadable)]


def test_receipts_that_are_owed_are_sent_before_the_end(pair: Pair) -> None:
    a, b = pair
    b.send("have you got it?")
    deliver(a, b.due(), b)
    end(a)
    exchange(a, b)
    assert b.states()[-1] is MessageState.DELIVERED


def test_nothing_is_owed_to_somebody_without_a_session(pair: Pair) -> None:
    a, b = pair
    b.send("read me later")
    exchange(a, b)
    end(b)
    exchange(a, b)
    a.mark_read()
    a.now += 10
    a.send_receipts()
    assert a.due() == []


def test_when_both_end_at_the_same_moment_both_are_without_keys(pair: Pair) -> None:
    a, b = pair
    end(a)
    end(b)
    exchange(a, b)
    assert (count(a), count(b)) == (0, 0)
    begin_anew(a, b)
    a.send("again")
    exchange(a, b)
    assert b.texts(Direction.INCOMING)[-1] == "again"


def test_when_both_begin_anew_at_the_same_moment_they_understand_each_other(pair: Pair) -> None:
    a, b = pair
    end(a)
    exchange(a, b)
    begin_anew(a, b)
    begin_anew(b, a)
    a.send("from a")
    b.send("from b")
    exchange(a, b)
    for number in range(4):
        a.send(f"a{number}")
        exchange(a, b)
        b.send(f"b{number}")
        exchange(a, b)
    assert b.texts(Direction.INCOMING)[-5:] == ["from a", "a0", "a1", "a2", "a3"]
    assert a.texts(Direction.INCOMING)[-5:] == ["from b", "b0", "b1", "b2", "b3"]


def test_an_end_that_arrives_late_leaves_the_new_session_alone(pair: Pair) -> None:
    a, b = pair
    end(a)
    *earlier, late = a.due()
    deliver(b, earlier, a)
    a.result(late.frame_id, Outcome.STORED)
    begin_anew(a, b)
    a.send("new session")
    exchange(a, b)
    deliver(b, [late])
    a.send("still works")
    exchange(a, b)
    assert [text for text in b.texts(Direction.INCOMING) if text.startswith(("new", "still"))] == [
        "new session",
        "still works",
    ]
    assert notices(b) == []


@pytest.mark.parametrize("crash", [True, False])
def test_a_crash_before_the_commit_ends_nothing(pair: Pair, crash: bool) -> None:
    a, b = pair
    if crash:
        with pytest.raises(Crash):
            on(a, ending.end, crash=True)
        a.restart()
        assert count(a) == 1
    else:
        end(a)
        a.restart()
        assert count(a) == 0
    exchange(a, b)
    assert count(b) == count(a)


def test_a_live_session_ends_with_the_session(pair: Pair) -> None:
    a, b = pair
    on(a, live.start)
    deliver(b, a.due(), a)
    on(b, live.start)
    deliver(a, b.due(), b)
    assert on(a, live.status).phase is Phase.LIVE
    end(b)
    assert on(b, live.status).ended is EndReason.SESSION_ENDED
    exchange(a, b)
    assert on(a, live.status).ended is EndReason.SESSION_ENDED
