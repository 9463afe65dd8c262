"""Operations on messages."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import closing

from handshaker_core import model
from handshaker_core.client import (
    Client,
    ConnectionChanged,
    ConnectionState,
    ContactState,
    DeliveryChanged,
    Direction,
    Event,
    EventsMissed,
    FrameUnreadable,
    Listener,
    MessageReceived,
    MessageState,
    NoticeAdded,
    RequestAnswered,
    RequestReceived,
)

from handshaker_cli.errors import NotYetConnected, ServerNotReached
from handshaker_cli.operations import views
from handshaker_cli.operations.arguments import History, Receive, Send
from handshaker_cli.operations.resolve import find_contact
from handshaker_cli.operations.results import Notice, Result
from handshaker_cli.operations.watching import Watch, exhaust, flushed

SEND_SECONDS = 5.0
"""How long `send` waits for the server to take the message when nobody says how long."""

CONNECT_SECONDS = 10.0
"""How long `receive` waits for a connection."""

RECEIVE_SECONDS = 60.0
"""How long a server may take to hand out what waits there."""


async def send(client: Client, arguments: Send) -> AsyncGenerator[Result, None]:
    """Yields the message as it is when the server has taken it, or when waiting for that is over.

    Raises:
        UnknownContact, AmbiguousContact, NotYetConnected, UsageError: nothing was kept.
    """
    contact = find_contact(await client.contacts(include_all=True), arguments.to)
    if contact.state is not ContactState.CONNECTED:
        raise NotYetConnected(contact)
    with closing(client.events()) as events:
        message = await _taken(events, await client.send(contact.id, arguments.text), arguments.wait)
        if message.state is not MessageState.SENDING:
            await exhaust(flushed(client))  # what was queued for others goes out as well
        yield views.message(message, contact.name)


async def _taken(events: Listener, message: model.Message, wait: float | None) -> model.Message:
    give_up_at = _now() + (SEND_SECONDS if wait is None else wait)
    while message.state is MessageState.SENDING:
        event = await _next(events, give_up_at)
        if event is None or (wait is None and _is_offline(event)):
            break
        if isinstance(event, DeliveryChanged) and event.message.id == message.id:
            message = event.message
    return message


async def history(client: Client, arguments: History) -> AsyncGenerator[Result, None]:
    """Yields messages, oldest first. Raises: UnknownContact, AmbiguousContact."""
    contact = find_contact(await client.contacts(include_all=True), arguments.to)
    for message in await client.history(contact.id, search=arguments.search, limit=arguments.limit):
        yield views.message(message, contact.name)


async def receive(client: Client, arguments: Receive) -> AsyncGenerator[Result, None]:
    """Yields requests that wait, new messages, each marked as read once it has been used, and answers to own requests.

    Raises:
        ServerNotReached: it ended without ever being connected. What was here already has been yielded.
    """
    receiving = _Receiving(client, arguments)
    with closing(client.events()) as events:
        async for result in receiving.waiting():
            yield result
        if arguments.follow:
            yield Notice("waiting", "Waiting for messages. Ctrl-C ends it.")
        coming = receiving.followed(events) if arguments.follow else receiving.caught_up(events)
        async for event in coming:
            async for result in receiving.shown(event):
                yield result
    async for result in receiving.waiting():
        yield result
    if not arguments.follow:
        await exhaust(flushed(client))


class _Receiving:
    """One run of `receive`."""

    def __init__(self, client: Client, arguments: Receive) -> None:
        self._client = client
        self._arguments = arguments
        self._watch = Watch()
        self._requests_shown: set[int] = set()

    async def waiting(self) -> AsyncGenerator[Result, None]:
        """Requests to answer that were not shown yet, and unread messages. What the store holds decides, not events."""
        for request in reversed(await self._client.requests()):
            if request.direction is Direction.INCOMING and request.id not in self._requests_shown:
                self._requests_shown.add(request.id)
                yield views.request(request)
        while unread := await self._client.unread():
            names = {contact.id: contact.name for contact in await self._client.contacts(include_all=True)}
            for message, read_up_to in with_limits(unread):
                yield views.message(message, names[message.contact_id])
                await self._client.mark_read(message.contact_id, read_up_to)

    async def followed(self, events: Listener) -> AsyncGenerator[Event, None]:
        """Events until the time is over. Raises: ServerNotReached."""
        seconds = self._arguments.seconds
        end = None if seconds is None else _now() + seconds
        reached, problem = self._client.connection is ConnectionState.ONLINE, ServerNotReached()
        while (event := await _next(events, end)) is not None:
            if isinstance(event, ConnectionChanged):
                reached = reached or event.state is ConnectionState.ONLINE
                problem = ServerNotReached(event.reason, event.sentence)
            yield event
        if not reached:
            raise problem

    async def caught_up(self, events: Listener) -> AsyncGenerator[Event, None]:
        """Events until everything that waited on the server has come. Raises: ServerNotReached."""
        drained = asyncio.create_task(self._client.drained())
        try:
            await asyncio.sleep(0)
            end = _now() + CONNECT_SECONDS
            while not drained.done():
                event = await _next(events, end)
                if event is None:
                    raise ServerNotReached
                if isinstance(event, ConnectionChanged) and event.state is ConnectionState.ONLINE:
                    end = _now() + RECEIVE_SECONDS
                elif isinstance(event, ConnectionChanged) and event.state is ConnectionState.OFFLINE:
                    raise ServerNotReached(event.reason, event.sentence)
                yield event
            while (event := await _next(events, _now())) is not None:
                yield event
        finally:
            drained.cancel()

    async def shown(self, event: Event) -> AsyncGenerator[Result, None]:
        """What an event brings."""
        notice = self._watch.notice(event)
        if notice is not None:
            yield notice
        if isinstance(event, RequestAnswered):
            yield views.request(event.request)
        elif isinstance(event, DeliveryChanged):
            if self._arguments.receipts:
                contact = await self._client.contact(event.message.contact_id)
                yield views.message(event.message, contact.name)
        elif isinstance(event, RequestReceived | MessageReceived | NoticeAdded | FrameUnreadable | EventsMissed):
            async for result in self.waiting():
                yield result


def with_limits(unread: Sequence[model.Message]) -> list[tuple[model.Message, int]]:
    """Each message with the number up to which its contact's messages are all shown once this one is.

    The order in which they are shown is that of the conversation, which may differ from that of their numbers.
    """
    beyond_all = max(message.id for message in unread) + 1
    first_to_come: dict[int, int] = {}  # of each contact's messages that are shown later, the lowest number
    pairs = []
    for message in reversed(unread):
        to_come = first_to_come.get(message.contact_id, beyond_all)
        pairs.append((message, to_come - 1))
        first_to_come[message.contact_id] = min(to_come, message.id)
    return pairs[::-1]


def _is_offline(event: Event) -> bool:
    return isinstance(event, ConnectionChanged) and event.state is ConnectionState.OFFLINE


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _next(events: Listener, end: float | None) -> Event | None:
    """The next event; None when it does not come in time, or when there will be none."""
    try:
        async with asyncio.timeout_at(end):
            return await anext(events, None)
    except TimeoutError:
        return None
