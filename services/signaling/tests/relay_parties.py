"""Mailboxes and clients as the tests of signaling need them, whatever carries their messages."""

import hashlib
import secrets
from collections.abc import Iterable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from handshaker_common import ids
from handshaker_proto.signaling.v1 import socket_pb2

SMALL, LARGE = 2_048, 16_384
Event = socket_pb2.SubscriptionEvent
Result = socket_pb2.SendResult
State = socket_pb2.SubscriptionEvent.State.ValueType
Outcome = socket_pb2.SendResult.Outcome.ValueType


class Mailbox:
    """A mailbox with its owner's key and its senders' secret."""

    def __init__(self, wake_id: bytes = b"") -> None:
        self.key = Ed25519PrivateKey.generate()
        self.public_key = self.key.public_key().public_bytes_raw()
        self.secret = secrets.token_bytes(32)
        self.secret_hash = hashlib.sha256(self.secret).digest()
        self.recv_id = ids.recv_id(self.public_key)
        self.send_id = ids.send_id(self.public_key, self.secret_hash)
        self.wake_id = ids.WakeId(wake_id)

    def subscribe(self, challenge: bytes) -> socket_pb2.Subscribe:
        message = b"handshaker/v1/subscribe" + challenge + self.public_key
        return socket_pb2.Subscribe(recv_public_key=self.public_key, signature=self.key.sign(message))

    def send(
        self, frame_id: bytes, *, policy: int = 0, size: int = SMALL, secret: bytes | None = None
    ) -> socket_pb2.Send:
        return socket_pb2.Send(
            send_id=self.send_id,
            send_secret=self.secret if secret is None else secret,
            frame_id=frame_id,
            frame=frame_of(frame_id, size),
            policy=socket_pb2.DeliveryPolicy.ValueType(policy),
        )


def frame_of(frame_id: bytes, size: int = SMALL) -> bytes:
    """A frame that shows which it is."""
    return frame_id + bytes(size - len(frame_id))


class Inbox:
    """What a client has been sent, in the order in which it came."""

    def __init__(self) -> None:
        self.challenge: bytes | None = None
        self.events: list[tuple[bytes, State]] = []
        self.results: list[tuple[bytes, Outcome]] = []
        self.deliveries: list[socket_pb2.Delivery] = []
        self.closed: tuple[int, str] | None = None

    def take(self, data: bytes) -> socket_pb2.ServerMessage:
        message = socket_pb2.ServerMessage.FromString(data)
        if message.HasField("hello"):
            assert self.challenge is None, "a second hello"
            alone = socket_pb2.ServerMessage(hello=message.hello)
            assert message == alone, "something came with the hello"
            self.challenge = message.hello.challenge
        else:
            assert self.challenge is not None, "something came before the hello"
        self.events += [(event.recv_id, event.state) for event in message.subscription]
        self.results += [(result.frame_id, result.outcome) for result in message.result]
        self.deliveries += message.delivery
        return message

    def states(self, mailbox: Mailbox) -> list[State]:
        return [state for recv_id, state in self.events if recv_id == mailbox.recv_id]

    def outcomes(self, frame_id: bytes) -> list[Outcome]:
        return [outcome for told, outcome in self.results if told == frame_id]

    def frames(self) -> list[bytes]:
        return [delivery.frame_id for delivery in self.deliveries]


def acknowledge(deliveries: Iterable[socket_pb2.Delivery]) -> socket_pb2.ClientMessage:
    return socket_pb2.ClientMessage(acknowledge=[delivery.delivery_id for delivery in deliveries])
