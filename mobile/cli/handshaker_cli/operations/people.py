"""Operations on contacts and connection requests."""

from collections.abc import AsyncGenerator, Coroutine
from typing import Any

from handshaker_core.client import Client, Direction, Request, StepProgress, UnknownUsername
from handshaker_core.protocol.safety_number import SafetyCode

from handshaker_cli.operations import results, views
from handshaker_cli.operations.arguments import Accept, Connect, Contacts, Reject, Requests, Search, Verify
from handshaker_cli.operations.resolve import find_contact, find_request
from handshaker_cli.operations.results import Result
from handshaker_cli.operations.told import Told
from handshaker_cli.operations.watching import flushed, up_to_date


async def search(client: Client, arguments: Search) -> AsyncGenerator[Result, None]:
    """Yields who has the username. Raises: UnknownUsername, InvalidUsername, NetworkError, ProtocolError."""
    async with Told(lambda told: client.find(arguments.username, progress=told)) as work:
        async for progress in work:
            yield progress
        found = work.result()
    if found is None:
        raise UnknownUsername
    yield results.Found(
        username=found.username,
        safety_number=found.safety_number,
        contact=found.contact.id if found.contact is not None else None,
    )


async def connect(client: Client, arguments: Connect) -> AsyncGenerator[Result, None]:
    """Yields the request. Raises: see `Client.connect`."""

    def ask(told: StepProgress) -> Coroutine[Any, Any, Request]:
        return client.connect(
            arguments.target, arguments.greeting, accept_new_identity=arguments.new_identity, progress=told
        )

    async with Told(ask) as work:
        async for progress in work:
            yield progress
        request = work.result()
    async for notice in flushed(client):
        yield notice
    yield views.request(await client.request(request.id))


async def requests(client: Client, _: Requests) -> AsyncGenerator[Result, None]:
    """Yields the requests that wait for an answer, oldest first, as the server has them if it can be reached."""
    async for notice in up_to_date(client):
        yield notice
    for request in reversed(await client.requests()):
        yield views.request(request)


async def accept(client: Client, arguments: Accept) -> AsyncGenerator[Result, None]:
    """Yields the accepted request. Its greeting counts as read. Raises: UnknownRequest, NetworkError."""
    request = find_request(await _waiting(client), arguments.request)
    async with Told(lambda told: client.accept(request.id, progress=told)) as work:
        async for progress in work:
            yield progress
        contact = work.result()
    await client.mark_read(contact.id)
    async for notice in flushed(client):
        yield notice
    yield views.request(await client.request(request.id))


async def reject(client: Client, arguments: Reject) -> AsyncGenerator[Result, None]:
    """Yields the rejected request. Raises: UnknownRequest."""
    request = find_request(await _waiting(client), arguments.request)
    rejected = await client.reject(request.id, tell=arguments.tell)
    if arguments.tell:
        async for notice in flushed(client):
            yield notice
    yield views.request(rejected)


async def contacts(client: Client, _: Contacts) -> AsyncGenerator[Result, None]:
    """Yields the contacts, latest conversation first."""
    for contact in await client.contacts():
        yield views.contact(contact)


async def verify(client: Client, arguments: Verify) -> AsyncGenerator[Result, None]:
    """Yields the safety number. Raises: UnknownContact, AmbiguousContact, MalformedSafetyCode; see `Client.verify`."""
    contact = find_contact(await client.contacts(include_all=True), arguments.to)
    number, code = await client.safety_number(contact.id), await client.safety_code(contact.id)
    if arguments.scanned is not None:
        contact = await client.verify(contact.id, SafetyCode.from_text(arguments.scanned))
    elif arguments.confirm:
        contact = await client.verify(contact.id, number)
    yield results.SafetyNumber(
        contact=contact.id, name=contact.name, number=number, code=code.text(), verified=contact.verified
    )


async def _waiting(client: Client) -> list[Request]:
    return [request for request in await client.requests() if request.direction is Direction.INCOMING]
