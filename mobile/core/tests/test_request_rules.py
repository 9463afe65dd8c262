"""Requests to connect, case by case: who may answer what, and what each answer leaves behind."""

import itertools
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from core_world import Party
from handshaker_core.client import requests
from handshaker_core.client.errors import NoSuchRequest, NotConnected, RequestClosed
from handshaker_core.client.events import FrameUnreadable, RequestAnswered, RequestReceived
from handshaker_core.credentials import FrameId, Mailbox
from handshaker_core.model import ContactState, Direction, MessageState, RequestId, RequestState
from handshaker_core.net.relay import IncomingFrame, Outcome, OutgoingFrame
from handshaker_core.protocol import session as protocol
from handshaker_core.protocol.sealed_sender import EnvelopeKind
from handshaker_core.store import accounts, contacts, mailboxes, sessions
from handshaker_core.store import requests as stored
from handshaker_core.store.mailboxes import State

Pair = tuple[Party, Party]


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two fresh stores, to be copied."""
    folder = tmp_path_factory.mktemp("strangers")
    for name in ("a", "b"):
        Party(folder / name / "db").close()
    return folder


@pytest.fixture
def pair(strangers: Path, tmp_path: Path) -> Iterator[Pair]:
    shutil.copytree(strangers, tmp_path, dirs_exist_ok=True)
    both = Party(tmp_path / "a" / "db"), Party(tmp_path / "b" / "db")
    yield both
    for party in both:
        party.close()


def deliver(to: Party, frames: list[OutgoingFrame], sender: Party | None = None) -> None:
    for frame in frames:
        to.take(IncomingFrame(1, to.mailboxes()[frame.send_id], frame.frame_id, frame.frame))
        if sender is not None:
            sender.result(frame.frame_id, Outcome.STORED)


def exchange(a: Party, b: Party) -> None:
    for _ in range(3):
        deliver(b, a.due(), a)
        deliver(a, b.due(), b)


def connect(a: Party, b: Party) -> None:
    a.ask(b)
    exchange(a, b)
    b.accept()
    exchange(a, b)


def chat(a: Party, b: Party, word: str) -> None:
    a.send(f"{word} from a")
    b.send(f"{word} from b")
    exchange(a, b)
    assert f"{word} from a" in b.texts(Direction.INCOMING)
    assert f"{word} from b" in a.texts(Direction.INCOMING)
    for party in (a, b):
        assert not [event for event in party.events if isinstance(event, FrameUnreadable)]


def current_session(party: Party) -> bytes:
    return party.do(lambda u: sessions.of_contact(u.c, contacts.everybody(u.c)[0].id))[0].handshake_id


def same_session(a: Party, b: Party) -> bool:
    return current_session(a) == current_session(b)


def test_asking_accepting_chatting(pair: Pair) -> None:
    a, b = pair
    a.do(lambda u: accounts.set_display_name(u.c, "Alice"))
    a.ask(b, "it is me")
    assert a.standing() is ContactState.REQUESTED
    with pytest.raises(NotConnected):
        a.send("too early")
    deliver(b, a.due(), a)
    (received,) = b.events
    assert isinstance(received, RequestReceived)
    assert (received.request.name, received.request.greeting) == ("Alice", "it is me")
    assert b.texts(Direction.INCOMING) == []  # nothing of a stranger stands among conversations
    with pytest.raises(NotConnected):
        b.send("too early")
    b.accept()
    assert b.texts(Direction.INCOMING) == ["it is me"]
    exchange(a, b)
    assert {a.standing(), b.standing()} == {ContactState.CONNECTED}
    answered = [event for event in a.events if isinstance(event, RequestAnswered)]
    assert [event.request.state for event in answered] == [RequestState.ACCEPTED]
    chat(a, b, "hello")


def test_strangers_get_no_receipts(pair: Pair) -> None:
    a, b = pair
    a.ask(b)
    deliver(b, a.due(), a)
    b.now += 100
    b.send_receipts()
    assert b.due() == []
    b.accept()
    b.now += 100
    b.send_receipts()
    assert len(b.due()) == 2  # the acceptance, and the receipt for the greeting
    a.now = b.now
    deliver(a, b.due(), b)
    assert a.states() == [MessageState.DELIVERED]


@pytest.mark.parametrize("order", list(itertools.permutations(["a asks", "b asks", "a hears", "b hears"])))
def test_two_who_ask_each_other_are_connected(pair: Pair, order: tuple[str, ...]) -> None:
    a, b = pair
    posted: dict[str, list[OutgoingFrame]] = {"a": [], "b": []}
    steps: dict[str, Callable[[], object]] = {
        "a asks": lambda: a.standing() is ContactState.CLOSED and (a.ask(b, "from a"), posted["a"].extend(a.due())),
        "b asks": lambda: b.standing() is ContactState.CLOSED and (b.ask(a, "from b"), posted["b"].extend(b.due())),
        "a hears": lambda: deliver(a, posted["b"]),
        "b hears": lambda: deliver(b, posted["a"]),
    }
    for step in order:
        steps[step]()
    exchange(a, b)
    if ContactState.ASKING in (a.standing(), b.standing()):
        (a if a.standing() is ContactState.ASKING else b).accept()
        exchange(a, b)
    assert {a.standing(), b.standing()} == {ContactState.CONNECTED}
    assert same_session(a, b)
    for party in pair:
        assert not party.awaits_answer()
    for word in ("one", "two", "three"):
        chat(a, b, word)
    assert same_session(a, b)
    for party in pair:
        assert not party.do(lambda u: stored.listed(u.c, only_pending=True))


@pytest.mark.parametrize("request_last", [True, False])
@pytest.mark.parametrize("chance", range(6))  # of which session has the smaller name
def test_a_request_may_arrive_after_its_own_answer(pair: Pair, request_last: bool, chance: int) -> None:
    a, b = pair
    a.ask(b, "from a")
    b.ask(a, "from b")
    request_of_a, request_of_b = a.due(), b.due()
    deliver(b, request_of_a, a)
    acceptance = [frame for frame in b.due() if frame not in request_of_b]
    first, second = (acceptance, request_of_b) if request_last else (request_of_b, acceptance)
    deliver(a, first, b)
    deliver(a, second, b)
    exchange(a, b)
    for word in ("one", "two", "three"):
        chat(a, b, f"{word} {chance}")
    assert same_session(a, b)


def test_an_old_frame_under_a_new_id_is_dropped_whichever_session_it_was_of(pair: Pair) -> None:
    a, b = pair
    a.ask(b, "from a")
    b.ask(a, "from b")
    frames = {0: a.due(), 1: b.due()}
    deliver(b, frames[0], a)
    deliver(a, frames[1], b)
    frames[0] += a.due()
    frames[1] += b.due()
    exchange(a, b)
    a.send("text")
    b.send("text")
    frames[0] += a.due()
    frames[1] += b.due()
    exchange(a, b)
    for to, old in ((b, frames[0]), (a, frames[1])):
        before, told = to.history(), len(to.events)
        deliver(to, [replace(frame, frame_id=FrameId(secrets.token_bytes(16))) for frame in old])
        assert to.history() == before
        assert to.events[told:] == []


def test_what_is_written_before_the_confirmation_uses_the_session_that_the_other_side_has(pair: Pair) -> None:
    a, b = pair
    a.ask(b, "from a")
    b.ask(a, "from b")
    deliver(a, b.due(), b)
    a.send("at once")
    assert protocol.open_frame(b.keys.local, a.due()[-1].frame).kind is EnvelopeKind.RATCHET
    exchange(a, b)
    assert b.texts(Direction.INCOMING) == ["from a", "at once"]


def test_a_message_may_overtake_the_acceptance(pair: Pair) -> None:
    a, b = pair
    a.ask(b)
    deliver(b, a.due(), a)
    b.accept()
    b.send("already here")
    acceptance, text = b.due()
    deliver(a, [text], b)
    assert a.texts(Direction.INCOMING) == ["already here"]
    with pytest.raises(NotConnected):
        a.send("where to?")
    deliver(a, [acceptance], b)
    chat(a, b, "later")
    a.now = b.now = a.now + 10
    a.send_receipts()
    exchange(a, b)
    assert set(b.states()) == {MessageState.DELIVERED}


@pytest.mark.parametrize("chance", range(6))  # of which session has the smaller name
def test_whoever_begins_anew_is_still_the_same_person(pair: Pair, chance: int) -> None:
    """A contact who has lost the conversation asks again, with the same identity: no question, and a new session."""
    a, b = pair
    connect(a, b)
    chat(a, b, "before")
    old = a.do(lambda u: sessions.of_contact(u.c, contacts.everybody(u.c)[0].id)[0])
    a.do(
        lambda u: (
            u.c.execute("DELETE FROM contacts"),
            u.c.execute("DELETE FROM own_mailboxes WHERE purpose = 'contact'"),
        )
    )
    a.ask(b, "me again")
    deliver(b, a.due(), a)
    assert b.standing() is ContactState.CONNECTED
    assert current_session(b) == current_session(a) != old.handshake_id
    exchange(a, b)
    chat(a, b, f"after {chance}")
    current = b.do(lambda u: sessions.of_contact(u.c, contacts.everybody(u.c)[0].id))
    assert current[0].handshake_id != old.handshake_id
    assert current[-1].handshake_id == old.handshake_id  # what is still on its way can be read


def test_silence_is_a_silent_no(pair: Pair) -> None:
    a, b = pair
    a.ask(b)
    deliver(b, a.due(), a)
    request = b.pending(Direction.INCOMING)
    assert request is not None
    b.do(lambda u: requests.reject(u, request, tell=False))
    assert b.due() == []
    assert b.standing() is ContactState.CLOSED
    left = b.do(lambda u: u.c.execute("SELECT 1 FROM sessions UNION ALL SELECT 1 FROM peer_mailboxes").fetchall())
    assert left == []  # nothing is kept with which the stranger could be written to
    b.now += 1000
    b.send_receipts()
    assert b.due() == []
    assert a.standing() is ContactState.REQUESTED
    for again in (lambda: b.do(lambda u: requests.reject(u, request, tell=False)), b_accepts(b, request)):
        with pytest.raises(RequestClosed):
            again()


def b_accepts(b: Party, request: RequestId) -> Callable[[], object]:
    return lambda: b.do(lambda u: requests.accept(u, request, Mailbox.generate()))


def test_a_told_no_closes_the_request_and_its_mailbox(pair: Pair) -> None:
    a, b = pair
    a.ask(b)
    deliver(b, a.due(), a)
    request = b.pending(Direction.INCOMING)
    assert request is not None
    b.do(lambda u: requests.reject(u, request, tell=True))
    deliver(a, b.due(), b)
    assert a.standing() is ContactState.CLOSED
    (answered,) = [event for event in a.events if isinstance(event, RequestAnswered)]
    assert answered.request.state is RequestState.REJECTED
    assert a.states() == [MessageState.STORED]  # it did arrive
    assert len(a.do(lambda u: mailboxes.listed(u.c, State.DELETING))) == 1
    a.ask(b, "please")
    deliver(b, a.due(), a)
    assert b.standing() is ContactState.ASKING
    b.accept()
    exchange(a, b)
    chat(a, b, "at last")


def test_asking_again_before_an_answer_counts_once(pair: Pair) -> None:
    a, b = pair
    a.ask(b, "first")
    deliver(b, a.due(), a)
    request = a.pending(Direction.OUTGOING)
    assert request is not None
    a.do(lambda u: requests.cancel(u, request))
    a.ask(b, "second")
    deliver(b, a.due(), a)
    (pending,) = b.do(lambda u: stored.listed(u.c, only_pending=True))
    assert pending.greeting == "second"
    b.accept()
    exchange(a, b)
    chat(a, b, "now")


def test_a_withdrawn_request_that_was_not_sent_is_never_sent(pair: Pair) -> None:
    a, b = pair
    request = a.ask(b)
    assert len(a.due()) == 1
    a.do(lambda u: requests.cancel(u, request))
    assert a.due() == []
    assert a.standing() is ContactState.CLOSED
    with pytest.raises(RequestClosed):
        a.do(lambda u: requests.cancel(u, request))


def test_an_answer_that_finds_nobody_undoes_the_connection(pair: Pair) -> None:
    a, b = pair
    a.ask(b)
    deliver(b, a.due(), a)
    b.accept()
    (acceptance,) = b.due()
    b.result(acceptance.frame_id, Outcome.REFUSED)
    assert b.standing() is ContactState.CLOSED
    assert isinstance(b.events[-1], RequestAnswered)
    with pytest.raises(NotConnected):
        b.send("anybody there?")


def test_a_request_to_an_address_that_is_gone_is_over(pair: Pair) -> None:
    a, b = pair
    a.ask(b, "hello?")
    (frame,) = a.due()
    a.result(frame.frame_id, Outcome.REFUSED)
    assert a.standing() is ContactState.CLOSED
    assert a.states() == [MessageState.FAILED]
    assert a.due() == []


def test_requests_are_answered_from_the_right_side_only(pair: Pair) -> None:
    a, b = pair
    request = a.ask(b)
    for wrong in (request, RequestId(99)):
        with pytest.raises(NoSuchRequest):
            a.do(lambda u, wrong=wrong: requests.accept(u, wrong, Mailbox.generate()))  # type: ignore[misc]
        with pytest.raises(NoSuchRequest):
            a.do(lambda u, wrong=wrong: requests.reject(u, wrong, tell=False))  # type: ignore[misc]
    assert a.standing() is ContactState.REQUESTED


def test_a_repeated_request_frame_changes_nothing(pair: Pair) -> None:
    a, b = pair
    a.ask(b)
    (frame,) = a.due()
    deliver(b, [frame])
    before = b.do(lambda u: stored.listed(u.c, only_pending=False))
    deliver(b, [frame])
    again = OutgoingFrame(FrameId(b"another id 12345"), frame.send_id, frame.send_secret, frame.frame)
    deliver(b, [again])
    assert b.do(lambda u: stored.listed(u.c, only_pending=False)) == before
    assert len(b.events) == 1


def test_one_time_prekeys_are_used_up_and_the_last_resort_key_is_not(tmp_path: Path) -> None:
    b = Party(tmp_path / "b" / "db")
    left = []
    for number in range(5):
        a = Party(tmp_path / str(number) / "db")
        a.ask(b)
        deliver(b, a.due(), a)
        left.append(b.do(lambda u: u.c.execute("SELECT kind, count(*) FROM prekeys GROUP BY kind").fetchall()))
        a.close()
    counts = [dict(rows) for rows in left]
    assert [count.get("ec", 0) for count in counts] == [2, 1, 0, 0, 0]
    assert [count.get("kem", 0) for count in counts] == [2, 1, 0, 0, 0]
    assert b.do(lambda u: u.c.execute("SELECT count(*) FROM last_resort_uses").fetchone()) == (2,)
    assert len(b.do(lambda u: stored.listed(u.c, only_pending=True))) == 5
    b.close()
