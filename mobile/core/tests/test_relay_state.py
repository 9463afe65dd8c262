"""The relay protocol without a network: order, packing, windows, and what a server may not say."""

import secrets

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from handshaker_core.credentials import FrameId, Mailbox, RecvId
from handshaker_core.net.errors import SocketProtocolError
from handshaker_core.net.relay import (
    LARGEST_MESSAGE,
    WINDOW_FRAMES,
    IncomingFrame,
    Outcome,
    OutgoingFrame,
    Policy,
    RelayState,
    Subscription,
)
from handshaker_core.protocol.address import SendId, SendSecret
from handshaker_proto.signaling.v1 import socket_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

CHALLENGE = bytes(range(32))
HELLO = socket_pb2.ServerMessage(hello=socket_pb2.Hello(challenge=CHALLENGE)).SerializeToString()


def connected() -> RelayState:
    state = RelayState()
    state.receive(HELLO)
    return state


def frame(size: int = 2048, policy: Policy = Policy.STORE) -> OutgoingFrame:
    return OutgoingFrame(
        FrameId(secrets.token_bytes(16)),
        SendId(secrets.token_bytes(16)),
        SendSecret(secrets.token_bytes(32)),
        bytes(size),
        policy,
    )


def sent(state: RelayState) -> list[socket_pb2.ClientMessage]:
    messages = []
    while (data := state.next_message()) is not None:
        assert len(data) <= LARGEST_MESSAGE
        messages.append(socket_pb2.ClientMessage.FromString(data))
    return messages


def test_nothing_is_said_before_hello() -> None:
    state = RelayState()
    state.send(frame())
    state.subscribe(Mailbox.generate())
    state.acknowledge(1)
    assert state.next_message() is None
    state.receive(HELLO)
    (message,) = sent(state)
    assert (len(message.subscribe), len(message.send), list(message.acknowledge)) == (1, 1, [1])


def test_a_subscription_is_signed_for_this_connection() -> None:
    state, mailbox = connected(), Mailbox.generate()
    state.subscribe(mailbox)
    (message,) = sent(state)
    (subscribe,) = message.subscribe
    assert subscribe.recv_public_key == mailbox.recv_public
    signed = b"handshaker/v1/subscribe" + CHALLENGE + mailbox.recv_public
    Ed25519PublicKey.from_public_bytes(mailbox.recv_public).verify(subscribe.signature, signed)


def test_what_is_sent_carries_its_policy_and_capability() -> None:
    state, outgoing = connected(), frame(16384, Policy.LIVE_ONLY)
    state.send(outgoing)
    ((send,),) = [message.send for message in sent(state)]
    assert (send.send_id, send.send_secret) == (outgoing.send_id, outgoing.send_secret.raw)
    assert (send.frame_id, send.frame) == (outgoing.frame_id, outgoing.frame)
    assert send.policy == socket_pb2.DELIVERY_POLICY_LIVE_ONLY
    assert send.ttl_hours == 0


def test_a_frame_is_unanswered_until_its_result() -> None:
    state, first, second = connected(), frame(), frame()
    for outgoing in (first, second, first):
        state.send(outgoing)
    assert sum(len(message.send) for message in sent(state)) == 2
    assert state.unanswered == {first.frame_id, second.frame_id}
    assert state.room == WINDOW_FRAMES - 2
    answer = socket_pb2.ServerMessage()
    answer.result.add(frame_id=first.frame_id, outcome=socket_pb2.SendResult.OUTCOME_STORED)
    answer.result.add(frame_id=b"never sent", outcome=99)
    received = state.receive(answer.SerializeToString())
    assert received.results == ((first.frame_id, Outcome.STORED), (FrameId(b"never sent"), Outcome.UNAVAILABLE))
    assert state.unanswered == {second.frame_id}
    state.send(first)
    assert sum(len(message.send) for message in sent(state)) == 1


def test_deliveries_and_subscription_events_come_out_as_they_are() -> None:
    state = connected()
    message = socket_pb2.ServerMessage()
    message.delivery.add(delivery_id=7, recv_id=b"r", frame_id=b"f", frame=b"x")
    message.subscription.add(recv_id=b"r", state=socket_pb2.SubscriptionEvent.STATE_DRAINED)
    received = state.receive(message.SerializeToString())
    assert received.subscriptions == ((RecvId(b"r"), Subscription.DRAINED),)
    assert received.deliveries == (IncomingFrame(7, RecvId(b"r"), FrameId(b"f"), b"x"),)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xff\xff",
        socket_pb2.ServerMessage(hello=socket_pb2.Hello(challenge=b"short")).SerializeToString(),
        socket_pb2.ServerMessage(delivery=[socket_pb2.Delivery(delivery_id=1)]).SerializeToString(),
    ],
)
def test_a_connection_begins_with_hello_and_nothing_else(data: bytes) -> None:
    with pytest.raises(SocketProtocolError):
        RelayState().receive(data)
    assert RelayState().receive(HELLO).deliveries == ()


def test_hello_comes_once() -> None:
    state = connected()
    with pytest.raises(SocketProtocolError):
        state.receive(HELLO)


def test_unsubscribing_takes_back_what_was_not_said_yet() -> None:
    state, mailbox = connected(), Mailbox.generate()
    state.subscribe(mailbox)
    state.unsubscribe(mailbox.recv_id)
    (message,) = sent(state)
    assert (len(message.subscribe), list(message.unsubscribe)) == (0, [mailbox.recv_id])


MAILBOXES = [Mailbox.generate() for _ in range(300)]


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.sampled_from([2048, 16384]), max_size=WINDOW_FRAMES),
    subscriptions=st.integers(0, len(MAILBOXES)),
    acknowledgements=st.lists(st.integers(0, 2**64 - 1), max_size=2100),
    unsubscriptions=st.integers(0, 300),
)
def test_everything_goes_out_once_in_order_in_messages_that_fit(
    sizes: list[int], subscriptions: int, acknowledgements: list[int], unsubscriptions: int
) -> None:
    state = connected()
    frames = [frame(size) for size in sizes]
    for outgoing in frames:
        state.send(outgoing)
    for mailbox in MAILBOXES[:subscriptions]:
        state.subscribe(mailbox)
    for delivery_id in acknowledgements:
        state.acknowledge(delivery_id)
    for number in range(unsubscriptions):
        state.unsubscribe(RecvId(number.to_bytes(16, "big")))
    messages = sent(state)
    assert [send.frame_id for message in messages for send in message.send] == [f.frame_id for f in frames]
    assert [item for message in messages for item in message.acknowledge] == acknowledgements
    keys = [item.recv_public_key for message in messages for item in message.subscribe]
    assert keys == [mailbox.recv_public for mailbox in MAILBOXES[:subscriptions]]
    assert sum(len(message.unsubscribe) for message in messages) == unsubscriptions
    for message in messages:
        assert len(message.send) <= 32
        assert len(message.subscribe) <= 256
        assert len(message.unsubscribe) <= 256
        assert len(message.acknowledge) <= 1024
