"""A state machine: several clients of one group get entries in any order, more than once, and from forgers.

Everybody acts on what they have, so that forks arise by themselves. Honest clients refuse to act while they see a fork,
except for owners, who may settle it.
"""

from contextlib import suppress

from handshaker_core.errors import ProtocolError
from handshaker_core.protocol.groups.change import (
    Add,
    Change,
    ChangeSettings,
    Leave,
    Remove,
    Resolve,
    Role,
    SetRole,
    TransferOwnership,
    UpdateDevices,
)
from handshaker_core.protocol.groups.errors import GroupError
from handshaker_core.protocol.groups.log import GroupLog
from handshaker_core.protocol.groups.log_entry import LogEntry
from handshaker_core.protocol.groups.membership import MembershipState, apply
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from .group_people import ALICE, BOB, CAROL, DAVE, MALLORY, Person, entry, found, seed

PEOPLE = (ALICE, BOB, CAROL, DAVE)
EVERYBODY = (*PEOPLE, MALLORY)
CLIENTS = st.integers(0, len(PEOPLE) - 1)
NAMES = {person.public: person for person in EVERYBODY}

persons = st.sampled_from(EVERYBODY)
changes = st.one_of(
    persons.map(lambda person: Add(person.public)),
    persons.map(lambda person: Add(person.public)),
    persons.map(lambda person: Remove(person.public)),
    st.just(Leave()),
    st.builds(lambda person, role: SetRole(person.public, role), persons, st.sampled_from(Role)),
    persons.map(lambda person: TransferOwnership(person.public)),
    st.integers(0, 5).map(lambda name: ChangeSettings(seed(name))),
)


CAN_REMOVE = {(Role.OWNER, Role.ADMIN), (Role.OWNER, Role.MEMBER), (Role.ADMIN, Role.MEMBER)}
ADMINISTERS = {Role.OWNER, Role.ADMIN}


def permitted(state: MembershipState, actor: Person, change: Change) -> bool:
    """The table of docs/protocol/groups.md, written a second time and differently."""
    roles = {person: member.role for person, member in state.members.items()}
    role = roles.get(actor.public)
    target = roles.get(getattr(change, "person", actor.public))
    may_go = list(roles.values()).count(Role.OWNER) > 1 or role is not Role.OWNER
    if role is None:
        return False
    if isinstance(change, SetRole) and change.person == actor.public:
        return change.role < role and may_go
    rules = {
        Add: role in ADMINISTERS and target is None,
        Remove: (role, target) in CAN_REMOVE,
        Leave: may_go,
        SetRole: role is Role.OWNER and target in {Role.ADMIN, Role.MEMBER},
        TransferOwnership: role is Role.OWNER and target in {Role.ADMIN, Role.MEMBER},
        ChangeSettings: role in ADMINISTERS,
        Resolve: role is Role.OWNER,
    }
    same = getattr(change, "role", 0) == target or getattr(change, "settings_hash", b"") == state.settings_hash
    return rules[type(change)] and not same


def allowed(state: MembershipState, made: LogEntry) -> bool:
    """Whether the actor may do that, with that device."""
    member = state.members.get(made.actor)
    revoked = member and member.devices and made.certificate not in member.devices.certificates
    return not revoked and permitted(state, NAMES[made.actor], made.change)


class GroupLogMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.creation = found()
        self.network: list[LogEntry] = [self.creation]
        self.forged: set[bytes] = set()
        self.logs = [GroupLog(self.creation.group_id) for _ in PEOPLE]
        self.logs[0] = self.logs[0].receive(self.creation)
        first = self.creation
        for person, role in ((BOB, Role.ADMIN), (CAROL, Role.MEMBER)):
            first = self.publish(0, entry(first, ALICE, Add(person.public)))
            if role is not Role.MEMBER:
                first = self.publish(0, entry(first, ALICE, SetRole(person.public, role)))
        for client in (1, 2):
            self.deliver_all(client)

    def publish(self, client: int, made: LogEntry) -> LogEntry:
        self.logs[client] = self.logs[client].receive(made)
        self.network.append(made)
        return made

    @rule(client=CLIENTS, several=st.lists(changes, min_size=1, max_size=4), device=st.integers(0, 1))
    def act(self, client: int, several: list[Change], device: int) -> None:
        """A client tries changes on the history it has; one is taken exactly when it is permitted."""
        for change in several:
            self.attempt(client, change, device)

    def attempt(self, client: int, change: Change, device: int) -> None:
        log, person = self.logs[client], PEOPLE[client]
        if log.fork is not None or not log.path:
            return
        made = entry(log.entries[log.path[-1]], person, change, device=device, time=len(self.network))
        try:
            self.publish(client, made)
        except GroupError:
            assert not allowed(log.state, made)
        else:
            assert allowed(log.state, made)

    def owners_who_see_a_fork(self) -> list[int]:
        return [
            client
            for client, log in enumerate(self.logs)
            if log.fork is not None and PEOPLE[client].public in log.tip.owners
        ]

    @precondition(lambda self: self.owners_who_see_a_fork())
    @rule(which=st.integers(0, 3), pick=st.integers(0, 15))
    def settle(self, which: int, pick: int) -> None:
        """An owner chooses, at the end of one of the conflicting histories."""
        able = self.owners_who_see_a_fork()
        client = able[which % len(able)]
        self.deliver_all(client)
        if client not in self.owners_who_see_a_fork():
            return
        log, person = self.logs[client], PEOPLE[client]
        chosen = log.fork.continuations[pick % len(log.fork.continuations)]
        tip = log.entries[chosen]
        while following := [found for found in log.entries.values() if found.previous == tip.entry_hash]:
            tip = following[0]
        with suppress(GroupError):  # the owner may have lost the role in that history
            self.publish(client, entry(tip, person, log.resolution(chosen), time=len(self.network)))

    @rule(client=CLIENTS, data=st.data())
    def deliver(self, client: int, data: st.DataObject) -> None:
        """Any entry to anybody, at any time, as often as it likes."""
        made = self.network[data.draw(st.integers(0, len(self.network) - 1), label="entry")]
        self.take(client, made)

    @rule(client=CLIENTS)
    def deliver_all(self, client: int) -> None:
        for made in self.network:
            self.take(client, made)

    def take(self, client: int, made: LogEntry) -> None:
        before = self.logs[client]
        try:
            self.logs[client] = before.receive(made)
        except ProtocolError:
            assert made.entry_hash in self.forged
            assert self.logs[client] is before

    @rule(client=CLIENTS, forger=persons, change=changes, data=st.data(), device=st.integers(0, 1))
    def forge(self, client: int, forger: Person, change: Change, data: st.DataObject, device: int) -> None:
        """Anybody writes anything anywhere, with keys of their own; it reaches somebody."""
        previous = self.network[data.draw(st.integers(0, len(self.network) - 1), label="previous")]
        made = entry(previous, forger, change, device=device, time=10_000 + len(self.network))
        assert LogEntry.decode(made.encode()) == made  # signatures are no obstacle to it
        self.forged.add(made.entry_hash)
        self.network.append(made)
        self.take(client, made)

    @rule(client=CLIENTS)
    def revoke(self, client: int) -> None:
        """From now on the second device of that person writes nothing."""
        log, person = self.logs[client], PEOPLE[client]
        if log.fork is None and log.path and person.public in log.state.members:
            made = entry(log.entries[log.path[-1]], person, UpdateDevices(person.devices(0)), time=len(self.network))
            with suppress(GroupError):
                self.publish(client, made)

    @rule(client=CLIENTS)
    def restart(self, client: int) -> None:
        log = self.logs[client]
        restored = GroupLog.from_bytes(log.to_bytes())
        assert (restored.path, restored.fork, restored.tip) == (log.path, log.fork, log.tip)
        self.logs[client] = restored

    @invariant()
    def the_same_entries_make_the_same_state(self) -> None:
        seen: dict[frozenset[bytes], tuple[object, ...]] = {}
        for log in getattr(self, "logs", []):
            outcome = (log.path, log.fork, log.tip, None if log.tip is None else log.tip.digest)
            assert seen.setdefault(frozenset(log.entries), outcome) == outcome

    @invariant()
    def every_change_in_force_was_permitted(self) -> None:
        for log in getattr(self, "logs", []):
            state: MembershipState | None = None
            for entry_hash in log.path:
                made = log.entries[entry_hash]
                if state is not None:
                    assert isinstance(made.change, UpdateDevices) or allowed(state, made)
                state = apply(state, made)
                assert state.owners
            assert state == log.tip

    def teardown(self) -> None:
        """In the end everybody gets everything, each in another order, and agrees."""
        if not hasattr(self, "logs"):
            return
        for client in range(len(self.logs)):
            order = [*self.network[client:], *self.network[:client]]
            for made in order if client % 2 else reversed(order):
                self.take(client, made)
        outcomes = [(log.path, log.fork, log.tip, frozenset(log.entries)) for log in self.logs]
        assert outcomes == [outcomes[0]] * len(outcomes)
        assert not any(log.waiting.keys() - self.forged for log in self.logs)


GroupLogMachine.TestCase.settings = settings(
    max_examples=40, stateful_step_count=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestGroupLog = GroupLogMachine.TestCase
