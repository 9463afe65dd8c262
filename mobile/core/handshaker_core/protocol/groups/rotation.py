"""When a sender key has to be replaced, and who has to be given it: pure rules that a client executes."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from handshaker_core.errors import MalformedState
from handshaker_core.protocol.groups.errors import MissingEntries
from handshaker_core.protocol.groups.ids import GroupDevice
from handshaker_core.protocol.groups.log import GroupLog
from handshaker_core.protocol.groups.sender_key import SendingSenderKey
from handshaker_core.protocol.groups.view import GroupView
from handshaker_core.protocol.wire import Reader, u8, u16, u32, u64

MAX_MESSAGES = 500
"""Messages of one sender key."""

MAX_AGE_SECONDS = 7 * 24 * 3600
"""Age of a sender key with which the last message is sent."""

_STATE_VERSION = 1


class RotationReason(StrEnum):
    """Why a new sender key is due."""

    FIRST = "first"
    READER_LEFT = "reader_left"
    HISTORY_CHANGED = "history_changed"
    MESSAGES = "messages"
    AGE = "age"


@dataclass(frozen=True, slots=True)
class OwnSenderKey:
    """The sender key of this device for a group.

    Attributes:
        created_at: seconds since 1970.
        holders: every device that it was given to, whether or not it arrived. They can read all that is still to be
            encrypted with it, so that the key is used only while each of them may.
    """

    key: SendingSenderKey
    created_at: int
    holders: frozenset[GroupDevice] = frozenset()

    def to_bytes(self) -> bytes:
        """Versioned bytes for the encrypted store; secret."""
        key = self.key.to_bytes()
        holders = sorted(holder.encode() for holder in self.holders)
        head = u8(_STATE_VERSION) + u64(self.created_at) + u16(len(key)) + key
        return head + u32(len(holders)) + b"".join(holders)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Raises: MalformedState, BadKey."""
        reader = Reader(data, MalformedState)
        if reader.u8() != _STATE_VERSION:
            raise MalformedState
        created_at, key = reader.u64(), SendingSenderKey.from_bytes(reader.take(reader.u16()))
        holders = [GroupDevice.decode(reader.take(GroupDevice.SIZE)) for _ in range(reader.u32())]
        reader.end()
        return cls(key, created_at, frozenset(holders))


def rotation_due(view: GroupView, own: OwnSenderKey | None, now: float) -> RotationReason | None:
    """Why the next message needs a new sender key; None if it does not.

    Raises:
        MissingEntries, GroupForked: there is no membership in force.
    """
    state = view.log.state
    if own is None:
        return RotationReason.FIRST
    if not own.holders <= view.readers or own.key.epoch < state.readers_left:
        return RotationReason.READER_LEFT
    if not _same_history(view.log, own.key):
        return RotationReason.HISTORY_CHANGED
    if own.key.chain.iteration >= MAX_MESSAGES:
        return RotationReason.MESSAGES
    if not 0 <= now - own.created_at < MAX_AGE_SECONDS:  # a clock that was set back must not make a key live longer
        return RotationReason.AGE
    return None


def outstanding(view: GroupView, own: OwnSenderKey) -> frozenset[GroupDevice]:
    """The devices that were not given the key yet: all of them after a rotation, new ones after somebody joined.

    Raises:
        MissingEntries, GroupForked: there is no membership in force.
    """
    return view.readers - own.holders


def _same_history(log: GroupLog, key: SendingSenderKey) -> bool:
    try:
        return log.head_at(key.epoch) == key.head
    except MissingEntries:
        return False
