"""Sending by example, without any I/O: what becomes of a frame, and what its sender is told."""

import secrets

import pytest
from handshaker_common.close_codes import Close
from handshaker_proto.signaling.v1 import socket_pb2
from handshaker_signaling.domain import Limits
from relay_parties import LARGE, SMALL, Mailbox, Result
from relay_world import ACTIVE_AND_DRAINED, World, subscribed

LIVE_ONLY, EPHEMERAL = socket_pb2.DELIVERY_POLICY_LIVE_ONLY, socket_pb2.DELIVERY_POLICY_EPHEMERAL


def test_a_live_frame_is_delivered_and_never_stored(world: World):
    mailbox = world.mailbox(b"wake" * 4)
    bob, alice = subscribed(world, mailbox), world.connect(0)
    frame_id = world.frame(mailbox)
    alice.say(send=[mailbox.send(frame_id)])
    world.run()
    assert bob.inbox.frames() == [frame_id]
    assert alice.inbox.results == [], "nothing is promised before the acknowledgement"
    bob.acknowledge()
    world.run()
    assert alice.inbox.results == [(frame_id, Result.OUTCOME_DELIVERED)]
    world.pass_time(1)
    assert world.sequence == 0
    assert not any(core.woken for core in world.cores)


def test_a_frame_for_somebody_away_is_stored_and_wakes(world: World):
    mailbox = world.mailbox(b"wake" * 4)
    alice = world.connect(0)
    frame_id = world.frame(mailbox)
    alice.say(send=[mailbox.send(frame_id)])
    world.run()
    assert alice.inbox.results == [(frame_id, Result.OUTCOME_STORED)]
    assert world.cores[0].woken == [mailbox.wake_id]
    bob = world.connect(-1)
    bob.subscribe(mailbox)
    world.run()
    assert bob.inbox.frames() == [frame_id]
    assert bob.inbox.states(mailbox) == ACTIVE_AND_DRAINED
    bob.acknowledge()
    world.run()
    assert world.store[mailbox.recv_id] == {}


def test_a_frame_that_is_not_acknowledged_in_time_is_stored_and_delivered_once(world: World):
    mailbox = world.mailbox(b"wake" * 4)
    bob, alice = subscribed(world, mailbox), world.connect(0)
    frame_id = world.frame(mailbox)
    alice.say(send=[mailbox.send(frame_id)])
    world.run()
    world.pass_time(0.2)
    assert alice.inbox.results == []
    world.pass_time(0.1)
    assert alice.inbox.results == [(frame_id, Result.OUTCOME_STORED)]
    assert world.cores[0].woken == [mailbox.wake_id], "a silent device may be asleep although its socket stands"
    bob.acknowledge()
    world.run()
    assert bob.inbox.frames() == [frame_id], "the holder was told to read, but has it on its way already"
    assert alice.inbox.results == [(frame_id, Result.OUTCOME_STORED)], "one answer, not two"
    assert world.store[mailbox.recv_id] == {}


def test_an_acknowledgement_that_meets_the_put_turns_it_into_delivered(world: World):
    mailbox = world.mailbox()
    bob, alice = subscribed(world, mailbox), world.connect(0)
    frame_id = world.frame(mailbox)
    alice.say(send=[mailbox.send(frame_id)])
    world.run()
    world.advance(0.3)
    bob.acknowledge()
    world.run()
    assert alice.inbox.results == [(frame_id, Result.OUTCOME_DELIVERED)]
    assert world.sequence == 1, "the put was on its way"
    assert world.store[mailbox.recv_id] == {}, "and is taken back"


@pytest.mark.parametrize("policy", [LIVE_ONLY, EPHEMERAL])
def test_frames_that_must_not_be_stored_are_not(world: World, policy: int):
    mailbox = world.mailbox(b"wake" * 4)
    alice = world.connect(0)
    away, silent, live = (world.frame(mailbox) for _ in range(3))
    alice.say(send=[mailbox.send(away, policy=policy)])
    world.pass_time(1)
    bob = subscribed(world, mailbox)
    alice.say(send=[mailbox.send(silent, policy=policy)])
    world.pass_time(1)
    alice.say(send=[mailbox.send(live, policy=policy)])
    world.run()
    bob.acknowledge()
    world.run()
    assert bob.inbox.frames() == [silent, live]
    told = [(away, Result.OUTCOME_OFFLINE), (silent, Result.OUTCOME_OFFLINE), (live, Result.OUTCOME_DELIVERED)]
    assert alice.inbox.results == (told if policy == LIVE_ONLY else [])
    assert world.sequence == 0
    assert not any(core.woken for core in world.cores)


def test_unknown_mailbox_and_bad_secret_are_one_answer_at_one_time(world: World):
    mailbox, unknown = world.mailbox(), Mailbox()
    alice = world.connect(0)
    good, bad, nobody = (world.frame(mailbox) for _ in range(3))
    alice.say(send=[mailbox.send(good)])
    world.run()
    alice.say(send=[mailbox.send(bad, secret=secrets.token_bytes(32)), unknown.send(nobody)])
    world.run()
    assert alice.inbox.results == [(good, Result.OUTCOME_STORED)], "a refusal takes its time"
    world.pass_time(0.15)
    assert alice.inbox.results[1:] == [(bad, Result.OUTCOME_REFUSED), (nobody, Result.OUTCOME_REFUSED)]


@pytest.mark.parametrize(
    "change",
    [
        {"frame": b"x" * 2047},
        {"frame": b""},
        {"frame_id": b"short"},
        {"frame_id": bytes(4_000)},
        {"send_id": b""},
        {"send_secret": b"x"},
        {"ttl_hours": 337},
        {"policy": 9},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_malformed_send_is_told_so_and_changes_nothing(change: dict[str, bytes | int]):
    world = World()
    mailbox = world.mailbox()
    alice = world.connect()
    send = mailbox.send(world.frame(mailbox))
    for name, value in change.items():
        setattr(send, name, value)
    alice.say(send=[send])
    world.run()
    assert alice.inbox.results == [(send.frame_id[:16], Result.OUTCOME_MALFORMED)]
    assert world.sequence == 0
    assert alice.open


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_both_sizes_pass(size: int):
    world = World()
    mailbox = world.mailbox()
    bob, alice = subscribed(world, mailbox), world.connect()
    alice.say(send=[mailbox.send(world.frame(mailbox), size=size)])
    world.run()
    assert [len(delivery.frame) for delivery in bob.inbox.deliveries] == [size]


@pytest.mark.parametrize(
    "message",
    [b"\xff\xff\xff", socket_pb2.ClientMessage(acknowledge=range(1025)).SerializeToString()],
    ids=["no message", "too many items"],
)
def test_what_is_no_client_message_closes_the_socket(message: bytes):
    world = World()
    alice = world.connect()
    world.cores[0].relay.socket_message(world.now, world.cores[0].attachment, alice.number, message)
    world.run()
    assert alice.inbox.closed == Close.MALFORMED.value


def test_a_frame_sent_again_while_it_is_pending_is_cared_for_once_and_answered_alike(world: World):
    mailbox = world.mailbox()
    bob, alice, again = subscribed(world, mailbox), world.connect(0), world.connect(0)
    frame_id = world.frame(mailbox)
    alice.say(send=[mailbox.send(frame_id), mailbox.send(frame_id)])
    again.say(send=[mailbox.send(frame_id)])
    world.run()
    assert bob.inbox.frames() == [frame_id]
    bob.acknowledge()
    world.run()
    assert alice.inbox.results == again.inbox.results == [(frame_id, Result.OUTCOME_DELIVERED)]


def test_a_recipient_that_leaves_has_its_unacknowledged_frames_stored_at_once(world: World):
    mailbox = world.mailbox()
    bob, alice = subscribed(world, mailbox), world.connect(0)
    frame_id = world.frame(mailbox)
    alice.say(send=[mailbox.send(frame_id)])
    world.run()
    bob.disconnect()
    world.run()
    assert alice.inbox.results == [(frame_id, Result.OUTCOME_STORED)]
    assert frame_id in world.store[mailbox.recv_id]


def test_a_frame_for_a_process_that_died_is_stored():
    world = World(cores=2)
    mailbox = world.mailbox()
    subscribed(world, mailbox)
    alice = world.connect(0)
    frames = [world.frame(mailbox) for _ in range(2)]
    alice.say(send=[mailbox.send(frames[0])])
    world.run()
    world.crash(1)
    world.run()
    alice.say(send=[mailbox.send(frames[1])])
    world.run()
    assert alice.inbox.results == [(frame_id, Result.OUTCOME_STORED) for frame_id in frames]


def test_draining_settles_everything_then_closes_and_gives_leases_up():
    world = World(cores=2)
    mailbox = world.mailbox()
    bob, alice = subscribed(world, mailbox), world.connect(1)
    frame_id = world.frame(mailbox)
    alice.say(send=[mailbox.send(frame_id)])
    world.run()
    relay = world.cores[1].relay
    relay.drain()
    assert not relay.settled
    world.run()
    assert relay.settled
    assert alice.inbox.results == [(frame_id, Result.OUTCOME_STORED)]
    late = world.frame(mailbox)
    alice.say(send=[mailbox.send(late)])
    world.run()
    assert alice.inbox.outcomes(late) == [Result.OUTCOME_UNAVAILABLE]
    relay.close_all()
    world.run()
    assert alice.inbox.closed == bob.inbox.closed == Close.RESTARTING.value
    assert world.leases == {}
    assert world.cores[1].attachment.draining


def test_more_frames_than_one_process_cares_for_are_unavailable_not_lost():
    world = World(limits=Limits(most_pending=3))
    mailbox = world.mailbox()
    bob, alice = subscribed(world, mailbox), world.connect()
    sent = [world.frame(mailbox) for _ in range(5)]
    alice.say(send=[mailbox.send(frame_id) for frame_id in sent])
    world.run()
    assert alice.inbox.results == [(frame_id, Result.OUTCOME_UNAVAILABLE) for frame_id in sent[3:]]
    bob.acknowledge()
    world.run()
    assert len(alice.inbox.results) == 5


def test_an_acknowledgement_after_an_unanswered_put_removes_what_may_have_been_stored(world: World):
    mailbox = world.mailbox()
    bob, alice = subscribed(world, mailbox), world.connect(0)
    frame_id = world.frame(mailbox)
    world.lose_answers = True
    alice.say(send=[mailbox.send(frame_id)])
    world.pass_time(0.3)
    assert alice.inbox.results == [(frame_id, Result.OUTCOME_UNAVAILABLE)]
    assert frame_id in world.store[mailbox.recv_id]
    world.lose_answers = False
    bob.acknowledge()
    world.run()
    assert world.store[mailbox.recv_id] == {}


def test_a_recipient_that_has_moved_is_followed_even_by_frames_that_are_never_stored():
    world = World(cores=3)
    mailbox = world.mailbox()
    alice, before = world.connect(0), subscribed(world, mailbox, 1)
    first, second = world.frame(mailbox), world.frame(mailbox)
    alice.say(send=[mailbox.send(first, policy=EPHEMERAL)])
    world.run()
    before.disconnect()
    after = subscribed(world, mailbox, 2)
    alice.say(send=[mailbox.send(second, policy=EPHEMERAL)])
    world.run()
    assert (before.inbox.frames(), after.inbox.frames()) == ([first], [second])


def test_a_process_that_could_not_be_reached_is_left_alone_for_a_while():
    world = World(cores=2)
    mailbox = world.mailbox()
    subscribed(world, mailbox)
    alice, dead = world.connect(0), world.cores[1].me
    world.crash(1)
    world.run()
    alice.say(send=[mailbox.send(world.frame(mailbox))])
    link = f"link {dead.decode()}"
    world.run(without=(link, "put_answer"))
    assert not world.cores[0].queues[link], "straight to the store"
    assert world.cores[0].queues["put_answer"]
