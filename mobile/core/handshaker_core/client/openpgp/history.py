"""All conversations as JSON Lines, encrypted as they are read from the store: never more than a page in memory.

The first line says what it is, one line a contact and one a message follow, and the last line says how many there were.
"""

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from handshaker_core.client.core import Core
from handshaker_core.client.openpgp.files import writing
from handshaker_core.client.openpgp.messages import MessageFile
from handshaker_core.client.openpgp.people import Known
from handshaker_core.client.openpgp.values import ExportedHistory
from handshaker_core.client.unit import Unit
from handshaker_core.clock import milliseconds
from handshaker_core.model import MessageNumber, as_json
from handshaker_core.openpgp.certificate import Certificate
from handshaker_core.store import contacts, openpgp

FORMAT = "handshaker-history"
VERSION = 1
_PAGE = 500


async def export(
    core: Core, target: Path, known: Known, recipients: Sequence[Certificate], progress: Callable[[float], None]
) -> ExportedHistory:
    """Write the messages that are there now into a new, encrypted file.

    Raises:
        OpenPgpError, FileExists, FileUnusable: nothing was written.
    """
    people, (last, total) = await core.run(lambda u: (_people(u), openpgp.last_message(u.c)))
    # What comes in while it is written does not belong to it, so that it ends.
    with writing(target) as file:
        message = MessageFile(file, known, recipients, armored=False, now=core.clock(), rng=core.rng)
        head = {"type": FORMAT, "version": VERSION, "exported_at_ms": milliseconds(core.clock())}
        await asyncio.to_thread(message.write, _lines([head, *people]))
        after, count = MessageNumber(0), 0
        while page := await core.run(partial(_page, after=after, last=last)):
            await asyncio.to_thread(message.write, _lines(page))
            after, count = MessageNumber(page[-1]["id"]), count + len(page)
            progress(count / max(1, total))
        await asyncio.to_thread(message.write, _lines([{"type": "end", "messages": count}]))
        await asyncio.to_thread(message.finish)
    return ExportedHistory(target, count, message.size)


def _people(u: Unit) -> list[dict[str, Any]]:
    return [
        {"type": "contact", **as_json(contact), "identity": contacts.identity(u.c, contact.id).raw.hex()}
        for contact in contacts.everybody(u.c)
    ]


def _page(u: Unit, after: MessageNumber, last: MessageNumber) -> list[dict[str, Any]]:
    found = openpgp.messages_between(u.c, after, last, _PAGE)
    return [{"type": "message", **as_json(message)} for message in found]


def _lines(objects: Iterable[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in objects).encode()
