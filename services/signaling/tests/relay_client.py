"""A client in the relay's small world."""

from typing import TYPE_CHECKING, Any

from handshaker_proto.signaling.v1 import socket_pb2
from relay_parties import Event, Inbox, Mailbox

if TYPE_CHECKING:
    from relay_world import Core, World


class Client:
    """A client on one core. It commits what it acknowledges: that is what `World.received` records."""

    def __init__(self, world: "World", core: "Core", number: int) -> None:
        self.world, self.core, self.number = world, core, number
        self.inbox = Inbox()
        self.subscribed: set[bytes] = set()  # ever
        self.wanted: set[bytes] = set()  # and not unsubscribed since
        self.unacknowledged: list[socket_pb2.Delivery] = []
        self.open = True

    def say(self, **parts: Any) -> None:
        if self.open and self.core.alive:
            data = socket_pb2.ClientMessage(**parts).SerializeToString()
            self.core.relay.socket_message(self.world.now, self.core.attachment, self.number, data)

    def subscribe(self, *mailboxes: Mailbox) -> None:
        assert self.inbox.challenge is not None
        self.subscribed.update(mailbox.recv_id for mailbox in mailboxes)
        self.wanted.update(mailbox.recv_id for mailbox in mailboxes)
        self.say(subscribe=[mailbox.subscribe(self.inbox.challenge) for mailbox in mailboxes])

    def unsubscribe(self, mailbox: Mailbox) -> None:
        self.wanted.discard(mailbox.recv_id)
        self.say(unsubscribe=[mailbox.recv_id])

    def acknowledge(self, count: int | None = None) -> None:
        """Commits and acknowledges the oldest deliveries."""
        done, self.unacknowledged = self.unacknowledged[:count], self.unacknowledged[count:] if count else []
        for delivery in done:
            self.world.received[delivery.recv_id].add(delivery.frame_id)
        if done:
            self.say(acknowledge=[delivery.delivery_id for delivery in done])

    def disconnect(self) -> None:
        if self.open:
            self.open = False
            self.core.clients.pop(self.number, None)
            if self.core.alive:
                self.core.relay.socket_closed(self.core.attachment, self.number)

    def take(self, data: bytes) -> None:
        message = self.inbox.take(data)
        for delivery in message.delivery:
            assert delivery.recv_id in self.subscribed, "a frame for a mailbox that this socket never proved"
            assert delivery.frame[:16] == delivery.frame_id
        self.unacknowledged += message.delivery
        for result in message.result:
            self.world.told[result.frame_id].append(result.outcome)
            self.world.check_promise(result.frame_id)

    def holds(self, mailbox: Mailbox) -> bool:
        """Whether this client believes that it receives for the mailbox."""
        states = self.inbox.states(mailbox)
        ended = {Event.STATE_DISPLACED, Event.STATE_REFUSED, Event.STATE_UNAVAILABLE}
        wanted = self.open and mailbox.recv_id in self.wanted
        return wanted and bool(states) and states[-1] not in ended
