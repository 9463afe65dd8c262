"""The session with the server: tokens are refreshed when they have run out, and a lost session is replaced by a login."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from handshaker_core.client.core import Core
from handshaker_core.client.errors import LoggedOut
from handshaker_core.credentials import AccessToken, Tokens
from handshaker_core.net.errors import RefusedByServer
from handshaker_core.store import accounts
from handshaker_core.store.accounts import StoredTokens

T = TypeVar("T")

MARGIN_SECONDS = 20.0
_UNAUTHENTICATED = 401


class Session:
    """Access to the account plane."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._renewing = asyncio.Lock()

    async def call(self, method: Callable[[AccessToken], Awaitable[T]]) -> T:
        """Make a call with a valid access token; one that the server no longer takes is replaced once.

        Raises:
            LoggedOut: the owner has logged this device out.
            NetworkError.
        """
        token = await self._valid()
        try:
            return await method(token)
        except RefusedByServer as error:
            if error.status != _UNAUTHENTICATED:
                raise
        return await method(await self._valid(instead_of=token))

    async def _valid(self, instead_of: AccessToken | None = None) -> AccessToken:
        async with self._renewing:
            account = await self._core.store.run(accounts.get)
            if account is not None and account.logged_out:
                raise LoggedOut
            current = await self._core.store.run(accounts.tokens)
            if (
                current is not None
                and current.access != instead_of
                and current.access_expires_at - MARGIN_SECONDS > self._core.clock()
            ):
                return current.access
            fresh = await self._renew(current)
            await self.keep(fresh)
            return fresh.access

    async def _renew(self, current: StoredTokens | None) -> Tokens:
        device = self._core.keys.device
        if current is not None and current.refresh_expires_at > self._core.clock():
            try:
                return await self._core.api.refresh(device, current.refresh)
            except RefusedByServer as error:
                if error.status == 429:  # noqa: PLR2004
                    raise
                # The server has seen this token before: an answer of its got lost. The device key is proof enough.
        return await self._core.api.log_in(device)

    async def keep(self, tokens: Tokens) -> None:
        """Commit new tokens; the device counts as logged in."""
        now = self._core.clock()
        await self._core.store.run(lambda c: accounts.set_tokens(c, tokens, now))

    async def log_in(self) -> None:
        """Start a session with the device key, whatever there was before."""
        async with self._renewing:
            await self.keep(await self._core.api.log_in(self._core.keys.device))

    async def log_out(self) -> None:
        """End the session on the server, and forget the tokens here even if the server cannot be asked."""
        try:
            await self.call(self._core.api.end_session)
        except LoggedOut:
            return
        finally:
            await self._core.store.run(lambda c: accounts.set_tokens(c, None, 0))
