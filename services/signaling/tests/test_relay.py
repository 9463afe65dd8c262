"""The relay by example, without any I/O."""

import secrets

import pytest
from handshaker_common.close_codes import Close
from handshaker_proto.signaling.v1 import socket_pb2
from handshaker_signaling.domain import Limits
from relay_parties import LARGE, SMALL, Event, Mailbox, Result
from relay_world import DAY, World

LIVE_ONLY, EPHEMERAL = socket_pb2.DELIVERY_POLICY_LIVE_ONLY, socket_pb2.DELIVERY_POLICY_EPHEMERAL
ACTIVE_AND_DRAINED = [Event.STATE_ACTIVE, Event.STATE_DRAINED]


@pytest.fixture(params=[1, 2], ids=["one process", "two processes"])
def world(request: pytest.FixtureRequest) -> World:
    """Sender on the first core, recipient on the last."""
    return World(cores=request.param)


def subscribed(world: World, mailbox: Mailbox, core: int = -1):
    client = world.connect(core)
    client.subscribe(mailbox)
    world.run()
    assert client.inbox.states(mailbox) == ACTIVE_AND_DRAINED
    return client


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


def test_a_second_subscription_ends_the_first_and_tells_it(world: World):
    mailbox, other = world.mailbox(), world.mailbox()
    first = world.connect(0)
    first.subscribe(mailbox, other)
    world.run()
    second = subscribed(world, mailbox)
    assert first.inbox.states(mailbox) == [*ACTIVE_AND_DRAINED, Event.STATE_DISPLACED]
    assert first.inbox.states(other) == ACTIVE_AND_DRAINED, "only the mailbox in question"
    assert first.open
    alice = world.connect(0)
    alice.say(send=[mailbox.send(world.frame(mailbox))])
    world.run()
    assert (len(first.inbox.deliveries), len(second.inbox.deliveries)) == (0, 1)


def test_coming_back_before_the_news_of_the_displacement_is_no_displacement():
    world = World(cores=2)
    mailbox = world.mailbox()
    here = subscribed(world, mailbox, 0)
    there = world.connect(1)
    there.subscribe(mailbox)
    core = world.cores[1]
    world.run(until=lambda: bool(core.queues[f"link {world.cores[0].me.decode()}"]))
    here.subscribe(mailbox)
    world.run()
    assert here.holds(mailbox)
    assert not there.holds(mailbox)


def test_subscribing_twice_on_one_socket_starts_again_and_displaces_nobody():
    world = World()
    mailbox = world.mailbox()
    bob = subscribed(world, mailbox)
    bob.subscribe(mailbox)
    world.run()
    assert bob.inbox.states(mailbox) == ACTIVE_AND_DRAINED * 2


def test_unsubscribing_ends_it_and_gives_the_lease_up(world: World):
    mailbox = world.mailbox()
    bob, alice = subscribed(world, mailbox), world.connect(0)
    bob.unsubscribe(mailbox)
    world.run()
    assert world.leases == {}
    alice.say(send=[mailbox.send(world.frame(mailbox))])
    world.run()
    assert alice.inbox.results[0][1] == Result.OUTCOME_STORED
    assert bob.inbox.deliveries == []


def test_an_unknown_mailbox_is_refused_and_leaves_no_lease():
    world = World()
    bob = world.connect()
    unknown = Mailbox()
    bob.subscribe(unknown)
    world.run()
    assert bob.inbox.states(unknown) == [Event.STATE_REFUSED]
    assert world.leases == {}
    world.pass_time(5.1)
    assert bob.inbox.closed == Close.UNAUTHENTICATED.value, "which is no authentication"


def test_a_signature_for_another_connection_is_refused():
    world = World()
    mailbox = world.mailbox()
    bob, eve = subscribed(world, mailbox), world.connect()
    assert bob.inbox.challenge is not None
    replayed = mailbox.subscribe(bob.inbox.challenge)
    eve.say(subscribe=[replayed])
    world.run()
    assert eve.inbox.states(mailbox) == [Event.STATE_REFUSED]
    assert bob.holds(mailbox)
    eve.say(subscribe=[replayed] * 7)
    world.run()
    assert eve.inbox.closed == Close.UNAUTHENTICATED.value


def test_a_socket_must_authenticate_in_five_seconds():
    world = World()
    mailbox = world.mailbox()
    idle, sender, recipient = world.connect(), world.connect(), subscribed(world, mailbox)
    sender.say(send=[mailbox.send(world.frame(mailbox))])
    world.pass_time(4.9)
    assert idle.open
    world.pass_time(0.2)
    assert idle.inbox.closed == Close.UNAUTHENTICATED.value
    world.pass_time(60)
    assert sender.open
    assert recipient.open


def test_a_full_window_counts_as_away_and_is_drained_as_it_empties(world: World):
    mailbox = world.mailbox()
    bob, alice = subscribed(world, mailbox), world.connect(0)
    sent = [world.frame(mailbox) for _ in range(200)]
    for start in range(0, len(sent), 25):
        alice.say(send=[mailbox.send(frame_id) for frame_id in sent[start : start + 25]])
        world.run()
        assert len(bob.unacknowledged) <= world.limits.window_deliveries
    while bob.unacknowledged:
        bob.acknowledge(10)
        world.run()
    assert sorted(bob.inbox.frames()) == sorted(sent)
    assert world.store[mailbox.recv_id] == {}
    assert len(alice.inbox.results) == len(sent)


def test_a_window_is_bounded_in_bytes_too():
    world = World()
    mailbox = world.mailbox()
    bob, alice = subscribed(world, mailbox), world.connect()
    for _ in range(30):
        alice.say(send=[mailbox.send(world.frame(mailbox), size=LARGE)])
    world.run()
    assert len(bob.unacknowledged) == world.limits.window_bytes // LARGE


def test_many_mailboxes_share_one_window_and_all_drain():
    world = World()
    mailboxes = [world.mailbox() for _ in range(40)]
    alice = world.connect()
    for mailbox in mailboxes:
        alice.say(send=[mailbox.send(world.frame(mailbox)) for _ in range(5)])
    world.run()
    bob = world.connect()
    bob.subscribe(*mailboxes)
    world.run()
    while bob.unacknowledged:
        bob.acknowledge(7)
        world.run()
    assert len(bob.inbox.deliveries) == len(set(bob.inbox.frames())) == 200
    assert all(bob.inbox.states(mailbox) == ACTIVE_AND_DRAINED for mailbox in mailboxes)


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


def test_a_store_that_does_not_answer_is_unavailable_to_senders_and_subscribers():
    world = World()
    mailbox, other = world.mailbox(), world.mailbox()
    bob, alice = subscribed(world, mailbox), world.connect()
    live = world.frame(mailbox)
    alice.say(send=[mailbox.send(live)])
    world.run()
    bob.acknowledge()
    world.run()
    world.store_up = False
    still_live, stored, unresolved = (world.frame(mailbox) for _ in range(3))
    alice.say(send=[mailbox.send(still_live), other.send(unresolved)])
    bob.subscribe(other)
    world.run()
    bob.acknowledge()
    world.run()
    bob.disconnect()
    alice.say(send=[mailbox.send(stored)])
    world.run()
    assert alice.inbox.outcomes(still_live) == [Result.OUTCOME_DELIVERED], "live frames need no store"
    assert alice.inbox.outcomes(unresolved) == [Result.OUTCOME_UNAVAILABLE]
    assert alice.inbox.outcomes(stored) == [Result.OUTCOME_UNAVAILABLE]
    assert bob.inbox.states(other) == [Event.STATE_UNAVAILABLE]
    world.store_up = True
    alice.say(send=[mailbox.send(stored)])
    world.run()
    assert alice.inbox.outcomes(stored)[1:] == [Result.OUTCOME_STORED]


def test_without_leases_messages_flow_and_a_sweep_finds_what_was_stored():
    world = World(cores=2)
    mailbox, here = world.mailbox(), world.mailbox()
    bob, carol = subscribed(world, mailbox), subscribed(world, here, 0)
    world.redis_up = False
    world.pass_time(21)  # the renewals notice
    alice = world.connect(0)
    frame_id, local = world.frame(mailbox), world.frame(here)
    alice.say(send=[mailbox.send(frame_id), here.send(local)])
    world.run()
    carol.acknowledge()
    world.run()
    assert alice.inbox.outcomes(local) == [Result.OUTCOME_DELIVERED], "in one process no lease is needed"
    assert alice.inbox.outcomes(frame_id) == [Result.OUTCOME_STORED]
    world.pass_time(5.5)
    assert bob.inbox.frames() == [frame_id]
    bob.acknowledge()
    world.redis_up = True
    world.leases.clear()
    world.run()
    assert set(world.leases) == {mailbox.recv_id, here.recv_id}, "leases are registered again"
    live = world.frame(mailbox)
    alice.say(send=[mailbox.send(live)])
    world.pass_time(0.1)
    assert bob.inbox.frames() == [frame_id, live]


def test_a_lease_that_somebody_else_took_displaces_at_the_next_renewal():
    world = World(cores=2)
    mailbox = world.mailbox()
    first = subscribed(world, mailbox, 0)
    second = world.connect(1)
    second.subscribe(mailbox)
    queue = world.cores[1].queues[f"link {world.cores[0].me.decode()}"]
    world.run(until=lambda: bool(queue))
    queue.clear()  # the news is lost
    world.pass_time(21)
    assert not first.holds(mailbox)
    assert second.holds(mailbox)


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


def test_too_many_subscriptions_close_the_socket():
    world = World(limits=Limits(most_subscriptions=3))
    bob = world.connect()
    bob.subscribe(*(world.mailbox() for _ in range(3)))
    world.run()
    assert bob.open
    bob.subscribe(world.mailbox())
    world.run()
    assert bob.inbox.closed == Close.TOO_MANY_SUBSCRIPTIONS.value


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


def test_what_is_stored_while_a_page_is_on_its_way_is_read_as_well():
    world = World()
    mailbox = world.mailbox()
    alice, bob = world.connect(), world.connect()
    bob.subscribe(mailbox)
    world.run(without=("read_answer",))
    frame_id = world.put_aside(mailbox)
    world.cores[0].relay.subscriptions.poke(mailbox.recv_id)
    world.run()
    assert bob.inbox.frames() == [frame_id]
    assert alice.open


def test_a_removal_that_failed_is_repeated_after_the_next_sweep():
    world = World()
    mailbox = world.mailbox()
    frame_id = world.put_aside(mailbox)
    bob = subscribed(world, mailbox)
    world.store_up = False
    bob.acknowledge()
    world.run()
    world.store_up = True
    assert frame_id in world.store[mailbox.recv_id]
    world.pass_time(world.limits.sweep_seconds + 1)
    bob.acknowledge()
    world.run()
    assert bob.inbox.frames() == [frame_id] * 2, "delivered again; the client drops it"
    assert world.store[mailbox.recv_id] == {}


def test_a_frame_whose_removal_is_on_its_way_is_not_delivered_again():
    world = World()
    mailbox = world.mailbox()
    first = world.put_aside(mailbox)
    bob = subscribed(world, mailbox)
    bob.acknowledge()
    second = world.put_aside(mailbox)
    world.cores[0].relay.subscriptions.poke(mailbox.recv_id)
    world.run(without=("remove",))
    assert bob.inbox.frames() == [first, second]
    assert first in world.store[mailbox.recv_id]


def test_readers_that_waited_for_others_get_their_turn_although_nothing_is_acknowledged():
    world = World()
    mailboxes = [world.mailbox() for _ in range(40)]
    bob = world.connect()
    bob.subscribe(*mailboxes)
    world.run()
    frame_id = world.put_aside(mailboxes[-1])
    for mailbox in mailboxes:
        world.cores[0].relay.subscriptions.poke(mailbox.recv_id)
    world.run()
    assert bob.inbox.frames() == [frame_id]


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


def test_a_lease_without_a_subscription_behind_it_costs_one_detour():
    world = World(cores=2)
    mailbox = world.mailbox()
    alice = world.connect()
    world.leases[mailbox.recv_id] = (world.now + 60, world.cores[1].me)
    frame_id = world.frame(mailbox)
    alice.say(send=[mailbox.send(frame_id)])
    world.run()
    assert alice.inbox.results == [(frame_id, Result.OUTCOME_STORED)]


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


def test_removals_name_the_day_where_it_is_known(world: World):
    mailbox = world.mailbox()
    alice = world.connect(0)
    drained, silent = world.frame(mailbox), world.frame(mailbox)
    alice.say(send=[mailbox.send(drained)])
    world.run()
    bob = subscribed(world, mailbox)
    alice.say(send=[mailbox.send(silent)])
    world.pass_time(0.3)
    bob.acknowledge()
    world.run()
    assert set(world.removals) >= {(drained, DAY), (silent, DAY)}


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


def test_the_later_subscription_wins_when_redis_returns():
    world = World(cores=2)
    mailbox = world.mailbox()
    first = subscribed(world, mailbox, 0)
    world.redis_up = False
    second = subscribed(world, mailbox, 1)
    world.pass_time(21)
    assert first.holds(mailbox), "nobody could tell it"
    world.redis_up = True
    world.run()
    assert not first.holds(mailbox)
    assert second.holds(mailbox)
