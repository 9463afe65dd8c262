"""Panic, and the ticket that makes it reach the server.

The order is fixed: wraps, then files, then the server. What the last step needs is read into memory first, and the local
part never waits for the network.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Coroutine
from dataclasses import dataclass
from typing import Any

from handshaker_core.client.core import Core
from handshaker_core.client.tokens import Session
from handshaker_core.client.unit import Unit
from handshaker_core.credentials import AccessToken, Mailbox, WipeTicket
from handshaker_core.errors import HandshakerError
from handshaker_core.net.errors import NetworkError, RefusedByServer
from handshaker_core.store import accounts, mailboxes, wipe
from handshaker_core.store.connection import Connection
from handshaker_core.store.errors import StoreError
from handshaker_core.store.mailboxes import State

SERVER_SECONDS = 10.0
"""How long the server may take to end what is there; nothing on this machine waits for it."""

_READ_SECONDS = 2.0
_REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Panicked:
    """What panic has done. Everything on this machine is gone.

    Attributes:
        server_told: the server has ended the account, or this device of it.
    """

    server_told: bool


@dataclass(frozen=True, slots=True, repr=False)
class _Remains:
    """What is needed after everything is gone."""

    ticket: WipeTicket | None
    token: AccessToken | None
    username: bool
    mailboxes: list[Mailbox]


async def leave_ticket(core: Core, session: Session) -> None:
    """Let the server know the hash of this device's ticket, once. Raises: NetworkError, LoggedOut."""
    ticket, known = await core.run(lambda u: wipe.ensure(u.c, u.rng))
    if not known:
        await session.call(lambda token: core.api.create_wipe_ticket(token, ticket))
        await core.run(_known)


def _known(u: Unit) -> None:
    wipe.set_known(u.c)


async def panic(core: Core, seconds: float = SERVER_SECONDS) -> Panicked:
    """Destroy everything here, then end the account on the server if it answers in time.

    Raises:
        StoreUnusable: the keys are destroyed, but a file could not be deleted; the server was told if it could be.
    """
    await core.stop_background()
    core.live.clear()
    remains: _Remains | None = None
    with contextlib.suppress(HandshakerError, TimeoutError):
        # A store that is damaged or busy must not keep it from being destroyed.
        async with asyncio.timeout(_READ_SECONDS):
            remains = await core.store.run(_read)
    try:
        await _to_the_end(core.store.destroy())
    except StoreError:
        await _end_on_server(core, remains, seconds)
        raise
    return Panicked(await _end_on_server(core, remains, seconds))


async def _to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Do it all, even for a caller that is cancelled in the middle."""
    doing = asyncio.ensure_future(work)
    try:
        await asyncio.shield(doing)
    except asyncio.CancelledError:
        await doing
        raise


def _read(c: Connection) -> _Remains:
    account, tokens = accounts.get(c), accounts.tokens(c)
    own = [own.mailbox for state in (State.ACTIVE, State.DELETING) for own in mailboxes.listed(c, state)]
    return _Remains(
        ticket=wipe.get(c),
        token=None if tokens is None else tokens.access,
        username=account is not None and account.username is not None,
        mailboxes=own,
    )


async def _end_on_server(core: Core, remains: _Remains | None, seconds: float) -> bool:
    if remains is None:
        return False
    api, calls = core.api, list[Awaitable[bool]]()
    if remains.token is not None and remains.username:
        calls.append(_succeeds(api.release_username(remains.token)))
    calls += [_succeeds(api.delete_mailbox(mailbox)) for mailbox in remains.mailboxes]
    if remains.ticket is None:
        await _within(seconds, calls)
        return False
    redeeming = asyncio.ensure_future(_redeem(core, remains.ticket))
    await _within(seconds, [*calls, redeeming])
    if not redeeming.done():
        redeeming.cancel()
        return False
    return not redeeming.cancelled() and redeeming.result()


async def _redeem(core: Core, ticket: WipeTicket) -> bool:
    try:
        await core.api.redeem_wipe_ticket(ticket)
    except RefusedByServer as error:
        return error.code == _REFUSED  # an answer that was lost: the ticket was known, and is spent
    except NetworkError:
        return False
    return True


async def _succeeds(call: Awaitable[None]) -> bool:
    try:
        await call
    except NetworkError:
        return False
    return True


async def _within(seconds: float, calls: list[Awaitable[bool]]) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.gather(*calls, return_exceptions=True)
