"""What each operation needs to know. The class says which operation it is.

Nothing here imports the client, so that a command which another process carries out starts fast.
"""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Arguments:
    """Root of the arguments.

    Attributes:
        command: the operation's name, stable.
        connected: whether the operation needs the connection on which messages travel.
    """

    command: ClassVar[str]
    connected: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Register(Arguments):
    """Make the account on the server; `name` is what contacts see."""

    command: ClassVar[str] = "register"
    username: str | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class WhoAmI(Arguments):
    """Show the account."""

    command: ClassVar[str] = "whoami"


@dataclass(frozen=True, slots=True)
class LogIn(Arguments):
    """Start a session."""

    command: ClassVar[str] = "login"


@dataclass(frozen=True, slots=True)
class LogOut(Arguments):
    """End the session."""

    command: ClassVar[str] = "logout"


@dataclass(frozen=True, slots=True)
class Search(Arguments):
    """Look a username up."""

    command: ClassVar[str] = "search"
    username: str


@dataclass(frozen=True, slots=True)
class Connect(Arguments):
    """Ask for a connection; `target` is a username or a link; `new_identity` takes a changed identity as it is."""

    command: ClassVar[str] = "connect"
    connected: ClassVar[bool] = True
    target: str
    greeting: str = ""
    new_identity: bool = False


@dataclass(frozen=True, slots=True)
class Requests(Arguments):
    """List the requests that wait for an answer."""

    command: ClassVar[str] = "requests"
    connected: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Accept(Arguments):
    """Accept a request: its number, or whose it is."""

    command: ClassVar[str] = "accept"
    connected: ClassVar[bool] = True
    request: str


@dataclass(frozen=True, slots=True)
class Reject(Arguments):
    """Reject a request: its number, or whose it is; `tell` lets them know."""

    command: ClassVar[str] = "reject"
    connected: ClassVar[bool] = True
    request: str
    tell: bool = False


@dataclass(frozen=True, slots=True)
class Contacts(Arguments):
    """List the contacts."""

    command: ClassVar[str] = "contacts"


@dataclass(frozen=True, slots=True)
class Verify(Arguments):
    """Show the safety number; `confirm` notes that it was compared, `scanned` compares the contact's safety code."""

    command: ClassVar[str] = "verify"
    to: str
    confirm: bool = False
    scanned: str | None = None


@dataclass(frozen=True, slots=True)
class Send(Arguments):
    """Send a text; `wait` is how many seconds to wait for the server, null for as long as seems useful."""

    command: ClassVar[str] = "send"
    connected: ClassVar[bool] = True
    to: str
    text: str
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class Receive(Arguments):
    """Show what is new; `follow` stays, for `seconds` or for good; `receipts` shows how far own messages get."""

    command: ClassVar[str] = "receive"
    connected: ClassVar[bool] = True
    follow: bool = False
    seconds: float | None = None
    receipts: bool = False


@dataclass(frozen=True, slots=True)
class History(Arguments):
    """List the last messages with a contact."""

    command: ClassVar[str] = "history"
    to: str
    search: str | None = None
    limit: int = 50
