"""What a program on top of the client is told while it runs. Every event turns into plain JSON by `event_as_json`."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, ClassVar

from handshaker_core.model import Contact, ContactId, LiveSession, Message, MessageNumber, Request

LONGEST_QUEUE = 10_000


@dataclass(frozen=True, slots=True)
class Event:
    """Root of all events; `type` is their stable name."""

    type: ClassVar[str] = "event"


@dataclass(frozen=True, slots=True)
class MessageReceived(Event):
    """A message is in the store."""

    type: ClassVar[str] = "message_received"
    message: Message
    contact: Contact


@dataclass(frozen=True, slots=True)
class NoticeAdded(Event):
    """The client put a line of its own into a conversation; `message.notice` says what it tells."""

    type: ClassVar[str] = "notice_added"
    message: Message
    contact: Contact


@dataclass(frozen=True, slots=True)
class LiveSessionChanged(Event):
    """A live session was offered, agreed or ended."""

    type: ClassVar[str] = "live_session_changed"
    session: LiveSession
    contact: Contact


@dataclass(frozen=True, slots=True)
class DeliveryChanged(Event):
    """An outgoing message got further, or failed."""

    type: ClassVar[str] = "delivery_changed"
    message: Message


@dataclass(frozen=True, slots=True)
class RequestReceived(Event):
    """Somebody asks to connect."""

    type: ClassVar[str] = "request_received"
    request: Request


@dataclass(frozen=True, slots=True)
class RequestAnswered(Event):
    """An own request was accepted or rejected, or came to nothing; its `state` says which."""

    type: ClassVar[str] = "request_answered"
    request: Request


@dataclass(frozen=True, slots=True)
class MessageExpired(Event):
    """A message's time was over: it is gone from the store.

    Attributes:
        number: the message's `id`.
    """

    type: ClassVar[str] = "message_expired"
    number: MessageNumber
    contact_id: ContactId


class ConnectionState(StrEnum):
    """The socket's state."""

    CONNECTING = "connecting"
    ONLINE = "online"
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class ConnectionChanged(Event):
    """The connection to the server came or went.

    Attributes:
        reason: the error's stable reason when it went.
        sentence: the same for people.
        retry_in: seconds until the next attempt.
    """

    type: ClassVar[str] = "connection_changed"
    state: ConnectionState
    reason: str | None = None
    sentence: str | None = None
    retry_in: float | None = None


@dataclass(frozen=True, slots=True)
class Drained(Event):
    """Everything that waited on the server has been received."""

    type: ClassVar[str] = "drained"


@dataclass(frozen=True, slots=True)
class PreKeysLow(Event):
    """Strangers have used up most one-time keys; new ones are being published."""

    type: ClassVar[str] = "prekeys_low"
    one_time: int
    kem: int


@dataclass(frozen=True, slots=True)
class IdentityChanged(Event):
    """A contact's username leads to another identity now."""

    type: ClassVar[str] = "identity_changed"
    contact: Contact


@dataclass(frozen=True, slots=True)
class FrameUnreadable(Event):
    """Something arrived that cannot be decrypted; it stands in the conversation where it has one.

    Attributes:
        contact: None for something from a stranger.
        reason: stable.
    """

    type: ClassVar[str] = "frame_unreadable"
    contact: Contact | None
    reason: str


@dataclass(frozen=True, slots=True)
class Trouble(Event):
    """Something in the background failed and is tried again.

    Attributes:
        task: what was tried: `setup`, `prekeys`, `mailboxes`, `tokens`.
        reason: stable.
        sentence: the same for people.
    """

    type: ClassVar[str] = "trouble"
    task: str
    reason: str
    sentence: str


@dataclass(frozen=True, slots=True)
class EventsMissed(Event):
    """The listener was too slow: so many events were dropped. The store has everything."""

    type: ClassVar[str] = "events_missed"
    count: int


def event_as_json(event: Event) -> dict[str, Any]:
    """The event as a dictionary of plain JSON types; its name stands under `event`."""
    return {"event": event.type, **asdict(event)}


class Listener:
    """One reader's queue; an async iterator that ends when the client is closed."""

    def __init__(self, hub: "EventHub") -> None:
        self._hub = hub
        self._waiting: deque[Event] = deque()
        self._missed = 0
        self._changed = asyncio.Event()
        self._ended = False

    def put(self, event: Event) -> None:
        """Queue an event; the oldest is dropped when too many wait."""
        if len(self._waiting) >= LONGEST_QUEUE:
            self._waiting.popleft()
            self._missed += 1
        self._waiting.append(event)
        self._changed.set()

    def end(self) -> None:
        """No more events will come."""
        self._ended = True
        self._changed.set()

    def close(self) -> None:
        """Listen no longer."""
        self._hub.remove(self)
        self.end()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        while not self._waiting:
            if self._ended:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        if self._missed:
            missed, self._missed = self._missed, 0
            return EventsMissed(missed)
        return self._waiting.popleft()


class EventHub:
    """Hands every event to every listener."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def listen(self) -> Listener:
        """A listener that gets every event from now on."""
        listener = Listener(self)
        self._listeners.append(listener)
        return listener

    def remove(self, listener: Listener) -> None:
        """Forget a listener."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    def publish(self, events: Iterable[Event]) -> None:
        """Tell all listeners."""
        for event in events:
            for listener in self._listeners:
                listener.put(event)

    def close(self) -> None:
        """End all listeners."""
        for listener in self._listeners:
            listener.end()
        self._listeners.clear()
