"""Where the server is, and the way there."""

import re
import secrets
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from handshaker_core.net.errors import BadProxyAddress, BadServerAddress, InsecureServer

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_PROXY = re.compile(r"(?P<host>\[[0-9A-Fa-f:]+\]|[A-Za-z0-9.-]+):(?P<port>[0-9]{1,5})")
_LARGEST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """The base URL of a deployment, `https://host[:port]`; made by `parse`."""

    url: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what a person typed; a missing scheme means https.

        Raises:
            BadServerAddress: not a host, or something stands after it.
            InsecureServer: http to anything but an onion service (which encrypts by itself) or this machine.
        """
        typed = text.strip().rstrip("/")
        if "://" not in typed:
            typed = "https://" + typed
        try:
            parts = urlsplit(typed)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise BadServerAddress from None
        authority = f"[{host}]" if ":" in host else host
        url = f"{parts.scheme}://{authority}" + (f":{port}" if port is not None else "")
        if not host or not host.isascii() or any(c.isspace() for c in typed) or url.lower() != typed.lower():
            raise BadServerAddress
        if parts.scheme == "http" and not (host in _LOOPBACK or host.endswith(".onion")):
            raise InsecureServer
        if parts.scheme not in ("http", "https"):
            raise BadServerAddress
        return cls(url)

    @property
    def websocket_url(self) -> str:
        """Where the relay's socket is."""
        return "ws" + self.url.removeprefix("http") + "/a/v1/ws"

    @property
    def is_onion(self) -> bool:
        """Whether it can be reached through Tor only."""
        return (urlsplit(self.url).hostname or "").endswith(".onion")

    @property
    def is_loopback(self) -> bool:
        """Whether it is on this machine, where a proxy cannot reach it."""
        return (urlsplit(self.url).hostname or "") in _LOOPBACK


@dataclass(frozen=True, slots=True, repr=False)
class SocksProxy:
    """A SOCKS5 proxy that resolves names itself.

    Each purpose logs in under its own name, so that Tor gives each its own circuit (`IsolateSOCKSAuth`, on by default).
    """

    host: str
    port: int
    isolation: str

    def __repr__(self) -> str:
        return "SocksProxy(<redacted>)"

    @classmethod
    def parse(cls, text: str, isolation: str | None = None) -> Self:
        """Read `HOST:PORT`.

        Args:
            text: what a person typed, perhaps with `socks5://` or `socks5h://` before it.
            isolation: a random word that tells this account's circuits from others'; None makes one.

        Raises:
            BadProxyAddress.
        """
        bare = re.sub(r"^socks5h?://", "", text.strip()).rstrip("/")
        match = _PROXY.fullmatch(bare)
        if match is None or not 0 < int(match["port"]) <= _LARGEST_PORT:
            raise BadProxyAddress
        return cls(match["host"].strip("[]"), int(match["port"]), isolation or secrets.token_hex(8))

    @property
    def address(self) -> str:
        """`HOST:PORT`, as `parse` reads it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def login(self, purpose: str) -> tuple[str, str]:
        """User name and password for one purpose."""
        return f"{self.isolation}-{purpose}", "handshaker"
