"""Texts, names, contents, settings, events and waits: the small values that the client is made of."""

import asyncio
import json
import random
import unicodedata

import pytest
from handshaker_core.client import Drained, EventsMissed, InvalidSetting, Settings, TextTooLong, event_as_json, prekeys
from handshaker_core.client import events as client_events
from handshaker_core.client.content import (
    MESSAGE_ID_SIZE,
    ConnectionAccepted,
    ConnectionRejected,
    ConnectionRequest,
    Content,
    MalformedContent,
    Receipts,
    Text,
)
from handshaker_core.client.events import EventHub, FrameUnreadable, PreKeysLow
from handshaker_core.client.texts import (
    MAX_DISPLAY_NAME_BYTES,
    MAX_GREETING_BYTES,
    check_display_name,
    check_greeting,
    check_text,
    clean_name,
    clean_profile,
)
from handshaker_core.credentials import ServerLabel
from handshaker_core.net.backoff import Backoff
from handshaker_core.protocol.address import SendId, SendSecret
from handshaker_core.protocol.labels import Label
from handshaker_core.store.contacts import Profile
from handshaker_core.store.mailboxes import PeerMailbox
from hypothesis import given
from hypothesis import strategies as st

NAMES = st.text(max_size=40).map(clean_name).filter(lambda name: clean_profile(name, "").display_name == name)
PROFILES = st.builds(Profile, NAMES, st.none() | st.just("alice.42"))
MAILBOXES = st.builds(
    PeerMailbox,
    st.binary(min_size=16, max_size=16).map(SendId),
    st.binary(min_size=32, max_size=32).map(SendSecret),
)
IDS = st.binary(min_size=MESSAGE_ID_SIZE, max_size=MESSAGE_ID_SIZE)
BODIES = st.one_of(
    st.builds(Text, st.text()),
    st.builds(Receipts, st.lists(IDS).map(tuple), st.lists(IDS).map(tuple)),
    st.builds(ConnectionRequest, PROFILES, MAILBOXES, st.text(max_size=200)),
    st.builds(ConnectionAccepted, PROFILES, MAILBOXES),
    st.just(ConnectionRejected()),
)


@given(message_id=IDS, sent_at_ms=st.integers(0, 2**62), body=BODIES)
def test_contents_come_back_as_they_were(message_id: bytes, sent_at_ms: int, body: object) -> None:
    content = Content(message_id, sent_at_ms, body)  # type: ignore[arg-type]
    assert Content.decode(content.encode()) == content


@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_content_or_malformed(data: bytes) -> None:
    try:
        read = Content.decode(data)
    except MalformedContent:
        return
    assert len(read.message_id) == MESSAGE_ID_SIZE


@given(st.text())
def test_a_clean_name_shows_all_that_it_holds(text: str) -> None:
    name = clean_name(text)
    assert name == clean_name(name) == name.strip()
    assert "  " not in name
    assert all(unicodedata.category(character)[0] != "C" for character in name)


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("  Alice \n B ", "Alice B"),
        ("a\u202eb\u200b", "ab"),
        ("\x1b[31mred", "[31mred"),
        ("\u5317\u4eac", "\u5317\u4eac"),
    ],
)
def test_names_are_cleaned(typed: str, shown: str) -> None:
    assert check_display_name(typed) == shown


def test_a_display_name_cannot_pretend_to_be_a_username() -> None:
    for pretending in ("alice.42", "@Alice.42", "\uff41lice.42"):
        assert clean_profile(pretending, "") == Profile("", None)
    assert clean_profile("Alice", "Alice.42") == Profile("Alice", "alice.42")
    assert clean_profile("x" * 500, "no username") == Profile("x" * MAX_DISPLAY_NAME_BYTES, None)
    assert clean_profile("\u00e9" * 500, "").display_name == "\u00e9" * (MAX_DISPLAY_NAME_BYTES // 2)


def test_limits_name_themselves() -> None:
    assert check_greeting("  hello ") == "hello"
    assert check_greeting("") == ""
    with pytest.raises(TextTooLong, match="greeting may have at most 1,024 bytes; this one has 1,025"):
        check_greeting("x" * (MAX_GREETING_BYTES + 1))
    with pytest.raises(TextTooLong, match="name"):
        check_display_name("x" * (MAX_DISPLAY_NAME_BYTES + 1))
    assert check_text("broken \udcff half") == "broken ? half"


def test_settings_refuse_what_they_cannot_be() -> None:
    assert Settings().changed({"receipt_delay": (30, 60)}) == Settings(receipt_delay=(30.0, 60.0))
    for wrong in ({"receipt_delay": [0, 4000]}, {"receipt_delay": [1]}, {"receipt_delay": [True, "x"]}, {"new": 1}):
        with pytest.raises(InvalidSetting):
            Settings().changed(wrong)


def test_every_event_is_json_under_a_name_of_its_own() -> None:
    kinds = [
        kind
        for kind in vars(client_events).values()
        if isinstance(kind, type) and issubclass(kind, client_events.Event)
    ]
    names = [kind.type for kind in kinds]
    assert len(names) == len(set(names))
    told = json.loads(json.dumps(event_as_json(FrameUnreadable(None, "bad_key"))))
    assert told == {"event": "frame_unreadable", "contact": None, "reason": "bad_key"}


async def test_a_slow_listener_is_told_what_it_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_events, "LONGEST_QUEUE", 3)
    hub = EventHub()
    slow, quick = hub.listen(), hub.listen()
    for number in range(5):
        hub.publish([PreKeysLow(number, 0)])
        assert await anext(quick) == PreKeysLow(number, 0)
    assert [await anext(slow) for _ in range(4)] == [EventsMissed(2), *(PreKeysLow(n, 0) for n in (2, 3, 4))]
    slow.close()
    hub.publish([Drained()])
    waiting = asyncio.create_task(anext(quick))
    assert await waiting == Drained()
    hub.close()
    for listener in (slow, quick):
        assert [event async for event in listener] == []


def test_waits_grow_with_jitter_between_half_a_second_and_thirty() -> None:
    backoff = Backoff(_random=random.Random(7))
    waits = [backoff.failed() for _ in range(40)]
    for number, wait in enumerate(waits):
        limit = min(30.0, 0.5 * 2**number)
        assert limit / 2 <= wait <= limit
    assert len(set(waits)) == len(waits)
    backoff.succeeded()
    assert backoff.failed() <= 0.5


def test_labels_of_servers_and_of_the_protocol_are_no_prefix_of_each_other() -> None:
    labels = [label.value for label in (*ServerLabel, *Label)]
    for one in labels:
        assert [other for other in labels if other.startswith(one)] == [one]


def test_a_hundred_prekeys_of_each_kind_refilled_at_half() -> None:
    assert (prekeys.FULL, prekeys.LOW) == (100, 50)
    assert prekeys.UPLOAD_PIECE * (1568 + 64 + 32 + 32) < 64 * 1024
