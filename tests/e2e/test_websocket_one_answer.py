"""Over the WebSocket, unknown, forbidden and deleted are one answer, of one size and one duration."""

import asyncio
import os
import statistics
import time

from handshaker_proto.signaling.v1 import socket_pb2
from load.mailboxes import Mailbox

from e2e.calls import deletion, new_mailbox
from e2e.hostile import BINARY, RawSocket
from e2e.rest import ROUTE

Outcome = socket_pb2.SendResult.Outcome
State = socket_pb2.SubscriptionEvent.State
FRAME = os.urandom(2_048)
REPEATS = 60
WORKERS = 6
# Seconds. The server's clock for refusals ticks every 25 ms, and two cores carry everything here.
BOUND = 0.04


async def asked(socket, **parts):
    """The bytes of the server's answer, and how long it took (seconds)."""
    started = time.perf_counter()
    await socket.say(**parts)
    opcode, payload = await socket.read_frame()
    assert opcode == BINARY
    return payload, time.perf_counter() - started


async def measure(url, kinds):
    """Durations by kind, REPEATS of each, interleaved and in changing order on several connections."""
    durations = {name: [] for name in kinds}

    async def work():
        for number in range(REPEATS // WORKERS):
            async with await RawSocket.connect(url) as socket:
                names = list(kinds)
                for name in names[number % len(names) :] + names[: number % len(names)]:
                    parts, check = kinds[name](socket)
                    payload, seconds = await asked(socket, **parts)
                    check(socket_pb2.ServerMessage.FromString(payload), len(payload))
                    durations[name].append(seconds)

    await asyncio.gather(*[work() for _ in range(WORKERS)])
    return {name: statistics.median(found) for name, found in durations.items()}


def sending(make, outcome=Outcome.OUTCOME_REFUSED, policy=0):
    def kind(_socket):
        send = make().send(FRAME)
        send.policy = policy

        def check(message, size):
            (result,) = message.result
            assert (result.frame_id, result.outcome) == (send.frame_id, outcome)
            assert message == socket_pb2.ServerMessage(result=[result])
            assert size == 22

        return {"send": [send]}, check

    return kind


def with_bad_secret(mailbox):
    return Mailbox(mailbox.key, mailbox.public, os.urandom(32), mailbox.send_id)


async def deleted_mailbox(gateway):
    mailbox = await new_mailbox(gateway)
    (await gateway.call(ROUTE["DeleteMailbox"], deletion(mailbox))).granted()
    return mailbox


def spread(medians, names):
    return max(medians[name] for name in names) - min(medians[name] for name in names)


async def test_sends_that_are_refused_are_one_answer_of_one_duration(gateway):
    mailbox, deleted = await new_mailbox(gateway), await deleted_mailbox(gateway)
    refusals = {
        "unknown": sending(Mailbox.new),
        "bad secret": sending(lambda: with_bad_secret(mailbox)),
        "deleted": sending(lambda: deleted),
        "deleted, bad secret": sending(lambda: with_bad_secret(deleted)),
    }
    allowed = {"offline": sending(lambda: mailbox, Outcome.OUTCOME_OFFLINE, socket_pb2.DELIVERY_POLICY_LIVE_ONLY)}
    medians = await measure(gateway.url, refusals | allowed)
    assert spread(medians, refusals) < BOUND, medians
    assert spread(medians, [*refusals, *allowed]) > BOUND, f"the clock tells no difference at all: {medians}"


async def test_a_mailbox_that_was_just_deleted_is_refused_like_an_unknown_one(gateway):
    """Its send id and secret are still in the relay's memory then."""
    deleted = [await new_mailbox(gateway) for _ in range(REPEATS)]
    async with await RawSocket.connect(gateway.url) as socket:
        for mailbox in deleted:
            payload, _ = await asked(socket, send=[mailbox.send(FRAME)])
            assert socket_pb2.ServerMessage.FromString(payload).result[0].outcome == Outcome.OUTCOME_STORED
        for mailbox in deleted:
            (await gateway.call(ROUTE["DeleteMailbox"], deletion(mailbox))).granted()

        async def seconds_of(mailbox):
            send = mailbox.send(FRAME)
            payload, seconds = await asked(socket, send=[send])
            (result,) = socket_pb2.ServerMessage.FromString(payload).result
            assert (result.frame_id, result.outcome) == (send.frame_id, Outcome.OUTCOME_REFUSED)
            return seconds

        durations = [(await seconds_of(mailbox), await seconds_of(Mailbox.new())) for mailbox in deleted[:20]]
    known, unknown = (statistics.median(column) for column in zip(*durations, strict=True))
    assert abs(known - unknown) < BOUND, (known, unknown)


def subscribing(make, sign=None):
    def kind(socket):
        mailbox = make()
        subscribe = mailbox.subscribe(socket.challenge)
        if sign is not None:
            subscribe.signature = sign()

        def check(message, size):
            (event,) = message.subscription
            assert event.state == State.STATE_REFUSED
            assert message == socket_pb2.ServerMessage(subscription=[event])
            assert size == 22

        return {"subscribe": [subscribe]}, check

    return kind


async def test_subscribes_that_are_refused_are_one_answer(gateway):
    """Whoever has no key learns nothing by the time; whoever has one learns no more than that it is refused."""
    mailbox, deleted = await new_mailbox(gateway), await deleted_mailbox(gateway)
    without_key = {
        "there, bad signature": subscribing(lambda: mailbox, lambda: os.urandom(64)),
        "unknown, bad signature": subscribing(Mailbox.new, lambda: os.urandom(64)),
        "deleted, bad signature": subscribing(lambda: deleted, lambda: os.urandom(64)),
    }
    gone = [await deleted_mailbox(gateway) for _ in range(REPEATS)]
    with_key = {"unknown": subscribing(Mailbox.new), "deleted": subscribing(gone.pop)}
    medians = await measure(gateway.url, without_key | with_key)
    assert spread(medians, without_key) < BOUND, medians
    assert spread(medians, with_key) < BOUND, medians
    async with await RawSocket.connect(gateway.url) as socket:
        payload, _ = await asked(socket, subscribe=[mailbox.subscribe(socket.challenge)])
        assert socket_pb2.ServerMessage.FromString(payload).subscription[0].state == State.STATE_ACTIVE
