"""Clients of one group: each does with the values of `group_cipher` what a real one does, without a network."""

from dataclasses import dataclass, field

from handshaker_core.protocol.device import DeviceList
from handshaker_core.protocol.groups import group_cipher
from handshaker_core.protocol.groups.change import Add, ChangeSettings
from handshaker_core.protocol.groups.ids import GroupDevice
from handshaker_core.protocol.groups.log_entry import LogEntry
from handshaker_core.protocol.groups.rotation import OwnSenderKey
from handshaker_core.protocol.groups.sender_key import SenderKeyRecord

from .group_people import ALICE, BOB, CAROL, Device, Person, history, seed, view_of

NOW = 1_000_000.0


def rename(name: str) -> ChangeSettings:
    return ChangeSettings(seed(name))


def trio() -> list[LogEntry]:
    return history((ALICE, Add(BOB.public)), (ALICE, Add(CAROL.public)))


@dataclass
class Client:
    """One device in one group, which does what a client does with the values."""

    device: Device
    entries: list[LogEntry]
    lists: tuple[DeviceList, ...] = ()
    own: OwnSenderKey | None = None
    records: dict[GroupDevice, SenderKeyRecord] = field(default_factory=dict)

    @property
    def view(self) -> group_cipher.GroupView:
        return view_of(self.entries, self.device, *self.lists)

    def distribute(self, *others: "Client", now: float = NOW) -> group_cipher.Distributed:
        """Give the key to those who are due, as far as they are here."""
        result = group_cipher.distribute(self.view, self.own, now=now)
        self.own = result.own
        for distribution in result.distributions:
            for other in others:
                if other.device.address == distribution.recipient:
                    other.take(self, distribution.content)
        return result

    def take(self, sender: "Client", content: bytes) -> None:
        address = sender.device.address
        record = self.records.get(address, SenderKeyRecord())
        self.records[address] = group_cipher.accept_distribution(self.view, record, address, content)

    def send(self, plaintext: bytes, *, now: float = NOW) -> bytes:
        assert self.own is not None
        self.own, message = group_cipher.encrypt(self.view, self.own, plaintext, now=now)
        return message

    def read(self, sender: "Client", message: bytes) -> bytes:
        address = sender.device.address
        record = self.records.get(address, SenderKeyRecord())
        self.records[address], plaintext = group_cipher.decrypt(self.view, record, address, message)
        return plaintext


def clients(*people: Person, entries: list[LogEntry] | None = None) -> list[Client]:
    return [Client(person.device(), list(entries or trio())) for person in people]


def append(entries: list[LogEntry], *everybody: Client) -> None:
    for client in everybody:
        client.entries.extend(entries)
