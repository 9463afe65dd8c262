"""The relay protocol on one WebSocket, without any I/O: bytes in, bytes out (`signaling/v1/socket.proto`).

The state lives as long as the connection. What has to survive it (frames that wait, mailboxes) belongs to the caller,
who subscribes and sends anew on the next one.
"""

from collections import deque
from dataclasses import dataclass, field
from enum import Enum

from google.protobuf.message import DecodeError
from handshaker_proto.signaling.v1 import socket_pb2

from handshaker_core.credentials import FrameId, Mailbox, RecvId
from handshaker_core.net.errors import SocketProtocolError
from handshaker_core.protocol.address import SendId, SendSecret

SUBPROTOCOL = "handshaker.v1"
LARGEST_MESSAGE = 64 * 1024
WINDOW_FRAMES = 64
"""Frames that may wait for their results on one connection."""

_CHALLENGE_SIZE = 32
_MAX_SUBSCRIPTIONS = 256
_MAX_SENDS = 32
_MAX_ACKNOWLEDGEMENTS = 1024
# Room for the fields around the bytes: more than any item needs, so that a packed message can never be too large.
_BUDGET = LARGEST_MESSAGE - 2048
_SUBSCRIPTION_COST = 32 + 64 + 16
_SEND_OVERHEAD = 16 + 32 + 16 + 32
_ACKNOWLEDGEMENT_COST = 10


class Policy(Enum):
    """What the server does with a frame when the recipient is away."""

    STORE = socket_pb2.DELIVERY_POLICY_UNSPECIFIED
    LIVE_ONLY = socket_pb2.DELIVERY_POLICY_LIVE_ONLY


class Outcome(Enum):
    """What became of a frame; see `SendResult.Outcome` in the contract."""

    DELIVERED = socket_pb2.SendResult.OUTCOME_DELIVERED
    STORED = socket_pb2.SendResult.OUTCOME_STORED
    OFFLINE = socket_pb2.SendResult.OUTCOME_OFFLINE
    QUOTA = socket_pb2.SendResult.OUTCOME_QUOTA
    REFUSED = socket_pb2.SendResult.OUTCOME_REFUSED
    MALFORMED = socket_pb2.SendResult.OUTCOME_MALFORMED
    UNAVAILABLE = socket_pb2.SendResult.OUTCOME_UNAVAILABLE
    NO_RETENTION = socket_pb2.SendResult.OUTCOME_NO_RETENTION


class Subscription(Enum):
    """What became of a subscription; see `SubscriptionEvent.State` in the contract."""

    ACTIVE = socket_pb2.SubscriptionEvent.STATE_ACTIVE
    DRAINED = socket_pb2.SubscriptionEvent.STATE_DRAINED
    REFUSED = socket_pb2.SubscriptionEvent.STATE_REFUSED
    DISPLACED = socket_pb2.SubscriptionEvent.STATE_DISPLACED
    UNAVAILABLE = socket_pb2.SubscriptionEvent.STATE_UNAVAILABLE


@dataclass(frozen=True, slots=True, repr=False)
class OutgoingFrame:
    """A frame on its way to somebody's mailbox."""

    frame_id: FrameId
    send_id: SendId
    send_secret: SendSecret
    frame: bytes
    policy: Policy = Policy.STORE


@dataclass(frozen=True, slots=True, repr=False)
class IncomingFrame:
    """A frame from one of our mailboxes; `delivery_id` goes back when it is committed."""

    delivery_id: int
    recv_id: RecvId
    frame_id: FrameId
    frame: bytes


@dataclass(frozen=True, slots=True)
class Received:
    """What one message of the server says."""

    subscriptions: tuple[tuple[RecvId, Subscription], ...] = ()
    results: tuple[tuple[FrameId, Outcome], ...] = ()
    deliveries: tuple[IncomingFrame, ...] = ()


@dataclass(slots=True)
class RelayState:
    """One connection. Nothing is sent before the server's Hello; what is asked for earlier waits."""

    _challenge: bytes | None = None
    _subscribing: dict[RecvId, Mailbox] = field(default_factory=dict)
    _unsubscribing: deque[RecvId] = field(default_factory=deque)
    _sending: deque[OutgoingFrame] = field(default_factory=deque)
    _unanswered: set[FrameId] = field(default_factory=set)
    _acknowledging: deque[int] = field(default_factory=deque)

    @property
    def ready(self) -> bool:
        """Whether the server has said Hello."""
        return self._challenge is not None

    @property
    def room(self) -> int:
        """How many more frames may be sent now."""
        return max(0, WINDOW_FRAMES - len(self._unanswered))

    @property
    def unanswered(self) -> frozenset[FrameId]:
        """Frames that were given to `send` and about which the server has said nothing."""
        return frozenset(self._unanswered)

    def subscribe(self, mailbox: Mailbox) -> None:
        """Ask to receive for a mailbox."""
        self._subscribing[mailbox.recv_id] = mailbox

    def unsubscribe(self, recv_id: RecvId) -> None:
        """Stop receiving for a mailbox."""
        self._subscribing.pop(recv_id, None)
        self._unsubscribing.append(recv_id)

    def send(self, frame: OutgoingFrame) -> None:
        """Send a frame, unless it is on its way already."""
        if frame.frame_id not in self._unanswered:
            self._unanswered.add(frame.frame_id)
            self._sending.append(frame)

    def acknowledge(self, delivery_id: int) -> None:
        """Tell the server that a delivered frame is committed here."""
        self._acknowledging.append(delivery_id)

    def next_message(self) -> bytes | None:
        """The next WebSocket message to send, packed with whatever waits; None when nothing does."""
        if self._challenge is None:
            return None
        message = socket_pb2.ClientMessage()
        budget = _BUDGET
        while self._acknowledging and len(message.acknowledge) < _MAX_ACKNOWLEDGEMENTS:
            message.acknowledge.append(self._acknowledging.popleft())
            budget -= _ACKNOWLEDGEMENT_COST
        while self._unsubscribing and len(message.unsubscribe) < _MAX_SUBSCRIPTIONS:
            message.unsubscribe.append(self._unsubscribing.popleft())
            budget -= _SUBSCRIPTION_COST
        while self._subscribing and len(message.subscribe) < _MAX_SUBSCRIPTIONS and budget > _SUBSCRIPTION_COST:
            mailbox = self._subscribing.pop(next(iter(self._subscribing)))
            message.subscribe.add(
                recv_public_key=mailbox.recv_public, signature=mailbox.prove_subscription(self._challenge)
            )
            budget -= _SUBSCRIPTION_COST
        while self._sending and len(message.send) < _MAX_SENDS:
            frame = self._sending[0]
            cost = len(frame.frame) + _SEND_OVERHEAD
            if cost > budget:
                break
            self._sending.popleft()
            message.send.add(
                send_id=frame.send_id,
                send_secret=frame.send_secret.raw,
                frame_id=frame.frame_id,
                frame=frame.frame,
                policy=frame.policy.value,
            )
            budget -= cost
        return message.SerializeToString() or None

    def receive(self, data: bytes) -> Received:
        """Take one WebSocket message of the server.

        Returns:
            What it says; nothing for the Hello.

        Raises:
            SocketProtocolError: it is no message of the protocol, or comes out of order.
        """
        message = socket_pb2.ServerMessage()
        try:
            message.ParseFromString(data)
        except DecodeError:
            raise SocketProtocolError from None
        if self._challenge is None:
            if not message.HasField("hello") or len(message.hello.challenge) != _CHALLENGE_SIZE:
                raise SocketProtocolError
            self._challenge = message.hello.challenge
            return Received()
        if message.HasField("hello"):
            raise SocketProtocolError
        results = tuple((FrameId(result.frame_id), _outcome(result.outcome)) for result in message.result)
        for frame_id, _ in results:
            self._unanswered.discard(frame_id)
        return Received(
            subscriptions=tuple((RecvId(event.recv_id), _subscription(event.state)) for event in message.subscription),
            results=results,
            deliveries=tuple(
                IncomingFrame(item.delivery_id, RecvId(item.recv_id), FrameId(item.frame_id), item.frame)
                for item in message.delivery
            ),
        )


def _outcome(number: int) -> Outcome:
    try:
        return Outcome(number)
    except ValueError:
        return Outcome.UNAVAILABLE  # a later server's word: nothing is known, so the frame stays and is sent again


def _subscription(number: int) -> Subscription:
    try:
        return Subscription(number)
    except ValueError:
        return Subscription.UNAVAILABLE
