"""A state machine: a group whose members come and go while keys, entries and messages are under way in any order.

What a device could read with everything that it was ever given is counted apart from what its client does.
"""

from dataclasses import dataclass

from handshaker_core.errors import DuplicateMessage
from handshaker_core.protocol.groups.change import Add, ChangeSettings, Remove
from handshaker_core.protocol.groups.errors import MissingEntries, NotAMember, StaleEpoch, UnknownSenderKey
from handshaker_core.protocol.groups.ids import GroupDevice
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from .group_clients import NOW, Client
from .group_people import ALICE, BOB, CAROL, DAVE, entry, found, seed

PEOPLE = (ALICE, BOB, CAROL, DAVE)
MEMBERS = st.integers(0, len(PEOPLE) - 1)
OTHERS = st.integers(1, len(PEOPLE) - 1)

Chain = tuple[GroupDevice, int]


@dataclass
class Item:
    """A distribution or a message on its way to one client."""

    sender: int
    recipient: int
    data: bytes
    plaintext: bytes | None = None
    readable: bool = False
    done: bool = False


class GroupMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.entries = [found()]
        self.clients = [Client(person.device(), [self.entries[0]]) for person in PEOPLE]
        self.given: dict[Chain, dict[GroupDevice, int]] = {}
        self.items: list[Item] = []
        self.now = NOW
        self.add_or_remove(1)

    @rule(who=OTHERS)
    def add_or_remove(self, who: int) -> None:
        """Alice changes the membership; the others hear of it later."""
        person = PEOPLE[who].public
        members = self.clients[0].view.log.state.members
        self.append(Remove(person) if person in members else Add(person))

    @rule(name=st.integers())
    def rename(self, name: int) -> None:
        if self.clients[0].view.log.state.settings_hash != seed(name):
            self.append(ChangeSettings(seed(name)))

    def append(self, change: Add | Remove | ChangeSettings) -> None:
        self.entries.append(entry(self.entries[-1], ALICE, change))
        self.clients[0].entries = list(self.entries)

    @rule(who=MEMBERS, count=st.integers(1, 5))
    def hear(self, who: int, count: int) -> None:
        known = len(self.clients[who].entries)
        self.clients[who].entries = self.entries[: known + count]

    @rule(seconds=st.sampled_from([60.0, 86_400.0, 604_800.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(who=MEMBERS, plaintext=st.binary(max_size=20))
    def send(self, who: int, plaintext: bytes) -> None:
        client = self.clients[who]
        try:
            result = client.distribute(now=self.now)
        except NotAMember:
            assert PEOPLE[who].public not in client.view.log.state.members
            return
        assert client.own is not None
        chain = (client.device.address, client.own.key.chain_id)
        iteration = client.own.key.chain.iteration
        for given in result.distributions:
            self.given.setdefault(chain, {})[given.recipient] = iteration
            self.items.append(Item(who, self.whose(given.recipient), given.content))
        message = client.send(plaintext, now=self.now)
        able = {device for device, start in self.given.get(chain, {}).items() if start <= iteration}
        assert able == client.view.readers  # nobody who left, everybody who is there
        for other in range(len(PEOPLE)):
            if other != who:
                readable = PEOPLE[other].device().address in able
                self.items.append(Item(who, other, message, plaintext, readable))

    def whose(self, device: GroupDevice) -> int:
        return next(number for number, person in enumerate(PEOPLE) if person.device().address == device)

    @precondition(lambda self: self.items)
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        self.deliver_one(self.items[data.draw(st.integers(0, len(self.items) - 1), label="item")])

    @precondition(lambda self: self.items)
    @rule()
    def deliver_waiting(self) -> None:
        for item in self.items:
            if not item.done:
                self.deliver_one(item)

    def deliver_one(self, item: Item) -> None:
        sender, recipient = self.clients[item.sender], self.clients[item.recipient]
        try:
            if item.plaintext is None:
                recipient.take(sender, item.data)
            else:
                assert recipient.read(sender, item.data) == item.plaintext
                assert item.readable
                assert not item.done
        except (MissingEntries, UnknownSenderKey):
            return  # kept, and tried again
        except (StaleEpoch, NotAMember):
            pass
        except DuplicateMessage:
            assert item.done or not item.readable
        item.done = True

    def teardown(self) -> None:
        """Everybody hears of everything; then all members read each other, and nobody else reads anything."""
        if not hasattr(self, "items"):
            return
        for who in range(len(PEOPLE)):
            self.hear(who, len(self.entries))
        self.deliver_waiting()
        before = len(self.items)
        for who in range(len(PEOPLE)):
            self.send(who, b"finally")
        self.deliver_waiting()
        members = [person.public in self.clients[0].view.log.state.members for person in PEOPLE]
        finally_sent = [item for item in self.items[before:] if item.plaintext is not None]
        assert len(finally_sent) == sum(members) * (len(PEOPLE) - 1)
        for item in finally_sent:
            assert item.done == item.readable == members[item.recipient]


GroupMachine.TestCase.settings = settings(
    max_examples=25, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestGroup = GroupMachine.TestCase
