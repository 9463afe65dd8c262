"""Prosody under load: stream management, internal storage, offline messages for the stored case."""

import secrets
from pathlib import Path

from .flow import Flow
from .measure import STORED_PER_PAIR, measure
from .result import PeerResult
from .server import running
from .xmpp import HOST, XmppClient

_CONFIGURATION = """\
daemonize = false
run_as_root = true
data_path = "{folder}/data"
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {port} }}
c2s_direct_tls_ports = {{ }}
modules_enabled = {{ {modules} }}
modules_disabled = {{ "s2s", "tls" }}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_plain"
storage = "internal"
-- As asyncio and the other servers do: without it small answers wait for the other side's delayed TCP acknowledgement.
network_settings = {{ nagle = false }}
-- Nothing may be dropped: the load bounds what is stored.
smacks_max_queue_size = {queue}
storage_archive_item_limit = 100000000
log = {{ warn = "*console" }}
VirtualHost "{host}"
"""


class _Clients:
    def __init__(self, port: int, password: str) -> None:
        self._port, self._password = port, password

    async def sender(self, pair: int, flow: Flow) -> XmppClient:
        return await XmppClient.login(self._port, flow, f"sender{pair}", self._password, f"receiver{pair}")

    async def receiver(self, pair: int, flow: Flow) -> XmppClient:
        return await XmppClient.login(self._port, flow, f"receiver{pair}", self._password, f"sender{pair}")


def _configure(folder: Path, port: int, *, pairs: int, window: int, password: str, archive: bool) -> list[str]:
    modules = ["saslauth", "smacks", "offline", *(["mam"] if archive else [])]
    (folder / "prosody.cfg.lua").write_text(
        _CONFIGURATION.format(
            folder=folder,
            port=port,
            modules=", ".join(f'"{module}"' for module in modules),
            queue=max(STORED_PER_PAIR, window) + 500,
            host=HOST,
        )
    )
    accounts = folder / "data" / HOST / "accounts"
    accounts.mkdir(parents=True)
    for pair in range(pairs):
        for role in ("sender", "receiver"):
            (accounts / f"{role}{pair}.dat").write_text(f'return {{ ["password"] = "{password}" }};\n')
    return ["-F", "--config", str(folder / "prosody.cfg.lua")]


async def run_prosody(
    *, pairs: int, window: int, payload: int, seconds: float, stored: bool = False, archive: bool = False
) -> PeerResult:
    """Run the load against a Prosody of our own. `payload` is in bytes; see `measure` for live and `stored`.

    With stream management alone, which is the cheapest for Prosody, live messages are only ever in memory; `archive`
    adds mod_mam, which writes every message to the history of both users before it is delivered. Raises MissingPeer if
    Prosody is not installed, PeerError if a message is lost, doubled or not acknowledged.
    """
    password = secrets.token_hex(16)

    def configure(folder: Path, port: int) -> list[str]:
        return _configure(folder, port, pairs=pairs, window=window, password=password, archive=archive)

    async with running("prosody", "prosody", configure) as server:
        return await measure(
            " ".join(["prosody", *(["archive"] if archive else []), *(["stored"] if stored else [])]),
            server,
            _Clients(server.port, password),
            pairs=pairs,
            window=window,
            payload=payload,
            seconds=seconds,
            stored=stored,
        )
