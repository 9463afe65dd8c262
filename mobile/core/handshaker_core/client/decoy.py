"""A decoy for those who have none: two ordinary accounts on the same server that have talked a little.

Everything in it is real: registered, connected, encrypted, delivered. What it lacks is a life; an account that somebody
has used for weeks is the better decoy (`Safekeeping.set_duress`).
"""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from handshaker_core.client.core import Core, StepProgress
from handshaker_core.client.unit import Unit
from handshaker_core.store.errors import PassphraseInUse, WrongPassphrase

if TYPE_CHECKING:
    from handshaker_core.client.client import Client

_NAMES = ("Alex", "Sam", "Robin", "Kim", "Chris", "Toni", "Luca", "Noa")
_FIRST = ("Hi, it is me!", "Hello from my new phone", "Found you :)", "Hey, this works!")
_LINES = (
    ("Did you get home all right?", "Yes, no trouble at all"),
    ("What time is dinner on Sunday?", "Around seven, bring nothing"),
    ("Could you send me the name of that dentist?", "I'll look it up tonight"),
    ("Are you still coming on Saturday?", "Yes! I'll be there at three"),
    ("Thanks for the book, I'm halfway through", "Told you it was good"),
    ("The parcel came", "Great, thank you"),
    ("Running ten minutes late", "No problem, I'm inside"),
    ("Happy birthday!", "Thank you so much"),
)
_EXCHANGES = 5
_LONGEST_AGO_DAYS = 40
_STEPS = 5


async def make(core: Core, passphrase: str, progress: StepProgress) -> None:
    """Make the decoy and put it beside the home.

    Raises:
        PassphraseInUse, NetworkError, RefusedByServer.
    """
    await _refuse_same(core, passphrase)
    folder = Path(tempfile.mkdtemp(prefix=".new-", dir=core.store.home))
    try:
        async with _person(core, folder / "a", passphrase) as own, _person(core, folder / "b", passphrase) as friend:
            await _talk(core, own, friend, progress)
        await core.store.set_duress(folder / "a", passphrase)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    progress("decoy", 1.0)


async def _refuse_same(core: Core, passphrase: str) -> None:
    try:
        await core.store.check_passphrase(passphrase)
    except WrongPassphrase:
        return
    raise PassphraseInUse


@asynccontextmanager
async def _person(core: Core, home: Path, passphrase: str) -> "AsyncIterator[Client]":
    from handshaker_core.client.client import Client  # noqa: PLC0415 - the client reaches this module itself

    socks = None if core.way.proxy is None else core.way.proxy.address
    client = await Client.open(
        home,
        passphrase,
        server=core.server.url,
        create=True,
        socks=socks,
        ca_file=core.way.ca_file,
        clock=core.clock,
        rng=core.rng,
    )
    async with client:
        yield client


async def _talk(core: Core, own: "Client", friend: "Client", progress: StepProgress) -> None:
    progress("decoy", 0.0)
    await own.register(display_name=_pick(core, _NAMES))
    progress("decoy", 1 / _STEPS)
    await friend.register(display_name=_pick(core, _NAMES))
    progress("decoy", 2 / _STEPS)
    for client in (own, friend):
        await client.change_settings(receipt_delay=[0, 0])
    async with own.online(), friend.online():
        await friend.connect(await own.link(), _pick(core, _FIRST))
        contact = (await own.accept(await _asked(own))).id
        progress("decoy", 3 / _STEPS)
        await friend.flushed()
        await own.flushed()
        there = await _connected(friend)
        for question, answer in _chosen(core):
            await _said(own, contact, friend, there, question)
            await _said(friend, there, own, contact, answer)
        progress("decoy", 4 / _STEPS)
    await own.change_settings(receipt_delay=[1.0, 3.0])
    await own._core.run(lambda u: _spread(u, core))  # noqa: SLF001 - times in the past are for decoys alone


async def _asked(client: "Client") -> int:
    await client.drained()
    while not (waiting := await client.requests()):
        await _anything(client)
    return waiting[0].id


async def _connected(client: "Client") -> int:
    while (contact := (await client.contacts(include_all=True))[0]).state != "connected":
        await _anything(client)
    return contact.id


async def _said(sender: "Client", to: int, recipient: "Client", contact: int, text: str) -> None:
    message = await sender.send(to, text)
    await sender.settled(message.id)
    while not any(unread.text == text for unread in await recipient.unread(contact)):
        await _anything(recipient)
    await recipient.mark_read(contact)


async def _anything(client: "Client") -> None:
    """Wait until something happens, but not long: it may have happened before we listened."""
    with contextlib.closing(client.events()) as events, contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.25):
            await anext(events)


def _chosen(core: Core) -> list[tuple[str, str]]:
    lines = list(_LINES)
    return [lines.pop(core.rng(1)[0] % len(lines)) for _ in range(_EXCHANGES)]


def _pick(core: Core, choices: tuple[str, ...]) -> str:
    return choices[core.rng(1)[0] % len(choices)]


def _spread(u: Unit, core: Core) -> None:
    """Let what was said in a minute have been said over weeks, in the same order."""
    rows = u.c.execute("SELECT id FROM messages ORDER BY position, sent_at_ms, id").fetchall()
    moments = sorted(int.from_bytes(core.rng(4)) / 2**32 * _LONGEST_AGO_DAYS * 86_400_000 for _ in rows)
    for (number,), ago in zip(rows, reversed(moments), strict=True):
        at_ms = u.now_ms - int(ago)
        u.c.execute("UPDATE messages SET sent_at_ms = ?, created_at_ms = ? WHERE id = ?", (at_ms, at_ms, number))
    first = u.now - _LONGEST_AGO_DAYS * 86_400
    u.c.execute("UPDATE account SET created_at = ?", (first,))
    u.c.execute("UPDATE contacts SET created_at = ?", (first,))
    u.c.execute("UPDATE requests SET created_at = ?, answered_at = ?", (first, first))
