"""People with devices, and groups of them: real keys, made from numbers so that a failing example can be repeated."""

from dataclasses import dataclass
from functools import cache
from hashlib import sha256

from handshaker_core.protocol.address import BundleId
from handshaker_core.protocol.device import DeviceCertificate, DeviceId, DeviceList
from handshaker_core.protocol.groups.change import Change, Create
from handshaker_core.protocol.groups.ids import GroupDevice
from handshaker_core.protocol.groups.log import GroupLog
from handshaker_core.protocol.groups.log_entry import LogEntry
from handshaker_core.protocol.groups.view import GroupView
from handshaker_core.protocol.keys import DeviceIdentityKeyPair, IdentityKeyPair, IdentityPublicKey
from handshaker_core.protocol.randomness import Randomness


def seed(*names: object) -> bytes:
    return sha256(repr(names).encode()).digest()


def numbered(start: object) -> Randomness:
    """Random bytes that can be repeated."""
    count = 0

    def draw(size: int) -> bytes:
        nonlocal count
        count += 1
        return b"".join(seed(start, count, block) for block in range(size // 32 + 1))[:size]

    return draw


@dataclass(frozen=True)
class Device:
    """A device with its private key."""

    key: DeviceIdentityKeyPair
    certificate: DeviceCertificate

    @property
    def address(self) -> GroupDevice:
        return GroupDevice.of(self.certificate)


@dataclass(frozen=True)
class Person:
    """A person with any number of devices, each made when it is first asked for."""

    name: str

    @property
    def identity(self) -> IdentityKeyPair:
        return _identity(self.name)

    @property
    def public(self) -> IdentityPublicKey:
        return self.identity.public

    def device(self, number: int = 0) -> Device:
        return _device(self.name, number)

    def devices(self, *numbers: int, sequence: int = 1) -> DeviceList:
        certificates = tuple(self.device(number).certificate for number in numbers)
        return DeviceList.issue(self.identity, sequence=sequence, issued_at=1_000, certificates=certificates)


@cache
def _identity(name: str) -> IdentityKeyPair:
    return IdentityKeyPair(seed(name))


@cache
def _device(name: str, number: int) -> Device:
    key = DeviceIdentityKeyPair(seed(name, number))
    certificate = DeviceCertificate.issue(
        _identity(name),
        device_id=DeviceId(seed(name, number, "id")[:16]),
        device_key=key.public,
        bundle_id=BundleId(seed(name, number, "bundle")[:16]),
        issued_at=1_000,
    )
    return Device(key, certificate)


ALICE, BOB, CAROL, DAVE, MALLORY = (Person(name) for name in ("alice", "bob", "carol", "dave", "mallory"))


def found(owner: Person = ALICE, *, nonce: int = 0) -> LogEntry:
    """A new group."""
    device = owner.device()
    change = Create(nonce=seed("nonce", nonce), settings_hash=seed("settings"))
    return LogEntry.create(device.certificate, device.key, time=1_000, change=change)


def entry(previous: LogEntry, actor: Person, change: Change, *, device: int = 0, time: int = 2_000) -> LogEntry:
    """What a device of somebody writes after an entry, allowed or not."""
    signer = actor.device(device)
    return LogEntry.append(previous, signer.certificate, signer.key, time=time, change=change)


def history(*changes: tuple[Person, Change], owner: Person = ALICE, nonce: int = 0) -> list[LogEntry]:
    """A group and what happened in it."""
    entries = [found(owner, nonce=nonce)]
    for actor, change in changes:
        entries.append(entry(entries[-1], actor, change))
    return entries


def log_of(entries: list[LogEntry]) -> GroupLog:
    return GroupLog.replay(entries[0].group_id, entries)


def view_of(entries: list[LogEntry] | GroupLog, own: Device, *lists: DeviceList) -> GroupView:
    """What a device sees; without lists everybody has their first device."""
    log = entries if isinstance(entries, GroupLog) else log_of(entries)
    known = lists or tuple(person.devices(0) for person in (ALICE, BOB, CAROL, DAVE, MALLORY))
    return GroupView(own.address, log, {found.identity: found for found in known})
