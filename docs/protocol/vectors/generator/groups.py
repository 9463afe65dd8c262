"""A membership log with every kind of change, and a sender key with messages that arrive in another order."""

from dataclasses import dataclass, field

from handshaker_core.protocol.address import BundleId
from handshaker_core.protocol.device import DeviceCertificate, DeviceId, DeviceList
from handshaker_core.protocol.groups import group_cipher
from handshaker_core.protocol.groups.change import (
    Add,
    Change,
    ChangeSettings,
    Create,
    Leave,
    Remove,
    Role,
    SetRole,
    TransferOwnership,
    UpdateDevices,
)
from handshaker_core.protocol.groups.errors import GroupError
from handshaker_core.protocol.groups.ids import GroupDevice
from handshaker_core.protocol.groups.log import GroupLog
from handshaker_core.protocol.groups.log_entry import LogEntry
from handshaker_core.protocol.groups.membership import apply
from handshaker_core.protocol.groups.sender_key import SenderKeyRecord
from handshaker_core.protocol.groups.view import GroupView
from handshaker_core.protocol.keys import DeviceIdentityKeyPair, IdentityKeyPair

from generator.fixed import Json, Stream, fixed, must

NOW = 1_800_000_000


@dataclass
class Person:
    """Somebody with one device."""

    name: str
    identity: IdentityKeyPair = field(init=False)
    device: DeviceIdentityKeyPair = field(init=False)
    certificate: DeviceCertificate = field(init=False)

    def __post_init__(self) -> None:
        self.identity = IdentityKeyPair(fixed(f"group {self.name}"))
        self.device = DeviceIdentityKeyPair(fixed(f"group {self.name} device"))
        self.certificate = DeviceCertificate.issue(
            self.identity,
            device_id=DeviceId(fixed(f"group {self.name} id", 16)),
            device_key=self.device.public,
            bundle_id=BundleId(fixed(f"group {self.name} bundle", 16)),
            issued_at=NOW,
        )

    @property
    def devices(self) -> DeviceList:
        """The one device."""
        return DeviceList.issue(self.identity, sequence=3, issued_at=NOW, certificates=(self.certificate,))

    def follow(self, previous: LogEntry, change: Change) -> LogEntry:
        """An entry after another, allowed or not."""
        return LogEntry.append(previous, self.certificate, self.device, time=NOW + previous.sequence, change=change)


PEOPLE = {name: Person(name) for name in ("alice", "bob", "carol", "dave", "mallory")}


def _history() -> list[LogEntry]:
    alice, bob, carol, dave, _ = PEOPLE.values()
    first = Create(nonce=fixed("group nonce"), settings_hash=fixed("group settings"))
    entries = [LogEntry.create(alice.certificate, alice.device, time=NOW, change=first)]
    for actor, change in (
        (alice, Add(bob.identity.public)),
        (alice, Add(carol.identity.public)),
        (alice, SetRole(bob.identity.public, Role.ADMIN)),
        (bob, Add(dave.identity.public)),
        (bob, ChangeSettings(fixed("other group settings"))),
        (carol, UpdateDevices(carol.devices)),
        (alice, TransferOwnership(bob.identity.public)),
        (dave, Leave()),
        (bob, Remove(carol.identity.public)),
    ):
        entries.append(actor.follow(entries[-1], change))
    return entries


def _refused(after: int, entries: list[LogEntry]) -> list[Json]:
    """Well-formed, correctly signed entries that the rules forbid after the entry of that sequence."""
    alice, bob, carol, dave, mallory = PEOPLE.values()
    last, found = entries[after], []
    for actor, change in (
        (mallory, Add(mallory.identity.public)),
        (carol, Add(mallory.identity.public)),
        (carol, Remove(bob.identity.public)),
        (bob, Remove(alice.identity.public)),
        (bob, SetRole(carol.identity.public, Role.ADMIN)),
        (bob, TransferOwnership(carol.identity.public)),
        (alice, Leave()),
        (alice, Add(bob.identity.public)),
        (alice, SetRole(bob.identity.public, Role.ADMIN)),
        (alice, Remove(dave.identity.public)),
        (bob, UpdateDevices(carol.devices)),
    ):
        entry, state = actor.follow(last, change), None
        for earlier in entries[: after + 1]:
            state = apply(state, earlier)
        try:
            apply(state, entry)
        except GroupError as error:
            found.append({"after": after, "entry": entry.encode().hex(), "reason": error.reason})
            continue
        raise AssertionError(f"allowed: {change!r}")
    return found


def log() -> Json:
    """Entries in their order with the state after each, and entries that are refused."""
    entries, state, described = _history(), None, []
    for entry in entries:
        state = apply(state, entry)
        described.append(
            {
                "entry": entry.encode().hex(),
                "entry_hash": entry.entry_hash.hex(),
                "readers_left": state.readers_left,
                "state_digest": state.digest.hex(),
            }
        )
    return {
        "page": "groups.md, Entries",
        "members": {
            name: {
                "identity_seed": person.identity.seed.hex(),
                "device_key_seed": person.device.seed.hex(),
                "certificate": person.certificate.encode().hex(),
            }
            for name, person in PEOPLE.items()
        },
        "group_id": entries[0].group_id.hex(),
        "entries": described,
        "refused": _refused(3, entries),
    }


ORDER = [0, 2, 1, 3]
TEXTS = ["first", "second, which comes late", "third", ""]


def sender_key() -> Json:
    """A chain of Alice's device as Bob's is given it, and messages."""
    alice, bob = PEOPLE["alice"], PEOPLE["bob"]
    entries = _history()[:3]
    history = GroupLog.replay(entries[0].group_id, entries)
    lists = {person.identity.public: person.devices for person in PEOPLE.values()}
    writer = GroupView(GroupDevice.of(alice.certificate), history, lists)
    reader = GroupView(GroupDevice.of(bob.certificate), history, lists)
    rng = Stream("sender key")
    distributed = group_cipher.distribute(writer, None, now=NOW, rng=rng)
    taken, own = rng.drain(), distributed.own
    content = next(
        found.content for found in distributed.distributions if found.recipient == GroupDevice.of(bob.certificate)
    )
    sender = GroupDevice.of(alice.certificate)
    record = group_cipher.accept_distribution(reader, SenderKeyRecord(), sender, content)
    messages = []
    for text in TEXTS:
        own, message = group_cipher.encrypt(writer, own, text.encode(), now=NOW)
        messages.append(message)
    for number in ORDER:
        record, opened = group_cipher.decrypt(reader, record, sender, messages[number])
        must(opened == TEXTS[number].encode())
    return {
        "page": "groups.md, Sender keys",
        "group_id": entries[0].group_id.hex(),
        "epoch": entries[-1].sequence,
        "head": entries[-1].entry_hash.hex(),
        "sender": sender.encode().hex(),
        "chain_key": taken[1],
        "signature_seed": taken[2],
        "distribution": content.hex(),
        "messages": [
            {"plaintext": text.encode().hex(), "message": message.hex()}
            for text, message in zip(TEXTS, messages, strict=True)
        ],
        "delivered": ORDER,
    }
