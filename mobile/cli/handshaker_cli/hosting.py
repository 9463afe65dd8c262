"""An account that is open in this process: connected where that is wanted, and serving other processes."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Self

from handshaker_core.client import Client, LoggedOut, NotRegistered
from handshaker_core.net.server import ServerAddress, SocksProxy

from handshaker_cli.errors import OtherProxy, OtherServer
from handshaker_cli.operations.arguments import Arguments, LogOut, Receive, Register
from handshaker_cli.operations.registry import read_call, run
from handshaker_cli.operations.results import Ready, Result
from handshaker_cli.operations.safe_arguments import Panic
from handshaker_cli.operations.session_arguments import SessionStart
from handshaker_cli.operations.watching import Watch
from handshaker_cli.rpc.protocol import Route
from handshaker_cli.rpc.server import Server


class Host:
    """An open account. Made by `open`, an async context manager.

    Attributes:
        client: the account.
    """

    def __init__(self, client: Client, home: Path) -> None:
        self.client = client
        self._home = home
        self._logged_out = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def open(cls, home: Path, passphrase: str, route: Route, *, create: bool = False) -> AsyncIterator[Self]:
        """Open the account in a directory; `create` also makes it, and lets one that is not registered change servers.

        Raises:
            StoreError, UsageError.
            OtherServer: the account is on another server than the route says.
        """
        if create and not await _is_registered(home, passphrase):
            opening = Client.open(home, passphrase, server=route.server, socks=route.socks, create=True)
        else:
            opening = Client.open(home, passphrase, socks=route.socks)
        async with await opening as client:
            await _check_server(client, route.server)
            yield cls(client, home)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Send and receive for the length of the block. What ends the connection for good ends the block.

        Raises:
            NotRegistered, LoggedOut.
        """
        if not (await self.client.whoami()).logged_in:
            raise LoggedOut
        try:
            async with asyncio.TaskGroup() as group:
                running = [group.create_task(self.client.run()), group.create_task(self._until_logged_out())]
                yield
                for task in running:
                    task.cancel()
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None

    async def _until_logged_out(self) -> None:
        await self._logged_out.wait()
        raise LoggedOut

    @asynccontextmanager
    async def serving(self, command: str) -> AsyncIterator[None]:
        """Carry out what other processes ask for. Raises: StoreUnusable."""
        server = Server(self._home, command, self._perform)
        await server.start()
        try:
            yield
        finally:
            await server.stop()

    async def _perform(
        self, command: str, arguments: Mapping[str, object], route: Route
    ) -> AsyncGenerator[Result, None]:
        await _check_server(self.client, route.server)
        if route.socks is not None and _proxy(route.socks) != self.client.proxy:
            raise OtherProxy
        call = read_call(command, arguments)
        try:
            async with aclosing(run(self.client, call)) as results:
                async for result in results:
                    yield result
        finally:
            if isinstance(call, LogOut | Panic):
                self._logged_out.set()


async def carry_out(home: Path, passphrase: str, route: Route, arguments: Arguments) -> AsyncGenerator[Result, None]:
    """Open the account, carry an operation out, close it. While it stays open for long, other processes are served.

    Raises:
        StoreInUse: before anything was done.
        HandshakerError.
    """
    async with AsyncExitStack() as stack:
        opening = Host.open(home, passphrase, route, create=isinstance(arguments, Register))
        host = await stack.enter_async_context(opening)
        if arguments.connected:
            await stack.enter_async_context(host.connected())
        if isinstance(arguments, SessionStart):
            arguments = replace(arguments, stays=True)
        if isinstance(arguments, SessionStart) or (isinstance(arguments, Receive) and arguments.follow):
            await stack.enter_async_context(host.serving(arguments.command))
        results = await stack.enter_async_context(aclosing(run(host.client, arguments)))
        async for result in results:
            yield result


async def stay(home: Path, passphrase: str, route: Route) -> AsyncGenerator[Result, None]:
    """Keep the account open and connected: yields that it is ready, and then notices, without end.

    Raises:
        HandshakerError: it could not be opened, or it is logged out.
    """
    watch = Watch()
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(Host.open(home, passphrase, route))
        events = stack.enter_context(closing(host.client.events()))
        await stack.enter_async_context(host.connected())
        await stack.enter_async_context(host.serving("daemon"))
        yield Ready(process=os.getpid(), home=str(home))
        async for event in events:
            notice = watch.notice(event)
            if notice is not None:
                yield notice


async def _check_server(client: Client, server: str | None) -> None:
    """Make sure that an account that is registered is on the server that the caller means.

    Raises:
        OtherServer, BadServerAddress, InsecureServer.
    """
    if server is None:
        return
    try:
        actual = (await client.whoami()).server
    except NotRegistered:
        return
    if ServerAddress.parse(server).url != actual:
        raise OtherServer(actual)


async def _is_registered(home: Path, passphrase: str) -> bool:
    if not Client.exists(home):
        return False
    async with await Client.open(home, passphrase) as client:
        try:
            await client.whoami()
        except NotRegistered:
            return False
    return True


def _proxy(typed: str) -> str | None:
    return None if typed == "direct" else SocksProxy.parse(typed).address
