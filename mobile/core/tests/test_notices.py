"""Lines that the client itself puts into a conversation; and that a store from before there were any can hold them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from core_world import KEY, START
from handshaker_core.client import notices, setup
from handshaker_core.client.events import NoticeAdded
from handshaker_core.client.settings import Settings
from handshaker_core.client.unit import Unit
from handshaker_core.model import ContactId, Direction, MessageKind, MessageState, Notice
from handshaker_core.protocol.keys import IdentityKeyPair
from handshaker_core.protocol.randomness import system_randomness
from handshaker_core.store import contacts, messages, migrations
from handshaker_core.store.connection import Connection
from handshaker_core.store.database import Database


@pytest.fixture
def unit(tmp_path: Path) -> Iterator[Unit]:
    database = Database(tmp_path / "db", KEY)

    def prepare(c: Connection) -> Unit:
        keys = setup.ensure_account(c, "https://chat.example", None, lambda: START, system_randomness)
        return Unit(c, keys, Settings(), START, system_randomness)

    unit = database.transact(prepare)
    unit.c.execute("BEGIN")
    yield unit
    unit.c.execute("ROLLBACK")
    database.close()


@pytest.fixture
def contact(unit: Unit) -> ContactId:
    return contacts.ensure(unit.c, IdentityKeyPair.generate().public, START)


def test_every_notice_has_its_sentence() -> None:
    assert set(notices.SENTENCES) == set(Notice)
    assert len(set(notices.SENTENCES.values())) == len(Notice)


@pytest.mark.parametrize("notice", Notice)
def test_a_notice_stands_in_the_conversation_and_listeners_are_told(
    unit: Unit, contact: ContactId, notice: Notice
) -> None:
    number = notices.add(unit, contact, notice)
    (shown,) = messages.history(unit.c, contact, None, 10, None)
    assert (shown.id, shown.kind, shown.notice) == (number, MessageKind.NOTICE, notice)
    assert shown.text == notices.SENTENCES[notice]
    (event,) = unit.events
    assert isinstance(event, NoticeAdded)
    assert (event.message, event.contact.id) == (shown, contact)


def test_what_the_contact_did_is_unread_and_what_this_person_did_is_not(unit: Unit, contact: ContactId) -> None:
    notices.add(unit, contact, Notice.SESSION_ENDED)
    assert messages.unread(unit.c, contact, 10) == []
    theirs = notices.add(unit, contact, Notice.SESSION_ENDED_BY_CONTACT)
    (unread,) = messages.unread(unit.c, contact, 10)
    assert (unread.id, unread.direction, unread.state) == (theirs, Direction.INCOMING, MessageState.RECEIVED)


def test_reading_a_notice_owes_nobody_a_receipt(unit: Unit, contact: ContactId) -> None:
    notices.add(unit, contact, Notice.DEVICE_ADDED)
    assert messages.mark_read(unit.c, contact, None) == (1, [])


def test_a_kind_that_nobody_knows_is_still_refused(unit: Unit, contact: ContactId) -> None:
    number = notices.add(unit, contact, Notice.DEVICE_ADDED)
    for table, wrong in (("messages", "gossip"), ("messages", "control"), ("outbox", "gossip")):
        with pytest.raises(Exception, match="CHECK constraint failed: kind"):
            unit.c.execute(f"UPDATE {table} SET kind = ?", (wrong,)) if table == "messages" else unit.c.execute(
                "INSERT INTO outbox (frame_id, kind, send_id, send_secret, frame, created_at)"
                " VALUES (x'00', ?, x'00', x'00', x'00', 0)",
                (wrong,),
            )
    assert messages.get(unit.c, number) is not None


def test_a_frame_between_the_programs_may_wait_in_the_outbox(unit: Unit) -> None:
    unit.c.execute(
        "INSERT INTO outbox (frame_id, kind, send_id, send_secret, frame, created_at)"
        " VALUES (x'00', 'control', x'00', x'00', x'00', 0)"
    )


def test_a_store_from_before_keeps_its_history_and_its_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = migrations.scripts()
    path = tmp_path / "old"
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "scripts", lambda: [entry for entry in everything if entry[0] == 1])
        old = Database(path, KEY)
        old.transact(_fill)
        old.close()
    for _ in range(2):  # the second time nothing is left to change
        new = Database(path, KEY)
        new.transact(_check)
        new.close()


def _fill(c: Connection) -> None:
    c.execute("INSERT INTO contacts (identity, created_at) VALUES (x'00', 0)")
    c.execute("INSERT INTO conversations (contact_id, created_at) VALUES (1, 0)")
    c.execute(
        "INSERT INTO messages (conversation_id, direction, message_id, kind, text, sent_at_ms, created_at_ms, position,"
        " state) VALUES (1, 'incoming', x'01', 'text', 'Treffen am Brunnen', 0, 0, 0, 'read')"
    )


def _check(c: Connection) -> None:
    (found,) = messages.history(c, ContactId(1), "brunnen", 10, None)
    assert (found.kind, found.text, found.notice) == (MessageKind.TEXT, "Treffen am Brunnen", None)
    assert c.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert c.execute("PRAGMA writable_schema").fetchall() == [(0,)]
    assert c.execute("INSERT INTO messages_fts (messages_fts) VALUES ('integrity-check')").fetchall() == []
