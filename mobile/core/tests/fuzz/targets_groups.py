"""Targets: what members of a group send. Entries of the log, sender keys, messages, and the device's stored states."""

from functools import cache

from handshaker_core.errors import (
    BadKey,
    BadSignature,
    DuplicateMessage,
    MalformedDevice,
    MalformedFrame,
    MalformedState,
    TooManySkipped,
    UndecryptableMessage,
    UnsupportedVersion,
    WrongIdentity,
)
from handshaker_core.protocol.groups import group_cipher
from handshaker_core.protocol.groups.change import Add, ChangeSettings, Leave, Remove, Role, SetRole, UpdateDevices
from handshaker_core.protocol.groups.errors import GroupError, MalformedGroupEntry, MalformedSenderKey, WrongGroup
from handshaker_core.protocol.groups.ids import GroupDevice
from handshaker_core.protocol.groups.log import GroupLog
from handshaker_core.protocol.groups.log_entry import LogEntry
from handshaker_core.protocol.groups.rotation import OwnSenderKey
from handshaker_core.protocol.groups.sender_key import SenderKeyRecord, SendingSenderKey
from handshaker_core.protocol.groups.sender_key_profile import HANDSHAKER_GROUP_V1
from protocol.group_clients import Client, clients
from protocol.group_people import ALICE, BOB, CAROL, DAVE, history, log_of, seed

from .target import Target

FRAMING = HANDSHAKER_GROUP_V1.framing


@cache
def entries() -> tuple[LogEntry, ...]:
    return tuple(
        history(
            (ALICE, Add(BOB.public)),
            (ALICE, Add(CAROL.public)),
            (ALICE, Add(DAVE.public)),
            (ALICE, SetRole(BOB.public, Role.ADMIN)),
            (BOB, ChangeSettings(seed("other settings"))),
            (BOB, UpdateDevices(BOB.devices(0, 1))),
            (CAROL, Leave()),
            (BOB, Remove(DAVE.public)),
        )
    )


@cache
def group() -> tuple[Client, Client, bytes, bytes]:
    """Sender and reader, a distribution, and a message that the reader has not seen."""
    sender, reader = clients(ALICE, BOB)
    content = sender.distribute(reader).distributions[0].content
    return sender, reader, content, sender.send(b"message")


def accept(data: bytes) -> SenderKeyRecord:
    sender, reader, _, _ = group()
    return group_cipher.accept_distribution(reader.view, SenderKeyRecord(), sender.device.address, data)


def read(data: bytes) -> tuple[SenderKeyRecord, bytes]:
    sender, reader, _, _ = group()
    record = reader.records[sender.device.address]
    return group_cipher.decrypt(reader.view, record, sender.device.address, data)


def own() -> OwnSenderKey:
    key = group()[0].own
    assert key is not None
    return key


TARGETS = [
    Target(
        "group-entry",
        LogEntry.decode,
        (UnsupportedVersion, MalformedGroupEntry, MalformedDevice, BadKey, WrongIdentity, BadSignature, WrongGroup),
        ("protocol.groups.log_entry.LogEntry.decode", "protocol.groups.change.read_change"),
        lambda: [entry.encode() for entry in entries()],
        LogEntry.encode,
    ),
    Target(
        "group-log",
        GroupLog.from_bytes,
        (MalformedState,),
        ("protocol.groups.log.GroupLog.from_bytes",),
        lambda: [log_of(list(entries()[:3])).to_bytes()],
    ),
    Target(
        "group-device",
        GroupDevice.decode,
        (BadKey, MalformedState),
        ("protocol.groups.ids.GroupDevice.decode",),
        lambda: [ALICE.device().address.encode()],
        GroupDevice.encode,
    ),
    Target(
        "sender-key",
        accept,
        (MalformedSenderKey, UnsupportedVersion, BadKey, BadSignature, GroupError),
        ("protocol.groups.sender_key_profile.FixedGroupFraming.decode_distribution",),
        lambda: [group()[2]],
    ),
    Target(
        "group-message",
        read,
        (
            *(MalformedFrame, UnsupportedVersion, BadSignature, UndecryptableMessage, DuplicateMessage),
            *(TooManySkipped, GroupError),
        ),
        ("protocol.groups.sender_key_profile.FixedGroupFraming.split",),
        lambda: [group()[3]],
    ),
    Target(
        "sending-sender-key",
        SendingSenderKey.from_bytes,
        (MalformedState,),
        ("protocol.groups.sender_key.SendingSenderKey.from_bytes",),
        lambda: [own().key.to_bytes()],
        SendingSenderKey.to_bytes,
    ),
    Target(
        "own-sender-key",
        OwnSenderKey.from_bytes,
        (MalformedState, BadKey),
        ("protocol.groups.rotation.OwnSenderKey.from_bytes",),
        lambda: [own().to_bytes()],
    ),
    Target(
        "sender-key-record",
        SenderKeyRecord.from_bytes,
        (MalformedState,),
        ("protocol.groups.sender_key.SenderKeyRecord.from_bytes", "protocol.groups.sender_key._decode_chain"),
        lambda: [group()[1].records[group()[0].device.address].to_bytes()],
    ),
]
