"""From a directory and a passphrase to everything the client is made of."""

from dataclasses import dataclass
from pathlib import Path

from handshaker_core.client import disappearing, sessions, setup
from handshaker_core.client.core import Core
from handshaker_core.client.errors import EmptyPassphrase, ProxyRequired, ServerRequired
from handshaker_core.client.settings import Settings, load
from handshaker_core.clock import Clock
from handshaker_core.net.http import Transport, Way
from handshaker_core.net.server import ServerAddress, SocksProxy
from handshaker_core.protocol.randomness import Randomness
from handshaker_core.store import Store, accounts
from handshaker_core.store.accounts import AccountKeys
from handshaker_core.store.connection import Connection

DIRECT = "direct"


@dataclass(frozen=True, slots=True)
class Where:
    """What the caller says about store and server; see `Client.open`."""

    home: Path
    server: str | None
    socks: str | None
    ca_file: str | None


@dataclass(frozen=True, slots=True)
class _Opened:
    keys: AccountKeys
    settings: Settings
    server: ServerAddress
    proxy: SocksProxy | None


async def open_core(where: Where, passphrase: str, *, create: bool, clock: Clock, rng: Randomness) -> Core:
    """Open the store and prepare the way to the server; see `Client.open`."""
    # What can be refused is refused before anything is made.
    if where.server is not None:
        ServerAddress.parse(where.server)
    if where.socks is not None and where.socks != DIRECT:
        SocksProxy.parse(where.socks)
    if create and not Store.exists(where.home):
        check_passphrase(passphrase)
        if where.server is None:
            raise ServerRequired
        store = await Store.create(where.home, passphrase)
    else:
        store = await Store.open(where.home, passphrase)
    try:
        opened = await store.run(lambda c: _prepare(c, where, clock, rng))
        if opened.keys.root is not None:
            await store.set_recovery(opened.keys.root.store_recovery())
        way = Way(opened.proxy, where.ca_file)
        core = Core(
            store=store,
            keys=opened.keys,
            settings=opened.settings,
            server=opened.server,
            way=way,
            transport=Transport(opened.server, way),
            clock=clock,
            rng=rng,
        )
    except BaseException:
        await store.close()
        raise
    core.start(disappearing.keep_sweeping(core))
    core.start(sessions.keep_forgetting(core))
    return core


def check_passphrase(passphrase: str) -> None:
    """Raises: EmptyPassphrase."""
    if not passphrase:
        raise EmptyPassphrase


def _prepare(c: Connection, where: Where, clock: Clock, rng: Randomness) -> _Opened:
    before = accounts.get(c)
    address = where.server or (before.server if before is not None else None)
    if address is None:
        raise ServerRequired
    server = ServerAddress.parse(address)
    proxy_text = where.socks if where.socks is not None else (before.proxy if before is not None else None)
    proxy = None if proxy_text is None or proxy_text == DIRECT else SocksProxy.parse(proxy_text)
    if server.is_onion and proxy is None:
        raise ProxyRequired
    remembered = None if proxy is None else proxy.address
    keys = setup.ensure_account(c, server.url, remembered, clock, rng)
    accounts.set_route(c, server.url, remembered)
    return _Opened(keys, load(c), server, proxy)
