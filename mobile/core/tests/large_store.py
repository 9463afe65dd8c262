"""A store with a long history, for measurements: `build(home, passphrase, messages)`."""

import random
from functools import partial
from pathlib import Path

from handshaker_core.model import ContactId, Direction, MessageKind, MessageState
from handshaker_core.store import Store
from handshaker_core.store.connection import Connection

CONTACTS = 50
_BATCH = 2_000
RARE_WORD = "Feuerwanzenversammlung"
"""Stands in one message of a thousand."""

_TEXT = (
    "tomorrow morning the train leaves at seven please bring water and bread we meet at the fountain where are you now"
    " thank you very much see you soon it was good yesterday the letter arrived today what do you think about this idea"
    " können wir später sprechen ich bin noch unterwegs bis gleich alles gut danke dir schöne grüße an alle zu hause"
)
_WORDS = _TEXT.split()


async def build(home: Path, passphrase: str, messages: int = 100_000, seed: int = 1) -> Store:
    """Make a home whose conversations hold so many messages, and leave it open. Takes some seconds.

    Args:
        home: an empty directory.
        passphrase: opens it.
        messages: spread over fifty contacts, unevenly, as people write.
        seed: the same seed makes the same texts.
    """
    store, dice = await Store.create(home, passphrase), random.Random(seed)
    await store.run(_prepare)
    for first in range(1, messages + 1, _BATCH):
        await store.run(partial(_fill, numbers=range(first, min(first + _BATCH, messages + 1)), dice=dice))
    await store.run(_index)
    return store


def _prepare(c: Connection) -> None:
    c.execute("INSERT INTO settings SELECT 'trigger', sql FROM sqlite_schema WHERE name = 'messages_fts_insert'")
    c.execute("DROP TRIGGER messages_fts_insert")
    c.executemany(
        "INSERT INTO contacts (identity, display_name, connected, created_at) VALUES (?, ?, 1, 0)",
        [(number.to_bytes(32), f"Contact {number}") for number in range(1, CONTACTS + 1)],
    )
    c.executemany(
        "INSERT INTO conversations (contact_id, created_at) VALUES (?, 0)",
        [(number,) for number in range(1, CONTACTS + 1)],
    )


def _index(c: Connection) -> None:
    """Index everything at once, which is many times faster than message by message."""
    c.execute("INSERT INTO messages_fts (messages_fts) VALUES ('rebuild')")
    c.execute(c.execute("SELECT value FROM settings WHERE name = 'trigger'").fetchall()[0][0])
    c.execute("DELETE FROM settings WHERE name = 'trigger'")


def _fill(c: Connection, numbers: range, dice: random.Random) -> None:
    c.executemany(
        "INSERT INTO messages (conversation_id, direction, message_id, kind, text, sent_at_ms, created_at_ms, position,"
        " state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (_row(number, dice) for number in numbers),
    )


def _row(number: int, dice: random.Random) -> tuple[object, ...]:
    words = [dice.choice(_WORDS) for _ in range(dice.randint(3, 25))]
    if number % 1_000 == 0:
        words.append(RARE_WORD)
    conversation = min(CONTACTS, int(dice.expovariate(0.15)) + 1)
    incoming = dice.random() < 0.5
    return (
        ContactId(conversation),
        Direction.INCOMING if incoming else Direction.OUTGOING,
        number.to_bytes(16),
        MessageKind.TEXT,
        " ".join(words),
        number * 60_000,
        number * 60_000,
        number,
        MessageState.READ,
    )
