"""Messages that disappear: two clients' rules with a clock of their own, and what the disk holds afterwards."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from core_world import Party
from handshaker_core.client import disappearing
from handshaker_core.client.content import Content, MalformedContent, Text, TimerChanged
from handshaker_core.client.disappearing import spelled
from handshaker_core.client.errors import InvalidTimer, NotConnected
from handshaker_core.client.events import MessageExpired
from handshaker_core.credentials import FrameId
from handshaker_core.model import Direction, MessageKind, MessageState, Notice
from handshaker_core.net.relay import IncomingFrame, Outcome
from handshaker_core.store import messages, timers
from hypothesis import given
from hypothesis import strategies as st

HOUR = 3_600
DAY = 86_400


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Party, Party]]:
    """Two people who are connected."""
    a, b = Party(tmp_path / "a" / "db"), Party(tmp_path / "b" / "db")
    a.ask(b)
    carry(a, b)
    b.accept()
    carry(b, a)
    carry(a, b)
    yield a, b
    a.close()
    b.close()


def carry(*parties: Party, outcome: Outcome = Outcome.DELIVERED) -> None:
    """Take what the first has to send to the second."""
    sender, recipient = parties
    for frame in sender.due():
        recipient.take(IncomingFrame(1, recipient.mailboxes()[frame.send_id], FrameId(frame.frame_id), frame.frame))
        sender.result(frame.frame_id, outcome)


def later(seconds: float, *parties: Party) -> None:
    """Time goes by, and everybody looks what is due."""
    for party in parties:
        party.now += seconds
        party.do(disappearing.sweep)


def set_timer(party: Party, seconds: int | None) -> None:
    contact = party.contact()
    assert contact is not None
    party.do(lambda u: disappearing.change(u, contact, seconds))


def timer(party: Party) -> int | None:
    contact = party.contact()
    assert contact is not None
    return party.do(lambda u: timers.get(u.c, contact))


def texts(party: Party) -> list[str]:
    """What was said, without the lines that the client put there."""
    contact = party.contact()
    assert contact is not None
    found = party.do(lambda u: messages.history(u.c, contact, None, 1000, None))
    return [message.text for message in found if message.kind is MessageKind.TEXT][1:]  # without the greeting


def expired(party: Party) -> int:
    return sum(isinstance(event, MessageExpired) for event in party.events)


def test_a_message_disappears_from_both_sides_each_in_its_own_time(pair: tuple[Party, Party]) -> None:
    a, b = pair
    a.send("stays")
    carry(a, b)
    set_timer(a, HOUR)
    carry(a, b)
    assert timer(a) == timer(b) == HOUR
    a.send("goes")
    carry(a, b)
    later(0, a, b)
    later(HOUR - 1, a, b)
    assert texts(a) == texts(b) == ["stays", "goes"]
    later(2, a, b)
    # It left the sender an hour ago; the recipient has not read it.
    assert (texts(a), texts(b)) == (["stays"], ["stays", "goes"])
    later(10 * DAY, b)
    assert texts(b) == ["stays", "goes"]
    b.mark_read()
    later(0, b)
    later(HOUR - 1, b)
    assert texts(b) == ["stays", "goes"]
    later(2, b)
    assert texts(b) == ["stays"]
    assert (expired(a), expired(b)) == (1, 1)


def test_what_has_not_left_yet_waits(pair: tuple[Party, Party]) -> None:
    a, b = pair
    set_timer(a, HOUR)
    carry(a, b)
    a.send("queued")
    later(DAY, a)
    assert texts(a) == ["queued"]
    carry(a, b, outcome=Outcome.STORED)
    later(0, a)
    later(HOUR + 1, a)
    assert texts(a) == []
    assert texts(b) == ["queued"]


def test_both_sides_see_who_changed_it_and_to_what(pair: tuple[Party, Party]) -> None:
    a, b = pair
    set_timer(a, 7 * DAY)
    carry(a, b)
    set_timer(b, None)
    carry(b, a)
    assert timer(a) is timer(b) is None
    for party, notices in (
        (a, [Notice.TIMER_CHANGED, Notice.TIMER_CHANGED_BY_CONTACT]),
        (b, [Notice.TIMER_CHANGED_BY_CONTACT, Notice.TIMER_CHANGED]),
    ):
        contact = party.contact()
        assert contact is not None
        found = party.do(lambda u, contact=contact: messages.history(u.c, contact, None, 1000, None))
        lines = [message for message in found if message.kind is MessageKind.NOTICE]
        assert [line.notice for line in lines] == notices
        assert "1 week" in lines[0].text
        assert "off" in lines[1].text
    later(10 * DAY, a, b)
    a.send("stays")
    carry(a, b)
    b.mark_read()
    later(10 * DAY, a, b)
    assert texts(b) == ["stays"]


def test_two_who_set_it_at_once_agree(pair: tuple[Party, Party]) -> None:
    a, b = pair
    set_timer(a, HOUR)
    set_timer(b, DAY)
    carry(a, b)
    carry(b, a)
    assert timer(a) == timer(b) == DAY  # the same moment: the longer one holds
    b.now += 5
    set_timer(a, HOUR)
    set_timer(b, None)
    carry(b, a)
    carry(a, b)
    assert timer(a) is timer(b) is None  # the later one holds


def test_the_one_who_acts_last_decides_even_with_a_clock_that_is_behind(pair: tuple[Party, Party]) -> None:
    a, b = pair
    a.now += 30 * DAY
    set_timer(a, HOUR)
    carry(a, b)
    assert timer(b) == HOUR
    set_timer(b, DAY)
    carry(b, a)
    assert timer(a) == timer(b) == DAY


def test_it_survives_a_restart_and_clocks_that_jump(pair: tuple[Party, Party]) -> None:
    a, b = pair
    set_timer(a, HOUR)
    carry(a, b)
    a.send("one")
    carry(a, b)
    later(0, a)
    a.restart()
    assert timer(a) == HOUR
    later(-365 * DAY, a)  # set back by a year: it may live an hour from now, not a year and an hour
    later(HOUR - 1, a)
    assert texts(a) == ["one"]
    later(2, a)
    assert texts(a) == []
    b.mark_read()
    later(0, b)
    b.restart()
    later(400 * DAY, b)
    assert texts(b) == []


def test_nothing_of_it_is_left_in_the_database_or_its_log(pair: tuple[Party, Party]) -> None:
    a, b = pair
    word = "Feuerwanzen"
    set_timer(a, HOUR)
    carry(a, b)
    a.send(f"ein Wort wie {word} vergisst man nicht")
    carry(a, b)
    later(0, a)
    contact = a.contact()
    assert contact is not None

    def index(party: Party) -> bytes:
        return party.do(
            lambda u: b"".join(row[0] for row in u.c.execute("SELECT block FROM messages_fts_data").fetchall())
        )

    def found(party: Party) -> int:
        return len(party.do(lambda u: messages.history(u.c, contact, word, 10, None)))

    assert found(a) == 1
    assert word[:3].lower().encode() in index(a)
    later(HOUR + 1, a)
    a.database.fold_log()
    assert found(a) == 0
    assert b"feu" not in index(a)
    log = a.path.with_name(a.path.name + "-wal")
    assert not log.exists() or log.stat().st_size == 0
    plain = a.path.parent / "plain.db"
    a.database._connection.execute(f"ATTACH DATABASE '{plain}' AS plain KEY ''")
    a.database._connection.execute("SELECT sqlcipher_export('plain')")
    assert word.encode() not in plain.read_bytes()


def test_a_message_that_disappeared_does_not_come_back(pair: tuple[Party, Party]) -> None:
    a, b = pair
    set_timer(a, HOUR)
    carry(a, b)
    a.send("once")
    (frame,) = a.due()
    incoming = IncomingFrame(1, b.mailboxes()[frame.send_id], FrameId(frame.frame_id), frame.frame)
    b.take(incoming)
    b.mark_read()
    later(0, b)
    later(HOUR + 1, b)
    b.take(incoming)
    assert texts(b) == []


def test_it_is_refused_where_it_makes_no_sense(pair: tuple[Party, Party], tmp_path: Path) -> None:
    a, _ = pair
    for seconds in (0, -1, 367 * DAY):
        with pytest.raises(InvalidTimer):
            set_timer(a, seconds)
    assert timer(a) is None
    lonely, other = Party(tmp_path / "c" / "db"), Party(tmp_path / "d" / "db")
    lonely.ask(other)
    with pytest.raises(NotConnected):
        set_timer(lonely, HOUR)
    lonely.close()
    other.close()


def test_setting_what_is_set_sends_nothing(pair: tuple[Party, Party]) -> None:
    a, b = pair
    set_timer(a, HOUR)
    carry(a, b)
    set_timer(a, HOUR)
    set_timer(b, HOUR)
    assert a.due() == b.due() == []


def test_a_state_that_is_final_starts_the_time_too(pair: tuple[Party, Party]) -> None:
    a, _ = pair
    set_timer(a, HOUR)
    for frame in a.due():
        a.result(frame.frame_id, Outcome.DELIVERED)
    a.send("refused")
    for frame in a.due():
        a.result(frame.frame_id, Outcome.REFUSED)
    assert a.states()[-1] is MessageState.FAILED
    later(0, a)
    later(HOUR + 1, a)
    assert "refused" not in a.texts(Direction.OUTGOING)


@given(st.integers(0, 2**32 - 1))
def test_any_timer_on_the_wire_is_bounded(seconds: int) -> None:
    for body in (Text("x"), TimerChanged()):
        data = Content(bytes(16), 1, body, seconds).encode()
        assert Content.decode(data).expires_after_seconds == (min(seconds, 366 * DAY) or None)


def test_contents_of_before_have_no_timer() -> None:
    assert Content.decode(Content(bytes(16), 1, Text("x")).encode()).expires_after_seconds is None
    with pytest.raises(MalformedContent):
        Content.decode(b"\x40\x05")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "1 second"),
        (90, "90 seconds"),
        (5_400, "90 minutes"),
        (HOUR, "1 hour"),
        (DAY, "1 day"),
        (14 * DAY, "2 weeks"),
    ],
)
def test_times_are_spelled_for_people(seconds: int, words: str) -> None:
    assert spelled(seconds) == words
