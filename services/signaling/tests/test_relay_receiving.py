"""Receiving by example, without any I/O: subscriptions, leases, windows, what lies in the store."""

from handshaker_common.close_codes import Close
from handshaker_proto.signaling.v1 import socket_pb2
from handshaker_signaling.domain import Limits
from relay_parties import LARGE, Event, Mailbox, Result
from relay_world import ACTIVE_AND_DRAINED, DAY, World, subscribed

LIVE_ONLY, EPHEMERAL = socket_pb2.DELIVERY_POLICY_LIVE_ONLY, socket_pb2.DELIVERY_POLICY_EPHEMERAL


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


def test_too_many_subscriptions_close_the_socket():
    world = World(limits=Limits(most_subscriptions=3))
    bob = world.connect()
    bob.subscribe(*(world.mailbox() for _ in range(3)))
    world.run()
    assert bob.open
    bob.subscribe(world.mailbox())
    world.run()
    assert bob.inbox.closed == Close.TOO_MANY_SUBSCRIPTIONS.value


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


def test_a_lease_without_a_subscription_behind_it_costs_one_detour():
    world = World(cores=2)
    mailbox = world.mailbox()
    alice = world.connect()
    world.leases[mailbox.recv_id] = (world.now + 60, world.cores[1].me)
    frame_id = world.frame(mailbox)
    alice.say(send=[mailbox.send(frame_id)])
    world.run()
    assert alice.inbox.results == [(frame_id, Result.OUTCOME_STORED)]


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
