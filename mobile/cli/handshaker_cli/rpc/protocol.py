"""The messages on the local socket, one JSON object a line, UTF-8, at most `MAXIMUM_LINE` bytes.

    server  {"handshaker": 1, "process": 4711, "serving": "daemon"}              once, first
    client  {"id": 1, "command": "send", "arguments": {"to": "alice.42", …}}
    server  {"id": 1, "result": {"type": "message", …}}
    client  {"id": 1, "next": true}                                                the result has been used
    …
    server  {"id": 1, "done": true}
        or  {"id": 1, "error": {"reason": "…", "message": "…", "exit": 3}}
    client  {"id": 1, "cancel": true}                                              at any time; `done` follows

The next result is made only after `next`: what a command does once a result has been used (marking a message as read)
happens when it really was. Several commands may run at once on a connection, each under its own id. Closing the
connection cancels them. `"route": {"server": …, "socks": …}` beside the arguments names the server and proxy that have to
be in use; null stands for any.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from handshaker_cli.errors import BadCall

VERSION: Final = 1
MAXIMUM_LINE: Final = 1 << 20
SOCKET_NAME: Final = "daemon.sock"


@dataclass(frozen=True, slots=True)
class Route:
    """Which server the caller means, and through which proxy, both as typed; None is whatever is in use."""

    server: str | None = None
    socks: str | None = None


ANY_ROUTE: Final = Route()


def to_line(message: Mapping[str, object]) -> bytes:
    """A message as a line."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode(errors="surrogatepass") + b"\n"


def from_line(line: bytes) -> dict[str, object]:
    """The message in a line. Raises: BadCall: it is no JSON object."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        raise BadCall("A line on the local socket is not JSON.") from None
    if not isinstance(message, dict):
        raise BadCall("A line on the local socket is not a JSON object.")
    return message


def greeting(serving: str) -> dict[str, object]:
    """The server's first message; `serving` is the command that keeps the account open."""
    return {"handshaker": VERSION, "process": os.getpid(), "serving": serving}
