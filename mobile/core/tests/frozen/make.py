"""Freeze a store as the code of today writes it: `cd mobile/core/tests && python -m frozen.make`, before each release.

It writes `schema-NNNN/` beside this file, where NNNN is the latest migration: a home as a client leaves it (`vault` and
the database; its random twin is left out and made anew) and `expected.json` with what must still be readable in it. A
directory that exists is never written again: the tests open a copy of every one with the code of their day.
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import core_world
from core_world import Party
from handshaker_core.credentials import FrameId
from handshaker_core.model import Direction
from handshaker_core.net.relay import IncomingFrame, Outcome
from handshaker_core.store import accounts, contacts, messages, migrations, settings, twins, vault, vault_file
from handshaker_core.store.vault import DatabaseKey

FOLDER = Path(__file__).resolve().parent
PASSPHRASE = "a frozen store"
GREETING = "Guten Tag, hier ist Anna"
WAITING = "This one waits for the network"
TEXTS = (
    "The first message of all",
    "Wir treffen uns am Brunnen \N{EM DASH} um neun",
    "\N{SNOWMAN} \N{GREEK SMALL LETTER ALPHA}\N{GREEK SMALL LETTER OMEGA} two\nlines",
)


def exchange(*parties: Party) -> None:
    """Carry frames between two parties until nothing is left to carry."""
    for _ in range(6):
        for sender, recipient in (parties, parties[::-1]):
            sender.now = recipient.now = max(sender.now, recipient.now) + 60
            sender.send_receipts()
            for frame in sender.due():
                address = recipient.mailboxes()[frame.send_id]
                recipient.take(IncomingFrame(1, address, FrameId(frame.frame_id), frame.frame))
                sender.result(frame.frame_id, Outcome.STORED)


def converse(anna: Party, bert: Party, stranger: Party) -> None:
    """A conversation that has been going on for a while, a message on its way, and a request nobody has answered."""
    anna.ask(bert, GREETING)
    exchange(anna, bert)
    bert.accept()
    exchange(anna, bert)
    anna.send(TEXTS[0])
    exchange(anna, bert)
    bert.send(TEXTS[1])
    exchange(anna, bert)
    anna.mark_read()
    exchange(anna, bert)
    bert.send(TEXTS[2])
    exchange(anna, bert)

    def settle(u: object) -> None:
        c = u.c  # type: ignore[attr-defined]  # a unit of work of whatever version this is
        accounts.set_registered(c, "6f7c53d4-3a3c-4a39-8f0e-0c9d8a1f2b11", "0b1f6a1e-8a4d-4a53-9a55-6b8f0d5a7c22")
        accounts.set_display_name(c, "Anna")
        accounts.set_username(c, "anna.4711")
        contact = contacts.by_identity(c, bert.keys.identity.public)
        assert contact is not None
        contacts.set_username(c, contact, "bert.17")
        contacts.set_verified(c, contact, anna.now)
        settings.put(c, "read_receipts", "true")

    anna.do(settle)
    # Still on its way out: a client that was closed before this reached the server.
    anna.send(WAITING)
    stranger.ask(anna, "We met at the fair")
    for frame in stranger.due():
        address = anna.mailboxes()[frame.send_id]
        anna.take(IncomingFrame(1, address, FrameId(frame.frame_id), frame.frame))


def main() -> None:
    """Write the directory of the current schema."""
    schema = migrations.scripts()[-1][0]
    target = FOLDER / f"schema-{schema:04}"
    if target.exists():
        sys.exit(f"{target.name} is frozen already; a new one needs a new migration.")
    key = DatabaseKey(os.urandom(DatabaseKey.SIZE))
    core_world.KEY = key
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "anna"
        anna, bert, stranger = (Party(Path(folder) / name / twins.NAMES[0]) for name in ("anna", "bert", "stranger"))
        converse(anna, bert, stranger)
        expected = {
            "passphrase": PASSPHRASE,
            "identity": anna.keys.identity.public.raw.hex(),
            "contact": {"identity": bert.keys.identity.public.raw.hex(), "username": "bert.17", "verified": True},
            "outgoing": anna_texts(anna, bert, Direction.OUTGOING),
            "incoming": anna_texts(anna, bert, Direction.INCOMING),
            "search": {"brunnen": [TEXTS[1]], "first message": [TEXTS[0]]},
            "request": "We met at the fair",
            "waiting": WAITING,
        }
        for party in (anna, bert, stranger):
            party.close()
        vault_file.create(home / "vault", vault.create(PASSPHRASE, key, 0).vault())
        target.mkdir()
        for name in ("vault", twins.NAMES[0]):
            shutil.copy(home / name, target / name)
    (target / "expected.json").write_text(json.dumps(expected, indent=2, ensure_ascii=False) + "\n", "utf-8")


def anna_texts(anna: Party, bert: Party, direction: Direction) -> list[str]:
    """What stands in the conversation of the two, seen by the first."""

    def read(u: object) -> list[str]:
        c = u.c  # type: ignore[attr-defined]  # a unit of work of whatever version this is
        contact = contacts.by_identity(c, bert.keys.identity.public)
        assert contact is not None
        return [m.text for m in messages.history(c, contact, None, 1000, None) if m.direction is direction]

    return anna.do(read)


if __name__ == "__main__":
    main()
