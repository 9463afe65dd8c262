"""Sockets with their windows and what is to be written to them."""

from collections import deque
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from handshaker_common.close_codes import Close
from handshaker_common.ids import RecvId
from handshaker_proto.signaling.v1 import relay_pb2, socket_pb2

from handshaker_signaling.domain.effects import Effects
from handshaker_signaling.domain.limits import Limits

if TYPE_CHECKING:
    from handshaker_signaling.domain.sending import Pending
    from handshaker_signaling.domain.subscriptions import Subscription

# What protobuf adds to the parts of a ServerMessage, rounded up.
DELIVERY_OVERHEAD = 64
RESULT_BYTES = 28
EVENT_BYTES = 28

ForwardOutcome: TypeAlias = relay_pb2.LinkResponse.ForwardResult.Outcome.ValueType
ACKNOWLEDGED: ForwardOutcome = relay_pb2.LinkResponse.ForwardResult.OUTCOME_ACKNOWLEDGED
NOT_HERE: ForwardOutcome = relay_pb2.LinkResponse.ForwardResult.OUTCOME_NOT_HERE
FULL: ForwardOutcome = relay_pb2.LinkResponse.ForwardResult.OUTCOME_FULL


class InboundLink:
    """Another process that forwards frames to us; `results` are for it."""

    __slots__ = ("_effects", "closed", "results")

    def __init__(self, effects: Effects) -> None:
        self._effects = effects
        self.results: list[tuple[int, ForwardOutcome]] = []
        self.closed = False

    def answer(self, reference: int, outcome: ForwardOutcome) -> None:
        """Tells what became of a forward."""
        if self.closed:
            return
        if not self.results:
            self._effects.links.append(self)
        self.results.append((reference, outcome))


class Delivery:
    """A frame on its way to a socket, until it is acknowledged.

    Exactly one of these is where it came from: `pending`, a frame in our own care; `link`, another process that has
    it in care under `reference`; or neither, the store. `partition_day` is set once we know that it lies in the store.
    """

    __slots__ = ("frame_id", "link", "partition_day", "pending", "recv_id", "reference", "size")

    def __init__(
        self,
        recv_id: RecvId,
        frame_id: bytes,
        size: int,
        *,
        pending: "Pending | None" = None,
        link: InboundLink | None = None,
        reference: int = 0,
        partition_day: int = 0,
    ) -> None:
        self.recv_id = recv_id
        self.frame_id = frame_id
        self.size = size
        self.pending = pending
        self.link = link
        self.reference = reference
        self.partition_day = partition_day


class Output(NamedTuple):
    """One thing to write to a socket: a serialised ServerMessage, or the end."""

    socket: int
    message: bytes
    close: Close | None


class Attachment:
    """One gateway's stream with its sockets."""

    __slots__ = ("_effects", "draining", "draining_told", "limits", "sockets", "waiting")

    def __init__(self, effects: Effects, limits: Limits) -> None:
        self._effects = effects
        self.limits = limits
        self.sockets: dict[int, Socket] = {}
        self.waiting: list[Socket] = []
        self.draining = False
        self.draining_told = False

    def announce(self, socket: "Socket") -> None:
        """Notes that a socket has output."""
        if not self.waiting:
            self._effects.attachments.append(self)
        self.waiting.append(socket)

    def drain(self) -> None:
        """Tells the gateway that new sockets should go elsewhere."""
        self.draining = True
        if not self.waiting:
            self._effects.attachments.append(self)

    def take(self) -> list[Output]:
        """All that waits, in the order in which it is to be written."""
        waiting, self.waiting = self.waiting, []
        outputs: list[Output] = []
        for socket in waiting:
            socket.take(outputs)
        return outputs


class Socket:
    """One client's socket.

    `window` holds what was delivered and not acknowledged, by delivery id.
    """

    __slots__ = (
        "_announced",
        "_close",
        "_deliveries",
        "_messages",
        "_room",
        "attachment",
        "authenticated",
        "bad_signatures",
        "challenge",
        "closed",
        "number",
        "queued",
        "reads",
        "starved",
        "subscriptions",
        "window",
        "window_bytes",
    )

    def __init__(self, attachment: Attachment, number: int, challenge: bytes) -> None:
        self.attachment = attachment
        self.number = number
        self.challenge = challenge
        self.authenticated = False
        self.closed = False
        self.bad_signatures = 0
        self.queued = 0  # subscribes that wait for their signature to be checked
        self.reads = 0  # pages of stored frames on their way
        self.subscriptions: dict[RecvId, Subscription] = {}
        self.starved: deque[Subscription] = deque()  # have stored frames that find no room in the window
        self.window: dict[int, Delivery] = {}
        self.window_bytes = 0
        self._deliveries = 0
        self._messages: list[socket_pb2.ServerMessage] = []
        self._room = 0
        self._announced = False
        self._close: Close | None = None

    def _message(self, size: int) -> socket_pb2.ServerMessage:
        """The message under construction, or a new one where `size` more bytes would not fit."""
        if self._room < size:
            self._messages.append(socket_pb2.ServerMessage())
            self._room = self.attachment.limits.message_bytes
            if not self._announced:
                self._announced = True
                self.attachment.announce(self)
        self._room -= size
        return self._messages[-1]

    def hello(self) -> None:
        """Sends the challenge, alone in its message."""
        self._message(1).hello.challenge = self.challenge
        self._room = 0

    def event(self, recv_id: bytes, state: socket_pb2.SubscriptionEvent.State.ValueType) -> None:
        """Tells how a subscription stands."""
        if not self.closed:
            self._message(EVENT_BYTES).subscription.add(recv_id=recv_id, state=state)

    def result(self, frame_id: bytes, outcome: socket_pb2.SendResult.Outcome.ValueType) -> None:
        """Tells what became of a send."""
        if not self.closed:
            self._message(RESULT_BYTES).result.add(frame_id=frame_id, outcome=outcome)

    def room_for(self, size: int) -> bool:
        """Whether the window takes a frame of `size` bytes."""
        limits = self.attachment.limits
        held = len(self.window)
        return held < limits.window_deliveries and (not held or self.window_bytes + size <= limits.window_bytes)

    def deliver(self, delivery: Delivery, frame: bytes) -> None:
        """Sends a frame; there must be room."""
        self._deliveries += 1
        self.window[self._deliveries] = delivery
        self.window_bytes += delivery.size
        self._message(delivery.size + DELIVERY_OVERHEAD).delivery.add(
            delivery_id=self._deliveries, recv_id=delivery.recv_id, frame_id=delivery.frame_id, frame=frame
        )

    def close(self, why: Close) -> None:
        """Marks the socket as closed and has the gateway close it, after what waits already."""
        self.closed = True
        self._close = why
        if not self._announced:
            self._announced = True
            self.attachment.announce(self)

    def take(self, outputs: list[Output]) -> None:
        """Moves all that waits into `outputs`."""
        number = self.number
        outputs.extend([Output(number, message.SerializeToString(), None) for message in self._messages])
        self._messages = []
        self._room = 0
        self._announced = False
        if self._close is not None:
            outputs.append(Output(number, b"", self._close))
