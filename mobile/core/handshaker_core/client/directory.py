"""Usernames and contact addresses: how strangers find each other."""

import asyncio
import secrets
from dataclasses import dataclass

from handshaker_core.client.core import Core, StepProgress, no_progress
from handshaker_core.client.errors import OtherDeployment
from handshaker_core.client.tokens import Session
from handshaker_core.client.unit import Unit
from handshaker_core.net.errors import RefusedByServer
from handshaker_core.protocol.address import ContactAddress, make_link, open_address, parse_link, seal_address
from handshaker_core.protocol.username import Username, UsernameKeys, derive, normalise
from handshaker_core.store import accounts, mailboxes

DEPLOYMENT_ID = b"handshaker"
"""What usernames are stretched with. Servers publish no name of their own yet, and their addresses may change."""

USERNAME_TAKEN = "username_taken"
CHOICES = 8


@dataclass(frozen=True, slots=True)
class Lead:
    """Where a username or a link leads.

    Attributes:
        username: None for a link.
        base: the deployment that the link names; None for a username.
    """

    address: ContactAddress
    username: Username | None
    base: str | None


async def stretch(username: Username) -> UsernameKeys:
    """The two keys of a username, computed in a thread: it takes a third of a second."""
    return await asyncio.to_thread(derive, username, DEPLOYMENT_ID)


async def own_address(core: Core) -> ContactAddress:
    """The contact address of this account, always the same."""

    def build(u: Unit) -> ContactAddress:
        own = mailboxes.address(u.c)
        if own is None:
            raise AssertionError("an account has an address mailbox from its first commit on")
        return ContactAddress.create(
            u.keys.identity,
            send_id=own.mailbox.send_id,
            send_secret=own.mailbox.send_secret,
            bundle_id=u.keys.bundle_id,
            issued_at=int(u.keys.created_at),
        )

    return await core.run(build)


async def own_link(core: Core) -> str:
    """The contact link to give to others."""
    return make_link(await own_address(core), core.server.url)


async def own_link_or_none(core: Core) -> str:
    """The same; empty on a linked device, which does not hold the key that signs it."""
    return await own_link(core) if core.keys.identity_pair is not None else ""


def check_wanted(wanted: str) -> None:
    """Say what is wrong with a wanted username before anything is done. Raises: InvalidUsername."""
    normalise(wanted if "." in wanted else f"{wanted}.00")


async def set_username(core: Core, session: Session, wanted: str, progress: StepProgress = no_progress) -> Username:
    """Take a username. A name without digits gets some.

    Raises:
        InvalidUsername: it is not one.
        RefusedByServer: `username_taken`.
    """
    if "." in wanted:
        username = normalise(wanted)
        await _publish(core, session, username, progress)
        return username
    check_wanted(wanted)
    for attempt in range(CHOICES):
        digits = 2 + attempt // 2
        username = normalise(f"{wanted}.{secrets.randbelow(10**digits):0{digits}d}")
        try:
            await _publish(core, session, username, progress)
        except RefusedByServer as error:
            if error.code != USERNAME_TAKEN or attempt == CHOICES - 1:
                raise
        else:
            return username
    raise AssertionError("the last attempt returns or raises")


async def _publish(core: Core, session: Session, username: Username, progress: StepProgress) -> None:
    progress("username", 0.0)
    keys = await stretch(username)
    sealed = seal_address(await own_address(core), keys)
    await session.call(lambda token: core.api.set_username(token, keys.lookup_hash, sealed))
    await core.run(lambda u: accounts.set_username(u.c, username))
    progress("username", 1.0)


async def release_username(core: Core, session: Session) -> None:
    """Give the username up."""
    await session.call(core.api.release_username)
    await core.run(lambda u: accounts.set_username(u.c, None))


async def look_up(core: Core, typed: str, progress: StepProgress = no_progress) -> Lead | None:
    """Whom a username leads to; None when nobody has it.

    Raises:
        InvalidUsername: it is not one.
        ProtocolError: the record behind it is not a valid address of somebody.
        NetworkError.
    """
    username = normalise(typed.removeprefix("@"))
    keys = await stretch(username)
    sealed = await core.api.look_up_username(keys.lookup_hash, lambda share: progress("lookup", share))
    return None if sealed is None else Lead(open_address(sealed, keys), username, None)


async def follow(core: Core, target: str, progress: StepProgress = no_progress) -> Lead | None:
    """Whom a username or a link leads to; None when nobody has the username.

    Raises:
        InvalidLink, InvalidUsername, ProtocolError, NetworkError.
    """
    if "#" in target or "/" in target:
        base, address = parse_link(target)
        return Lead(address, None, base)
    return await look_up(core, target, progress)


def check_deployment(core: Core, lead: Lead) -> None:
    """Explain a refusal: the link may be of another server. Raises: OtherDeployment."""
    if lead.base is not None and lead.base != core.server.url:
        raise OtherDeployment
