"""Entries of a membership log: signed by a device that the actor's identity certified, chained by hashes."""

from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Self

from handshaker_core.errors import UnsupportedVersion
from handshaker_core.protocol.device import CERTIFICATE_SIZE, DeviceCertificate
from handshaker_core.protocol.groups.change import Change, Create, encode_change, read_change
from handshaker_core.protocol.groups.errors import MalformedGroupEntry, WrongGroup
from handshaker_core.protocol.groups.ids import HASH_SIZE, NO_ENTRY, EntryHash, GroupId
from handshaker_core.protocol.keys import SIGNATURE_SIZE, DeviceIdentityKeyPair, IdentityPublicKey
from handshaker_core.protocol.labels import Label
from handshaker_core.protocol.wire import Reader, u8, u32, u64

ENTRY_VERSION = 1

_NO_GROUP = GroupId(bytes(HASH_SIZE))


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One change of a group. Made by `create`, `append` or `decode`: its signature and certificate are always valid.

    Whether the actor was allowed to make the change depends on the history before it: see `membership.apply`.

    Attributes:
        sequence: place in the history; 0 is the creation.
        previous: hash of the entry before it.
        certificate: the actor's identity, and the device that signed.
        time: the actor's clock, seconds since 1970, UTC; shown to people, never decides anything.
        signature: the device's, 64 bytes.
        entry_hash: names the entry; covers everything but the signature.
    """

    group_id: GroupId
    sequence: int
    previous: EntryHash
    certificate: DeviceCertificate
    time: int
    change: Change
    signature: bytes
    entry_hash: EntryHash = field(init=False)

    def __post_init__(self) -> None:
        digest = sha256(Label.GROUP_LOG_ENTRY.value + _content(self)).digest()
        object.__setattr__(self, "entry_hash", EntryHash(digest))

    @property
    def actor(self) -> IdentityPublicKey:
        """Who made the change."""
        return self.certificate.identity

    @classmethod
    def create(
        cls, certificate: DeviceCertificate, device: DeviceIdentityKeyPair, *, time: int, change: Create
    ) -> "LogEntry":
        """The first entry of a new group, whose id is the entry's hash.

        Raises:
            ValueError: the certificate is of another device than the key.
        """
        unnamed = cls(_NO_GROUP, 0, NO_ENTRY, certificate, time, change, b"")
        return _signed(replace(unnamed, group_id=_derive_group_id(unnamed)), device)

    @classmethod
    def append(
        cls,
        previous: "LogEntry",
        certificate: DeviceCertificate,
        device: DeviceIdentityKeyPair,
        *,
        time: int,
        change: Change,
    ) -> "LogEntry":
        """The entry after `previous`; whether it is allowed is for `membership.apply` to say.

        Raises:
            ValueError: the certificate is of another device than the key.
        """
        sequence = previous.sequence + 1
        unsigned = cls(previous.group_id, sequence, previous.entry_hash, certificate, time, change, b"")
        return _signed(unsigned, device)

    def encode(self) -> bytes:
        """Version (1) || group id (32) || sequence (4) || previous (32) || certificate || time (8) || change || signature."""
        return _content(self) + self.signature

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read an entry and verify its certificate and signature.

        Raises:
            UnsupportedVersion: a version or kind of change that this client cannot enforce.
            MalformedGroupEntry, MalformedDevice, BadKey, WrongIdentity: not an entry.
            BadSignature: not made by the device that it names, or that device not certified by the person.
            WrongGroup: a creation that does not belong to the group id it carries.
        """
        reader = Reader(data, MalformedGroupEntry)
        if reader.u8() != ENTRY_VERSION:
            raise UnsupportedVersion
        group_id, sequence = GroupId(reader.take(HASH_SIZE)), reader.u32()
        previous = EntryHash(reader.take(HASH_SIZE))
        certificate = DeviceCertificate.decode(reader.take(CERTIFICATE_SIZE))
        entry = cls(
            group_id=group_id,
            sequence=sequence,
            previous=previous,
            certificate=certificate,
            time=reader.u64(),
            change=read_change(reader),
            signature=reader.take(SIGNATURE_SIZE),
        )
        reader.end()
        first = (sequence == 0, previous == NO_ENTRY, isinstance(entry.change, Create))
        if any(first) != all(first):
            raise MalformedGroupEntry
        certificate.device_key.verify(Label.GROUP_LOG_SIGNATURE, data[:-SIGNATURE_SIZE], entry.signature)
        if all(first) and _derive_group_id(entry) != group_id:
            raise WrongGroup
        return entry


def _content(entry: LogEntry) -> bytes:
    place = u8(ENTRY_VERSION) + entry.group_id + u32(entry.sequence) + entry.previous
    return place + entry.certificate.encode() + u64(entry.time) + encode_change(entry.change)


def _derive_group_id(entry: LogEntry) -> GroupId:
    """The hash of a creation without its group id, so that the id commits to everything in it."""
    return GroupId(sha256(Label.GROUP_ID.value + _content(replace(entry, group_id=_NO_GROUP))).digest())


def _signed(unsigned: LogEntry, device: DeviceIdentityKeyPair) -> LogEntry:
    if device.public != unsigned.certificate.device_key:
        raise ValueError("the certificate is of another device than the key")
    return replace(unsigned, signature=device.sign(Label.GROUP_LOG_SIGNATURE, _content(unsigned)))
