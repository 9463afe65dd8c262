"""Searching: the newest matches of one conversation, in the order in which they were written."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from handshaker_core.model import ContactId, Direction, MessageKind, MessageState
from handshaker_core.protocol.keys import IdentityKeyPair
from handshaker_core.store import contacts, messages
from handshaker_core.store.connection import Connection
from handshaker_core.store.database import Database
from handshaker_core.store.messages import MOST_OVERTAKEN, NewMessage
from handshaker_core.store.vault import DatabaseKey


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "messages.db", DatabaseKey(secrets.token_bytes(32)))
    yield opened
    opened.close()


def add(c: Connection, contact: ContactId, text: str, sent_at: int, arrived_at: int | None = None) -> None:
    new = NewMessage(
        contact=contact,
        direction=Direction.INCOMING,
        message_id=secrets.token_bytes(16),
        kind=MessageKind.TEXT,
        text=text,
        sent_at_ms=sent_at,
        created_at_ms=sent_at if arrived_at is None else arrived_at,
        state=MessageState.RECEIVED,
    )
    assert messages.add(c, new) is not None


def person(c: Connection) -> ContactId:
    return contacts.ensure(c, IdentityKeyPair.generate().public, 0)


def texts(c: Connection, contact: ContactId, search: str, limit: int) -> list[str]:
    return [message.text for message in messages.history(c, contact, search, limit, None) if message.text]


def test_the_newest_matches_of_this_conversation_alone(database: Database) -> None:
    def work(c: Connection) -> None:
        anna, bert = person(c), person(c)
        for number in range(MOST_OVERTAKEN + 50):
            add(c, anna, f"common {number}", number * 1_000)
            add(c, bert, f"common to bert {number}", number * 1_000)
        last = MOST_OVERTAKEN + 49
        assert texts(c, anna, "COMMON", 2) == [f"common {last - 1}", f"common {last}"]
        assert texts(c, anna, "common 7", 3)[0] == "common 77"
        assert len(texts(c, bert, "common", 1_000)) == MOST_OVERTAKEN + 50
        assert texts(c, anna, "bert", 5) == []

    database.transact(work)


def test_a_match_that_came_late_stands_where_it_was_written(database: Database) -> None:
    def work(c: Connection) -> None:
        anna = person(c)
        add(c, anna, "needle one", 1_000)
        add(c, anna, "needle three", 3_000)
        add(c, anna, "needle two", 2_000, arrived_at=4_000)
        assert texts(c, anna, "needle", 10) == ["needle one", "needle two", "needle three"]
        assert texts(c, anna, "needle", 2) == ["needle two", "needle three"]
        assert texts(c, anna, "needle", 1) == ["needle three"]

    database.transact(work)
