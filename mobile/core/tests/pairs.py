"""Two people who are connected and have talked, for tests of rules."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from core_world import Party
from handshaker_core.client.unit import Unit
from handshaker_core.model import ContactId
from handshaker_core.net.relay import IncomingFrame, Outcome, OutgoingFrame

Pair = tuple[Party, Party]
T = TypeVar("T")


def friends_in(folder: Path) -> Path:
    """Make their stores, a and b, to be copied."""
    a, b = Party(folder / "a" / "db"), Party(folder / "b" / "db")
    a.ask(b)
    exchange(a, b)
    b.accept()
    exchange(a, b)
    a.send("hello b")
    b.send("hello a")
    exchange(a, b)
    a.close()
    b.close()
    return folder


def deliver(to: Party, frames: list[OutgoingFrame], sender: Party | None = None) -> None:
    for frame in frames:
        to.take(IncomingFrame(1, to.mailboxes()[frame.send_id], frame.frame_id, frame.frame))
        if sender is not None:
            sender.result(frame.frame_id, Outcome.STORED)


def exchange(a: Party, b: Party) -> None:
    for _ in range(3):
        deliver(b, a.due(), a)
        deliver(a, b.due(), b)


def on(party: Party, work: Callable[[Unit, ContactId], T], *, crash: bool = False) -> T:
    """Something about the other one."""
    contact = party.contact()
    assert contact is not None
    return party.do(lambda u: work(u, contact), crash=crash)
