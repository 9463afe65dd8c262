"""What messages on the WebSocket may ask for, how much of it, how soon; and what a full mailbox says."""

import asyncio
import os

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from handshaker_proto.signaling.v1 import socket_pb2
from load.mailboxes import Mailbox

from e2e.calls import new_mailbox
from e2e.hostile import PATIENCE, PING, RawSocket

Outcome = socket_pb2.SendResult.Outcome
State = socket_pb2.SubscriptionEvent.State
LIVE_ONLY, EPHEMERAL = socket_pb2.DELIVERY_POLICY_LIVE_ONLY, socket_pb2.DELIVERY_POLICY_EPHEMERAL
SMALL, LARGE = 2_048, 16_384
QUOTA = 512
AT_ONCE = 30  # sends of 2 KiB that fit one message of 64 KiB


@pytest.fixture
async def mailbox(gateway):
    return await new_mailbox(gateway)


@pytest.fixture
async def socket(gateway):
    async with await RawSocket.connect(gateway.url) as connected:
        yield connected


async def results(socket, count):
    """Outcomes by frame id, in any order."""
    found = {}
    while len(found) < count:
        found |= {result.frame_id: result.outcome for result in (await socket.message()).result}
    return found


async def outcome(socket, send):
    await socket.say(send=[send])
    return (await results(socket, 1))[send.frame_id]


async def drained(socket, mailbox, *, acknowledge=False):
    """Subscribes; the deliveries until all that was stored has come."""
    await socket.say(subscribe=[mailbox.subscribe(socket.challenge)])
    deliveries, states = [], []
    while State.STATE_DRAINED not in states:
        message = await socket.message()
        deliveries += message.delivery
        states += [event.state for event in message.subscription]
        assert set(states) <= {State.STATE_ACTIVE, State.STATE_DRAINED}
        if acknowledge and message.delivery:
            await socket.say(acknowledge=[delivery.delivery_id for delivery in message.delivery])
    return deliveries


def send(mailbox, size=SMALL, **fields):
    made = mailbox.send(os.urandom(size))
    for name, value in fields.items():
        setattr(made, name, value)
    return made


# --- what a send may hold ---


@pytest.mark.parametrize(
    "fields",
    [
        *[
            pytest.param({"frame": bytes(size)}, id=f"{size} bytes")
            for size in (0, 1, 2_047, 2_049, 16_383, 16_385, 60_000)
        ],
        *[pytest.param({"frame_id": bytes(size)}, id=f"frame id of {size}") for size in (0, 15, 17)],
        *[pytest.param({"send_id": bytes(size)}, id=f"send id of {size}") for size in (0, 15, 17)],
        *[pytest.param({"send_secret": bytes(size)}, id=f"secret of {size}") for size in (0, 31, 33)],
        *[pytest.param({"ttl_hours": hours}, id=f"{hours} hours") for hours in (337, 10_000, 2**32 - 1)],
        *[pytest.param({"policy": policy}, id=f"policy {policy}") for policy in (3, 99)],
    ],
)
async def test_sends_of_another_form_are_malformed_and_store_nothing(socket, mailbox, fields):
    good, bad = send(mailbox), send(mailbox, **fields)
    await socket.say(send=[bad, good])
    assert await results(socket, 2) == {
        bad.frame_id[:16]: Outcome.OUTCOME_MALFORMED,
        good.frame_id: Outcome.OUTCOME_STORED,
    }
    assert [each.frame for each in await drained(socket, mailbox)] == [good.frame]


@pytest.mark.parametrize("fields", [{"size": LARGE}, {"ttl_hours": 1}, {"ttl_hours": 336}, {"ttl_hours": 0}])
async def test_sends_at_their_limits_are_stored(socket, mailbox, fields):
    good = send(mailbox, **fields)
    assert await outcome(socket, good) == Outcome.OUTCOME_STORED
    assert [each.frame for each in await drained(socket, mailbox)] == [good.frame]


async def test_live_only_to_nobody_is_offline_and_not_kept(socket, mailbox):
    assert await outcome(socket, send(mailbox, policy=LIVE_ONLY)) == Outcome.OUTCOME_OFFLINE
    assert await outcome(socket, kept := send(mailbox)) == Outcome.OUTCOME_STORED
    assert [each.frame for each in await drained(socket, mailbox)] == [kept.frame]


async def test_ephemeral_to_nobody_is_silence_and_not_kept(socket, mailbox):
    unknown = Mailbox.new()
    silent = [send(mailbox, policy=EPHEMERAL), send(mailbox, policy=EPHEMERAL, send_secret=bytes(32))]
    silent.append(send(unknown, policy=EPHEMERAL))
    last = send(mailbox)
    await socket.say(send=silent)
    # A refusal, which would be later than any result of the above, and a stored frame.
    await socket.say(send=[refused := send(Mailbox.new()), last])
    assert set(await results(socket, 2)) == {refused.frame_id, last.frame_id}
    assert [each.frame for each in await drained(socket, mailbox)] == [last.frame]


async def test_ephemeral_frames_do_arrive_where_somebody_is(gateway, socket, mailbox):
    async with await RawSocket.connect(gateway.url) as receiver:
        await drained(receiver, mailbox)
        await socket.say(send=[sent := send(mailbox, policy=EPHEMERAL)])
        assert (await receiver.message()).delivery[0].frame == sent.frame


# --- how much at once ---


def unknown_subscribes(socket, count):
    return [Mailbox.new().subscribe(socket.challenge) for _ in range(count)]


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param(lambda s: {"send": [socket_pb2.Send()] * 33}, id="33 sends"),
        pytest.param(lambda s: {"subscribe": unknown_subscribes(s, 257)}, id="257 subscribes"),
        pytest.param(lambda s: {"unsubscribe": [bytes(16)] * 257}, id="257 unsubscribes"),
        pytest.param(lambda s: {"acknowledge": range(1, 1026)}, id="1025 acknowledgements"),
    ],
)
async def test_too_much_at_once_closes(socket, parts):
    await socket.say(**parts(socket))
    assert await socket.closed() == (4002, "malformed")


async def test_as_much_as_is_allowed_is_taken(socket):
    await socket.say(send=[socket_pb2.Send(frame_id=os.urandom(16)) for _ in range(32)])
    assert set((await results(socket, 32)).values()) == {Outcome.OUTCOME_MALFORMED}
    await socket.say(subscribe=unknown_subscribes(socket, 256))
    events = []
    while len(events) < 256:
        events += (await socket.message()).subscription
    assert {event.state for event in events} == {State.STATE_REFUSED}
    await socket.say(unsubscribe=[bytes(16)] * 256, acknowledge=range(1, 1025))
    assert await socket.answers()


# --- who may receive ---


async def test_subscribes_without_the_right_are_refused(gateway, socket, mailbox):
    async with await RawSocket.connect(gateway.url) as other:
        stranger = Ed25519PrivateKey.generate()
        right = mailbox.subscribe(socket.challenge)
        signed = b"handshaker/v1/subscribe" + socket.challenge + mailbox.public
        wrong = [
            mailbox.subscribe(other.challenge),  # of another connection
            socket_pb2.Subscribe(recv_public_key=mailbox.public, signature=bytes(64)),
            socket_pb2.Subscribe(recv_public_key=mailbox.public, signature=stranger.sign(signed)),
            socket_pb2.Subscribe(recv_public_key=mailbox.public, signature=mailbox.key.sign(signed[23:])),
            socket_pb2.Subscribe(recv_public_key=mailbox.public, signature=right.signature[:63]),
            socket_pb2.Subscribe(recv_public_key=mailbox.public[:31], signature=right.signature),
            socket_pb2.Subscribe(recv_public_key=bytes(32), signature=bytes(64)),  # a key of small order
        ]
        await socket.say(subscribe=wrong)
        events = []
        while len(events) < len(wrong):
            events += (await socket.message()).subscription
        assert {event.state for event in events} == {State.STATE_REFUSED}
        await other.say(send=[sent := send(mailbox)])
        await results(other, 1)
        await socket.say(subscribe=[right])
        message = await socket.message()
        assert message.subscription[0].state == State.STATE_ACTIVE
        deliveries = list(message.delivery) or list((await socket.message()).delivery)
        assert [each.frame for each in deliveries] == [sent.frame]


async def test_guessing_signatures_ends_the_connection(gateway, mailbox):
    async with await RawSocket.connect(gateway.url) as guesser, await RawSocket.connect(gateway.url) as unlucky:
        wrong = socket_pb2.Subscribe(recv_public_key=mailbox.public, signature=bytes(64))
        await unlucky.say(subscribe=[wrong] * 7)
        await guesser.say(subscribe=[wrong] * 8)
        assert await guesser.closed() == (4001, "unauthenticated")
        await unlucky.say(subscribe=[mailbox.subscribe(unlucky.challenge)])
        states = []
        while State.STATE_ACTIVE not in states:
            states += [event.state for event in (await unlucky.message()).subscription]


async def test_who_proves_nothing_within_five_seconds_is_closed(gateway, mailbox):
    """Only a valid subscribe or a valid send is a proof; talking is none."""
    loop = asyncio.get_running_loop()

    async def open_until_closed(*, talk):
        async with await RawSocket.connect(gateway.url) as socket:
            started = loop.time()
            await talk(socket)
            closed = await socket.closed()
            return closed, loop.time() - started

    async def silence(_socket):
        """Says nothing."""

    async def pings(socket):
        await socket.send(PING, b"still here")
        await socket.say(acknowledge=[1, 2, 3], unsubscribe=[bytes(16)])

    async def bad_sends(socket):
        await socket.say(send=[send(mailbox, send_secret=bytes(32)), send(Mailbox.new()), send(mailbox, size=1)])

    async def bad_subscribes(socket):
        await socket.say(subscribe=[Mailbox.new().subscribe(socket.challenge)])

    async with await RawSocket.connect(gateway.url) as sender, await RawSocket.connect(gateway.url) as receiver:
        await sender.say(send=[send(mailbox, policy=LIVE_ONLY)])
        await receiver.say(subscribe=[mailbox.subscribe(receiver.challenge)])
        ended = await asyncio.gather(*[open_until_closed(talk=t) for t in (silence, pings, bad_sends, bad_subscribes)])
        assert {closed for closed, _ in ended} == {(4001, "unauthenticated")}
        assert all(4.5 < seconds < 10 for _, seconds in ended), ended
        assert await sender.answers()
        assert await receiver.answers()


# --- acknowledging ---


async def test_acknowledging_what_was_not_delivered_removes_nothing(gateway, socket, mailbox):
    assert await outcome(socket, kept := send(mailbox)) == Outcome.OUTCOME_STORED
    async with await RawSocket.connect(gateway.url) as receiver, await RawSocket.connect(gateway.url) as stranger:
        (delivery,) = await drained(receiver, mailbox)
        await stranger.say(acknowledge=range(1, 1001))  # the numbers of another connection
        await receiver.say(acknowledge=[0, delivery.delivery_id + 1, 2**63, 2**64 - 1])
        assert await receiver.answers()
        assert await stranger.answers()
    async with await RawSocket.connect(gateway.url) as receiver:
        (again,) = await drained(receiver, mailbox)
        assert (again.frame_id, again.frame) == (kept.frame_id, kept.frame)
        await receiver.say(acknowledge=[again.delivery_id, again.delivery_id])
    await until_empty(gateway, mailbox)


async def until_empty(gateway, mailbox):
    """Removal follows the acknowledgement, it is not waited for."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while True:
        async with await RawSocket.connect(gateway.url) as receiver:
            if not await drained(receiver, mailbox):
                return
        assert asyncio.get_running_loop().time() < deadline, "an acknowledged frame came back for ever"


# --- a full mailbox ---


async def test_a_mailbox_is_full_after_512_frames_and_takes_more_after_acknowledgements(gateway, socket, mailbox):
    sends = [send(mailbox) for _ in range(QUOTA + 8)]
    outcomes = {}
    for start in range(0, len(sends), AT_ONCE):
        await socket.say(send=sends[start : start + AT_ONCE])
        outcomes |= await results(socket, len(sends[start : start + AT_ONCE]))
    stored = [each.frame_id for each in sends if outcomes[each.frame_id] == Outcome.OUTCOME_STORED]
    assert len(stored) == QUOTA
    assert {outcomes[each.frame_id] for each in sends} == {Outcome.OUTCOME_STORED, Outcome.OUTCOME_QUOTA}
    assert await outcome(socket, next(s for s in sends if s.frame_id == stored[0])) == Outcome.OUTCOME_STORED
    assert await outcome(socket, send(mailbox)) == Outcome.OUTCOME_QUOTA
    other = await new_mailbox(gateway)
    assert await outcome(socket, send(other)) == Outcome.OUTCOME_STORED, "nobody else's mailbox is full"
    async with await RawSocket.connect(gateway.url) as receiver:
        await receiver.say(subscribe=[mailbox.subscribe(receiver.challenge)])
        while not (deliveries := (await receiver.message()).delivery):
            pass
        await receiver.say(acknowledge=[deliveries[0].delivery_id])
        assert await receiver.answers()
    one_more, deadline = send(mailbox), asyncio.get_running_loop().time() + PATIENCE
    while await outcome(socket, one_more) == Outcome.OUTCOME_QUOTA:
        assert asyncio.get_running_loop().time() < deadline, "an acknowledgement made no room"
    assert await outcome(socket, send(mailbox)) == Outcome.OUTCOME_QUOTA, "one acknowledgement makes room for one"
    async with await RawSocket.connect(gateway.url) as receiver:
        frames = [each.frame_id for each in await drained(receiver, mailbox, acknowledge=True)]
    assert len(frames) == len(set(frames)) == QUOTA
    assert set(frames) == {*stored, one_more.frame_id} - {deliveries[0].frame_id}


# --- a client that does not read ---


async def test_who_does_not_read_is_closed_as_too_slow(gateway, mailbox):
    """It acknowledges what it never read, so that the server's own window does not hold the frames back."""
    async with (
        await RawSocket.connect(gateway.url, receive_buffer=4096) as deaf,
        await RawSocket.connect(gateway.url) as attentive,
        await RawSocket.connect(gateway.url) as sender,
    ):
        other = await new_mailbox(gateway)
        await drained(attentive, other)
        await drained(deaf, mailbox)
        sent, outcomes = [0], set()

        async def acknowledge_blindly():
            while True:
                await deaf.say(acknowledge=range(max(1, sent[0] - 500), sent[0] + 500))
                await asyncio.sleep(0.005)

        blindly = asyncio.ensure_future(acknowledge_blindly())
        while sent[0] < 6_000 and Outcome.OUTCOME_OFFLINE not in outcomes:
            sent[0] += 3
            await sender.say(send=[send(mailbox, LARGE, policy=LIVE_ONLY) for _ in range(3)])
            outcomes |= set((await results(sender, 3)).values())
        blindly.cancel()
        await asyncio.wait([blindly])
        assert Outcome.OUTCOME_DELIVERED in outcomes
        assert Outcome.OUTCOME_OFFLINE in outcomes, "the server went on buffering"
        assert await deaf.closed() == (1013, "too_slow")
        await sender.say(send=[last := send(other)])
        assert (await attentive.message()).delivery[0].frame == last.frame
