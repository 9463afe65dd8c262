"""Operations on the account itself."""

from collections.abc import AsyncGenerator

from handshaker_core.client import Account, Client, NetworkError, NotRegistered, RefusedByServer

from handshaker_cli.errors import HasUsername, ServerNotTold, UsernameTaken
from handshaker_cli.operations import views
from handshaker_cli.operations.arguments import LogIn, LogOut, Register, WhoAmI
from handshaker_cli.operations.results import Result
from handshaker_cli.operations.told import Told

_USERNAME_TAKEN = "username_taken"


async def register(client: Client, arguments: Register) -> AsyncGenerator[Result, None]:
    """Yields the account; one that is there already stays as it is, and gets what is missing.

    Raises:
        HasUsername: it has another username.
        UsernameTaken: it was made, without the username.
        InvalidUsername, NetworkError.
    """
    existing = await _existing(client)
    wanted = arguments.username
    if existing is not None and existing.username is not None and wanted is not None:
        if wanted.strip().casefold().removeprefix("@") not in (existing.username, existing.username.partition(".")[0]):
            raise HasUsername(existing.username)
        wanted = None
    async with Told(lambda told: client.register(wanted, display_name=arguments.name, progress=told)) as work:
        async for progress in work:
            yield progress
        try:
            yield views.account(work.result())
        except RefusedByServer as error:
            if error.code == _USERNAME_TAKEN:
                raise UsernameTaken from None
            raise


async def _existing(client: Client) -> Account | None:
    try:
        return await client.whoami()
    except NotRegistered:
        return None


async def who_am_i(client: Client, _: WhoAmI) -> AsyncGenerator[Result, None]:
    """Yields the account. Raises: NotRegistered."""
    yield views.account(await client.whoami())


async def log_in(client: Client, _: LogIn) -> AsyncGenerator[Result, None]:
    """Yields the account. Raises: NotRegistered, NetworkError."""
    yield views.account(await client.log_in())


async def log_out(client: Client, _: LogOut) -> AsyncGenerator[Result, None]:
    """Yields the account. Raises: NotRegistered; ServerNotTold: the device is logged out here all the same."""
    try:
        await client.log_out()
    except NetworkError:
        raise ServerNotTold from None
    yield views.account(await client.whoami())
