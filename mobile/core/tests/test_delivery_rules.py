"""Frames in and out, case by case: what the server's words mean, and what becomes of frames that cannot be read."""

import secrets
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from core_world import Party, junk, outcome_when_away
from handshaker_core.client import inbox, outbox, sending
from handshaker_core.client.content import Content, Receipts, Text
from handshaker_core.client.errors import TextTooLong
from handshaker_core.client.events import DeliveryChanged, FrameUnreadable, MessageReceived
from handshaker_core.client.settings import Settings
from handshaker_core.client.texts import MAX_TEXT_BYTES, check_text
from handshaker_core.client.unit import Unit
from handshaker_core.credentials import FrameId, RecvId
from handshaker_core.model import ContactId, Direction, MessageKind, MessageState
from handshaker_core.net.relay import IncomingFrame, Outcome, OutgoingFrame, Policy
from handshaker_core.protocol import session as protocol
from handshaker_core.protocol.frame import FrameSize
from handshaker_core.store import messages, seen, sessions
from handshaker_core.store import outbox as stored
from handshaker_core.store.outbox import Kind
from test_request_rules import connect, deliver, exchange

Pair = tuple[Party, Party]


@pytest.fixture(scope="module")
def friends(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two stores that are connected and owe each other nothing, to be copied."""
    folder = tmp_path_factory.mktemp("friends")
    both = Party(folder / "a" / "db"), Party(folder / "b" / "db")
    connect(*both)
    for party in both:
        party.mark_read()
        party.now += 100
        party.send_receipts()
    exchange(*both)
    for party in both:
        party.close()
    return folder


@pytest.fixture
def pair(friends: Path, tmp_path: Path) -> Iterator[Pair]:
    shutil.copytree(friends, tmp_path, dirs_exist_ok=True)
    both = Party(tmp_path / "a" / "db"), Party(tmp_path / "b" / "db")
    for party in both:
        party.now += 100
    yield both
    for party in both:
        party.close()


def incoming(to: Party, frame: OutgoingFrame) -> IncomingFrame:
    return IncomingFrame(1, to.mailboxes()[frame.send_id], frame.frame_id, frame.frame)


def state_of(party: Party) -> MessageState:
    return party.states()[-1]


@pytest.mark.parametrize(
    ("words", "final", "seen_states"),
    [
        ([Outcome.STORED], MessageState.STORED, ["stored"]),
        ([Outcome.DELIVERED], MessageState.DELIVERED, ["delivered"]),
        ([Outcome.STORED, Outcome.DELIVERED], MessageState.DELIVERED, ["stored", "delivered"]),
        ([Outcome.DELIVERED, Outcome.STORED, Outcome.REFUSED], MessageState.DELIVERED, ["delivered"]),
        ([Outcome.REFUSED], MessageState.FAILED, ["failed"]),
        ([Outcome.MALFORMED], MessageState.FAILED, ["failed"]),
        ([Outcome.QUOTA, Outcome.UNAVAILABLE, Outcome.STORED], MessageState.STORED, ["stored"]),
        ([Outcome.NO_RETENTION], MessageState.SENDING, []),
    ],
)
def test_what_the_servers_words_make_of_a_message(
    pair: Pair, words: list[Outcome], final: MessageState, seen_states: list[str]
) -> None:
    a, _ = pair
    a.send("hello")
    (frame,) = a.due()
    for word in words:
        a.result(frame.frame_id, word)
    assert state_of(a) is final
    changes = [event.message.state.value for event in a.events if isinstance(event, DeliveryChanged)]
    assert changes == seen_states
    assert len(a.do(lambda u: stored.older_than(u.c, 1e12))) == (1 if final is MessageState.SENDING else 0)


@pytest.mark.parametrize("word", [Outcome.QUOTA, Outcome.UNAVAILABLE, Outcome.NO_RETENTION])
def test_a_held_mailbox_keeps_its_order(pair: Pair, word: Outcome) -> None:
    a, b = pair
    a.send("one")
    a.send("two")
    first, _ = a.due()
    a.result(first.frame_id, word)
    a.send("three")
    assert a.due() == []
    waits = []
    for _ in range(6):
        at = a.do(lambda u: stored.next_try(u.c, u.now))
        assert at is not None
        waits.append(at - a.now)
        a.now = at
        assert a.due()[0].frame_id == first.frame_id
        a.result(first.frame_id, word)
    assert all(0 < wait <= 600 for wait in waits)
    assert waits[-1] > waits[0]
    a.now += 601
    deliver(b, a.due(), a)
    assert b.texts(Direction.INCOMING)[-3:] == ["one", "two", "three"]


def test_a_frame_nobody_spoke_of_is_sent_again_as_it_was(pair: Pair) -> None:
    a, b = pair
    a.send("only once")
    (first,) = a.due()
    a.restart()
    (second,) = a.due()
    assert (first.frame_id, first.frame) == (second.frame_id, second.frame)
    deliver(b, [first, second], a)
    assert b.texts(Direction.INCOMING).count("only once") == 1
    assert state_of(a) is MessageState.STORED


def test_what_cannot_be_sent_for_two_weeks_has_failed(pair: Pair) -> None:
    a, b = pair
    a.send("hello")
    a.now += outbox.GIVE_UP_SECONDS - 1
    a.do(outbox.give_up_old)
    assert state_of(a) is MessageState.SENDING
    (frame,) = a.due()
    a.now += 2
    a.do(outbox.give_up_old)
    assert a.due() == []
    (event,) = [event for event in a.events if isinstance(event, DeliveryChanged)]
    assert (event.message.state, event.message.failure) == (MessageState.FAILED, outbox.FAILED_EXPIRED)
    # It had arrived all the same: the receipt is believed before the clock.
    deliver(b, [frame])
    b.now += 10
    b.send_receipts()
    deliver(a, b.due(), b)
    assert state_of(a) is MessageState.DELIVERED


def test_receipts_wait_for_company_and_are_never_stored(pair: Pair) -> None:
    a, b = pair
    for text in ("one", "two", "three"):
        a.send(text)
    deliver(b, a.due(), a)
    b.send_receipts()
    assert b.due() == []
    b.now += 3.1
    b.send_receipts()
    (frame,) = b.due()
    assert (frame.policy, len(frame.frame)) == (Policy.LIVE_ONLY, FrameSize.SMALL)
    b.result(frame.frame_id, Outcome.OFFLINE)
    assert b.due() == []
    a.send("still there?")
    deliver(b, a.due(), a)
    assert b.due() == [frame]  # whoever writes is there
    deliver(a, [frame], b)
    assert a.states()[-4:] == [MessageState.DELIVERED] * 3 + [MessageState.STORED]


def test_being_read_says_that_it_was_delivered(pair: Pair) -> None:
    a, b = pair
    a.send("hello")
    deliver(b, a.due(), a)
    b.mark_read()
    assert b.do(lambda u: u.c.execute("SELECT kind FROM receipts_waiting").fetchall()) == [("read",)]
    b.now += 4
    b.send_receipts()
    deliver(a, b.due(), b)
    assert state_of(a) is MessageState.READ


@pytest.mark.parametrize(
    ("changed", "final"),
    [
        (Settings(read_receipts=False), MessageState.DELIVERED),
        (Settings(read_receipts=False, delivery_receipts=False), MessageState.STORED),
    ],
)
def test_receipts_can_be_switched_off(pair: Pair, changed: Settings, final: MessageState) -> None:
    a, b = pair
    b.settings = changed
    a.send("hello")
    deliver(b, a.due(), a)
    b.mark_read()
    b.now += 4
    b.send_receipts()
    deliver(a, b.due(), b)
    assert state_of(a) is final


def test_receipts_for_what_was_never_sent_mean_nothing(pair: Pair) -> None:
    a, b = pair
    a.send("hello")
    contact = b.contact()
    assert contact is not None
    made_up = Receipts((secrets.token_bytes(16),), (secrets.token_bytes(16), b"short"))
    b.do(lambda u: sending.post_to_contact(u, contact, sending.new_content(u, made_up), Kind.RECEIPTS))
    deliver(a, b.due(), b)
    assert state_of(a) is MessageState.SENDING
    assert a.events == []


@pytest.mark.parametrize(
    "kind", ["short", "empty", "unknown version", "unsealed", "noise", "flipped", "another size", "large noise"]
)
def test_an_unreadable_frame_is_shown_once_and_stands_in_nobodys_way(pair: Pair, kind: str) -> None:
    a, b = pair
    a.send("before")
    a.send("after")
    good, later = a.due()
    bad = [replace(good, frame_id=FrameId(secrets.token_bytes(16)), frame=junk(kind, good.frame)) for _ in range(3)]
    frames = [incoming(b, frame) for frame in [*bad, good, later]]
    b.do(lambda u: inbox.take_all(u, frames))
    assert b.texts(Direction.INCOMING)[-2:] == ["before", "after"]
    contact = b.contact()
    assert contact is not None
    history = b.do(lambda u: messages.history(u.c, contact, None, 100, None))
    assert [message.kind for message in history].count(MessageKind.UNREADABLE) == 1
    unreadable = [event for event in b.events if isinstance(event, FrameUnreadable)]
    assert len(unreadable) == 3
    assert all(event.contact is not None and event.reason for event in unreadable)
    b.events.clear()
    b.take(incoming(b, bad[0]))
    assert b.events == []  # it was acknowledged, and would be again


def test_noise_in_the_contact_address_is_counted_nowhere(pair: Pair) -> None:
    _, b = pair
    address = b.address()
    for kind in ("noise", "large noise"):
        frame = junk(kind, b"\x01\x02" + bytes(FrameSize.SMALL - 2))
        b.take(IncomingFrame(1, b.mailboxes()[address.send_id], FrameId(secrets.token_bytes(16)), frame))
    events = [event for event in b.events if isinstance(event, FrameUnreadable)]
    assert [event.contact for event in events] == [None, None]
    assert b.do(lambda u: u.c.execute("SELECT count(*) FROM messages WHERE kind = 'unreadable'").fetchone()) == (0,)


def test_a_mistake_of_ours_touches_one_frame_only(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = pair
    for text in ("one", "two", "three"):
        a.send(text)
    frames = [incoming(b, frame) for frame in a.due()]
    original = inbox.keep_incoming

    def fail_on_two(u: Unit, contact: ContactId, message_id: bytes, text: str, sent_at_ms: int, **more: Any) -> None:
        if text == "two":
            raise ZeroDivisionError
        original(u, contact, message_id, text, sent_at_ms, **more)

    monkeypatch.setattr(inbox, "keep_incoming", fail_on_two)
    b.do(lambda u: inbox.take_all(u, frames))
    assert b.texts(Direction.INCOMING)[-3:] == ["one", "", "three"]
    (event,) = [event for event in b.events if isinstance(event, FrameUnreadable)]
    assert event.reason == inbox.INTERNAL_ERROR
    assert [type(event) for event in b.events].count(MessageReceived) == 2


@pytest.mark.parametrize(
    "plaintext",
    [
        b"",
        b"\xff",
        Content(bytes(15), 0, Text("short id")).encode(),
        Content(bytes(16), 0, Text("x")).encode()[:18],
        b"\x0a\x10" + bytes(16) + b"\x9a\x06\x00",
    ],
)
def test_authentic_nonsense_moves_the_ratchet_and_is_shown(pair: Pair, plaintext: bytes) -> None:
    a, b = pair
    contact = a.contact()
    assert contact is not None

    def encrypt(u: Unit) -> bytes:
        stepped, frame = protocol.encrypt(sessions.of_contact(u.c, contact)[0], plaintext, now=u.now)
        sessions.save(u.c, stepped)
        return frame

    a.send("template")
    (template,) = a.due()
    frame = a.do(encrypt)
    b.take(incoming(b, replace(template, frame_id=FrameId(secrets.token_bytes(16)), frame=frame)))
    assert b.events[-1].type == "frame_unreadable"
    deliver(b, [template], a)
    assert b.texts(Direction.INCOMING)[-1] == "template"


def test_a_time_from_the_end_of_days_does_no_harm(pair: Pair) -> None:
    a, b = pair
    contact = a.contact()
    assert contact is not None
    content = Content(secrets.token_bytes(16), 2**64 - 1, Text("late"))
    a.do(lambda u: sending.post_to_contact(u, contact, content, Kind.TEXT))
    deliver(b, a.due(), a)
    assert b.texts(Direction.INCOMING)[-1] == "late"


@pytest.mark.parametrize("hours", [0, 5])
def test_messages_that_were_overtaken_stand_where_they_were_written(pair: Pair, hours: int) -> None:
    a, b = pair
    a.send("one")
    a.send("two")
    a.now += hours * 3600
    b.now = a.now
    a.send("three")
    one, two, three = a.due()
    b.send("between")
    deliver(b, [three], a)
    b.now += 1
    b.send("last")
    deliver(b, [two], a)
    deliver(b, [one], a)
    assert b.history()[-5:] == ["between", "one", "two", "three", "last"]
    assert [message.text for message in b.do(lambda u: messages.unread(u.c, None, 10))] == ["one", "two", "three"]
    contact = b.contact()
    assert contact is not None
    last = b.do(lambda u: messages.history(u.c, contact, "three", 1, None))
    page = b.do(lambda u: messages.history(u.c, contact, None, 2, last[0].id))
    assert [message.text for message in page] == ["one", "two"]


def test_nobody_writes_into_the_past(pair: Pair) -> None:
    a, b = pair
    contact = a.contact()
    assert contact is not None
    a.send("long ago")
    deliver(b, a.due(), a)
    b.now += 3700
    b.send("now")
    content = Content(secrets.token_bytes(16), 1, Text("pretends to be older"))
    a.do(lambda u: sending.post_to_contact(u, contact, content, Kind.TEXT))
    deliver(b, a.due(), a)
    assert b.history()[-2:] == ["now", "pretends to be older"]


def test_a_message_id_serves_once(pair: Pair) -> None:
    a, b = pair
    contact = a.contact()
    assert contact is not None
    for text in ("original", "forged"):
        content = Content(b"the same id 1234", a.do(lambda u: u.now_ms), Text(text))
        a.do(lambda u, content=content: sending.post_to_contact(u, contact, content, Kind.TEXT))  # type: ignore[misc]
    deliver(b, a.due(), a)
    assert b.texts(Direction.INCOMING)[-1] == "original"
    assert "forged" not in b.texts(Direction.INCOMING)


def test_frames_for_mailboxes_that_are_gone_are_taken_and_dropped(pair: Pair) -> None:
    _, b = pair
    b.take(IncomingFrame(1, RecvId(secrets.token_bytes(16)), FrameId(secrets.token_bytes(16)), b"x"))
    assert b.events == []


def test_seen_frames_are_remembered_longer_than_servers_keep_them(pair: Pair) -> None:
    a, b = pair
    a.send("hello")
    (frame,) = a.due()
    deliver(b, [frame])
    b.now += 15 * 86_400
    b.do(lambda u: seen.forget(u.c, u.now - 30 * 86_400))
    assert not b.do(lambda u: seen.add(u.c, frame.frame_id, u.now))
    b.now += 16 * 86_400
    b.do(lambda u: seen.forget(u.c, u.now - 30 * 86_400))
    assert b.do(lambda u: seen.add(u.c, frame.frame_id, u.now))


@pytest.mark.parametrize("character", ["x", "\u00e9", "\u4e2d", "\U0001f642"])
def test_the_longest_text_fits_and_one_more_byte_does_not(pair: Pair, character: str) -> None:
    a, b = pair
    text = character * (MAX_TEXT_BYTES // len(character.encode()))
    text += "x" * (MAX_TEXT_BYTES - len(text.encode()))
    a.send(check_text(text))
    deliver(b, a.due(), a)
    assert b.texts(Direction.INCOMING)[-1] == text
    with pytest.raises(TextTooLong, match=f"{MAX_TEXT_BYTES:,}"):
        check_text(text + "x")


def test_small_texts_take_small_frames(pair: Pair) -> None:
    a, _ = pair
    a.send("x" * 480)
    a.send("x" * 560)
    assert [len(frame.frame) for frame in a.due()] == [FrameSize.SMALL, FrameSize.LARGE]
    assert outcome_when_away(a.due()[0]) is Outcome.STORED
