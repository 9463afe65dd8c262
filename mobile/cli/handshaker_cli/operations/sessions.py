"""Operations on sessions with a contact."""

from collections.abc import AsyncGenerator
from contextlib import closing, suppress

from handshaker_core import model
from handshaker_core.client import Client, ContactState, Listener, LiveSessionChanged, SessionStatus
from handshaker_core.errors import NoLiveSession
from handshaker_core.protocol.live import Phase

from handshaker_cli.errors import NotYetConnected
from handshaker_cli.operations import views
from handshaker_cli.operations.resolve import find_contact
from handshaker_cli.operations.results import Notice, Result
from handshaker_cli.operations.session_arguments import SessionEnd, SessionShow, SessionStart
from handshaker_cli.operations.watching import exhaust, flushed


async def start(client: Client, arguments: SessionStart) -> AsyncGenerator[Result, None]:
    """Yields the session as it is offered, when that is answered, and, if the operation stays, when it is over.

    Raises:
        UnknownContact, AmbiguousContact, NotYetConnected; see `Sessions.start`.
    """
    contact = await _connected(client, arguments.to)
    with closing(client.events()) as events:
        status = await client.sessions.start(contact.id)
        try:
            if status.live.phase is Phase.OFFERED:
                yield Notice("waiting", f"{contact.name} is asked. They accept with: handshaker session start")
                status = await _changed(client, events, contact, Phase.OFFERED)
            yield views.session(status, contact.name)
            if arguments.stays and status.live.phase is Phase.LIVE:
                yield Notice("waiting", "The session lives in this process. Ctrl-C ends it.")
                yield views.session(await _changed(client, events, contact, Phase.LIVE), contact.name)
        finally:
            if arguments.stays:
                with suppress(NoLiveSession):
                    await client.sessions.end(contact.id, only_live=True)
                await exhaust(flushed(client))


async def end(client: Client, arguments: SessionEnd) -> AsyncGenerator[Result, None]:
    """Yields the session as it is then. Raises: UnknownContact, AmbiguousContact; see `Sessions.end`."""
    contact = await _connected(client, arguments.to)
    status = await client.sessions.end(contact.id, only_live=arguments.live)
    async for notice in flushed(client):
        yield notice
    yield views.session(status, contact.name)


async def show(client: Client, arguments: SessionShow) -> AsyncGenerator[Result, None]:
    """Yields the session. Raises: UnknownContact, AmbiguousContact, NotYetConnected."""
    contact = await _connected(client, arguments.to)
    yield views.session(await client.sessions.status(contact.id), contact.name)


async def _connected(client: Client, to: str) -> model.Contact:
    contact = find_contact(await client.contacts(include_all=True), to)
    if contact.state is not ContactState.CONNECTED:
        raise NotYetConnected(contact)
    return contact


async def _changed(client: Client, events: Listener, contact: model.Contact, phase: Phase) -> SessionStatus:
    """Wait until the live session is no longer in that phase."""
    while (status := await client.sessions.status(contact.id)).live.phase is phase:
        async for event in events:
            if isinstance(event, LiveSessionChanged) and event.session.contact_id == contact.id:
                break
        else:
            return status  # the account was closed
    return status
