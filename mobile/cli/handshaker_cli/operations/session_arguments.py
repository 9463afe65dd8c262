"""What each operation on sessions needs to know."""

from dataclasses import dataclass
from typing import ClassVar

from handshaker_cli.operations.arguments import Arguments


@dataclass(frozen=True, slots=True)
class SessionStart(Arguments):
    """Offer a live session to a contact, or accept the contact's offer.

    `stays` keeps the operation going for as long as the session lasts, because it lives in the memory of the process.
    """

    command: ClassVar[str] = "session_start"
    connected: ClassVar[bool] = True
    to: str
    stays: bool = False


@dataclass(frozen=True, slots=True)
class SessionEnd(Arguments):
    """Delete all keys shared with a contact, on both sides; `live` ends the live session alone."""

    command: ClassVar[str] = "session_end"
    connected: ClassVar[bool] = True
    to: str
    live: bool = False


@dataclass(frozen=True, slots=True)
class SessionShow(Arguments):
    """How it stands with the sessions with a contact."""

    command: ClassVar[str] = "session_status"
    to: str
