"""A local store of many messages: how long it takes to open, and to find a text."""

import random
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from handshaker_core.model import ContactId, Direction, MessageKind, MessageState
from handshaker_core.protocol.keys import IdentityKeyPair
from handshaker_core.store import contacts, messages
from handshaker_core.store.connection import Connection
from handshaker_core.store.database import Database
from handshaker_core.store.messages import NewMessage
from handshaker_core.store.vault import DatabaseKey

OPEN_SECONDS, SEARCH_SECONDS = 1.0, 0.1
REPEAT = 5
PAGE = 50
VOCABULARY, WORDS = 20_000, 12
BATCH = 5_000
RARE = "needleword"


def measure(count: int) -> dict[str, float]:
    """Prints and returns seconds: of opening with a known key and showing the newest page, and of three searches."""
    with tempfile.TemporaryDirectory(prefix="handshaker-bench-") as folder:
        path, key = Path(folder) / "messages.db", DatabaseKey(secrets.token_bytes(DatabaseKey.SIZE))
        contact, common = fill(path, key, count)
        opening = statistics.median(timed(lambda: opened(path, key, contact)) for _ in range(REPEAT))
        database = Database(path, key)
        searched = {"rare word": RARE, "common word": common, "part of a word": RARE[2:7]}
        searches = {name: search_seconds(database, contact, text) for name, text in searched.items()}
        database.close()
        size = path.stat().st_size
    print(f"A store of {count:,} messages in one conversation, {size / 2**20:.0f} MiB:")
    print(
        f"  opening it and showing the newest {PAGE}, key known   {opening * 1000:6.0f} ms  (aim: {OPEN_SECONDS:.0f} s)"
    )
    for name, seconds in searches.items():
        print(f"  searching for a {name:14}, newest {PAGE}             {seconds * 1000:6.1f} ms  (aim: 100 ms)")
    return {"open": opening} | {f"search {name}": seconds for name, seconds in searches.items()}


def fill(path: Path, key: DatabaseKey, count: int) -> tuple[ContactId, str]:
    """A conversation of random sentences; returns the contact and the most frequent word."""
    chance = random.Random(1)
    words = ["".join(chance.choices("abcdefghijklmnoprstuvwy", k=chance.randint(3, 10))) for _ in range(VOCABULARY)]
    weights = [1 / rank for rank in range(1, VOCABULARY + 1)]
    database = Database(path, key)
    contact = database.transact(lambda c: contacts.ensure(c, IdentityKeyPair.generate().public, 0))
    for start in range(0, count, BATCH):
        texts = [" ".join(chance.choices(words, weights, k=WORDS)) for _ in range(min(BATCH, count - start))]
        if start == 0:
            texts[0] += f" {RARE}"
        database.transact(partial(add, contact=contact, start=start, texts=texts))
        if sys.stderr.isatty():
            print(f"\rFilling a store: {start + len(texts):,} of {count:,}", end="", file=sys.stderr, flush=True)
        elif start == 0:
            print(
                f"Filling a store with {count:,} messages, which takes a minute or two …", file=sys.stderr, flush=True
            )
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    database.close()
    return contact, words[0]


def add(c: Connection, *, contact: ContactId, start: int, texts: list[str]) -> None:
    """Messages of alternating directions."""
    for number, text in enumerate(texts, start):
        incoming = number % 2 == 0
        new = NewMessage(
            contact=contact,
            direction=Direction.INCOMING if incoming else Direction.OUTGOING,
            message_id=number.to_bytes(16, "big"),
            kind=MessageKind.TEXT,
            text=text,
            sent_at_ms=number * 1000,
            created_at_ms=number * 1000,
            state=MessageState.READ,
        )
        messages.add(c, new)


def opened(path: Path, key: DatabaseKey, contact: ContactId) -> None:
    """Open it and read what is shown first."""
    database = Database(path, key)
    database.transact(lambda c: (contacts.everybody(c), messages.history(c, contact, None, PAGE, None)))
    database.close()


def search_seconds(database: Database, contact: ContactId, text: str) -> float:
    """The median of a search."""

    def search() -> None:
        if not database.transact(lambda c: messages.history(c, contact, text, PAGE, None)):
            raise LookupError("the search found nothing")

    return statistics.median(timed(search) for _ in range(REPEAT))


def timed(step: Callable[[], object]) -> float:
    """Seconds."""
    started = time.perf_counter()
    step()
    return time.perf_counter() - started
