"""The promises of the relay under everything that can go wrong, in any order.

Two or three cores, a store and leases; answers late, lost or out of order; cores that die, leases that vanish,
recipients that move. Checked after every step: whoever was told `stored` or `delivered` was told the truth, nothing
is removed that its recipient has not, nothing reaches a socket that did not prove its right. At the end: everything
promised arrives, one connection receives for a mailbox, and nothing stays behind.
"""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule
from relay_parties import Event, Result
from relay_world import Client, World

ANSWERS_ARE_FINAL = {Result.OUTCOME_STORED, Result.OUTCOME_DELIVERED}
numbers = st.integers(0, 1_000_000)


class RelayMachine(RuleBasedStateMachine):
    mailboxes = Bundle("mailboxes")

    def __init__(self) -> None:
        super().__init__()
        self.world = World(cores=1)
        self.clients: list[Client] = []
        self.sent: list[tuple[Client, bytes, int]] = []
        self.crashed = False

    @initialize(target=mailboxes, cores=st.integers(1, 3))
    def begin(self, cores: int):
        self.world = World(cores=cores)
        return self.world.mailbox(b"wake" * 4)

    def client(self, number: int) -> Client | None:
        clients = [client for client in self.clients if client.open and client.inbox.challenge is not None]
        return clients[number % len(clients)] if clients else None

    @precondition(lambda self: len(self.world.mailboxes) < 3)
    @rule(target=mailboxes)
    def another_mailbox(self):
        return self.world.mailbox()

    @rule(core=numbers)
    def connect(self, core: int) -> None:
        cores = self.world.cores
        self.clients.append(cores[core % len(cores)].connect())

    @rule(client=numbers, mailbox=mailboxes)
    def subscribe(self, client: int, mailbox) -> None:
        who = self.client(client)
        if who is not None:
            who.subscribe(mailbox)

    @rule(client=numbers, mailbox=mailboxes)
    def unsubscribe(self, client: int, mailbox) -> None:
        who = self.client(client)
        if who is not None:
            who.unsubscribe(mailbox)

    @rule(client=numbers, mailbox=mailboxes, policy=st.sampled_from([0, 0, 0, 1, 2]), count=st.integers(1, 12))
    def send(self, client: int, mailbox, policy: int, count: int) -> None:
        who = self.client(client)
        if who is not None:
            frames = [self.world.frame(mailbox) for _ in range(count)]
            self.sent += [(who, frame_id, policy) for frame_id in frames]
            who.say(send=[mailbox.send(frame_id, policy=policy) for frame_id in frames])

    @precondition(lambda self: self.sent)
    @rule(client=numbers, which=numbers)
    def send_again(self, client: int, which: int) -> None:
        who = self.client(client)
        _, frame_id, policy = self.sent[which % len(self.sent)]
        if who is not None:
            recv_id = self.world.home[frame_id]
            mailbox = next(known for known in self.world.mailboxes.values() if known.recv_id == recv_id)
            who.say(send=[mailbox.send(frame_id, policy=policy)])

    @rule(client=numbers, count=st.integers(1, 100))
    def acknowledge(self, client: int, count: int) -> None:
        who = self.client(client)
        if who is not None:
            who.acknowledge(count)

    @rule(client=numbers)
    def disconnect(self, client: int) -> None:
        who = self.client(client)
        if who is not None:
            who.disconnect()

    @rule(choices=st.lists(numbers, min_size=1, max_size=12))
    def get_on(self, choices: list[int]) -> None:
        """Some queues get on by a step, whichever."""
        for choice in choices:
            busy = self.world.busy()
            if busy:
                self.world.step(*busy[choice % len(busy)])

    @rule()
    def all_get_on(self) -> None:
        self.world.run()

    @rule(seconds=st.sampled_from([0.03, 0.1, 0.26, 1.0, 6.0, 25.0, 61.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.advance(seconds)

    @rule(core=numbers)
    def crash(self, core: int) -> None:
        self.crashed = True
        self.world.crash(core % len(self.world.cores))

    @rule(up=st.booleans(), forgets=st.booleans())
    def redis(self, up: bool, forgets: bool) -> None:
        self.world.redis_up = up
        if forgets:
            self.world.leases.clear()

    @rule(up=st.booleans(), lose=st.booleans())
    def store(self, up: bool, lose: bool) -> None:
        self.world.store_up, self.world.lose_answers = up, lose

    @invariant()
    def promises_are_kept(self) -> None:
        self.world.check_promises()

    @invariant()
    def windows_are_bounded(self) -> None:
        limits = self.world.limits
        for core in self.world.cores:
            for socket in core.attachment.sockets.values():
                assert len(socket.window) <= limits.window_deliveries
                assert socket.window_bytes == sum(delivery.size for delivery in socket.window.values())
                assert socket.window_bytes <= limits.window_bytes

    @invariant()
    def one_subscription_for_a_mailbox_in_a_process(self) -> None:
        for core in self.world.cores:
            for recv_id, subscription in core.relay.subscriptions.by_mailbox.items():
                assert not subscription.ended
                assert not subscription.socket.closed
                assert subscription.socket.subscriptions[recv_id] is subscription

    def teardown(self) -> None:
        """Everything comes back, everybody acknowledges, and a new connection subscribes to every mailbox."""
        world = self.world
        world.redis_up, world.store_up, world.lose_answers = True, True, False
        self.settle(2)
        answered = [(client, frame_id) for client, frame_id, policy in self.sent if policy != 2]
        for client, frame_id in answered:
            if client.open:
                assert client.inbox.outcomes(frame_id), "a send without an answer"
        last = world.cores[-1].connect()
        world.run()
        last.subscribe(*world.mailboxes.values())
        self.clients.append(last)
        self.settle(70)
        for mailbox in world.mailboxes.values():
            assert [client for client in self.clients if client.holds(mailbox)] == [last]
            assert last.inbox.states(mailbox)[:2] == [Event.STATE_ACTIVE, Event.STATE_DRAINED]
            assert world.store[mailbox.recv_id] == {}, "a frame stays behind"
        for frame_id, outcomes in world.told.items():
            if ANSWERS_ARE_FINAL & set(outcomes):
                assert frame_id in world.received[world.home[frame_id]], "a promised frame did not arrive"
        for core in world.cores:
            assert core.relay.settled
            assert not any(core.relay.sending.awaits(other.me) for other in world.cores)

    def settle(self, seconds: float) -> None:
        world = self.world
        end = world.now + seconds
        while True:
            world.run()
            for client in self.clients:
                client.acknowledge()
            world.run()
            if world.now >= end:
                return
            world.advance(2)


RelayMachine.TestCase.settings = settings(
    max_examples=80, stateful_step_count=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestRelayMachine = RelayMachine.TestCase
