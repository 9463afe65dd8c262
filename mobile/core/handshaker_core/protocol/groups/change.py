"""What an entry of a membership log changes: one type a kind, with a fixed layout of its body."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, TypeAlias

from handshaker_core.errors import UnsupportedVersion
from handshaker_core.protocol.curve25519 import KEY_SIZE
from handshaker_core.protocol.device import DeviceList
from handshaker_core.protocol.groups.errors import MalformedGroupEntry
from handshaker_core.protocol.groups.ids import HASH_SIZE, EntryHash
from handshaker_core.protocol.keys import IdentityPublicKey
from handshaker_core.protocol.wire import Reader, u8, u16

NONCE_SIZE = 32
SETTINGS_HASH_SIZE = 32
MAX_REJECTED = 32


class Role(IntEnum):
    """What a member may do; a higher value includes what lower ones may."""

    MEMBER = 1
    ADMIN = 2
    OWNER = 3


class Kind(IntEnum):
    """The byte that tells the kind of a change; 0 is never used."""

    CREATE = 1
    ADD = 2
    REMOVE = 3
    LEAVE = 4
    SET_ROLE = 5
    TRANSFER = 6
    SETTINGS = 7
    DEVICES = 8
    RESOLVE = 9


@dataclass(frozen=True, slots=True)
class Create:
    """Begin a group; the actor is its first owner.

    Attributes:
        nonce: 32 random bytes, so that the same person's groups have different ids.
        settings_hash: see `ChangeSettings`.
    """

    kind: ClassVar[Kind] = Kind.CREATE
    nonce: bytes
    settings_hash: bytes

    def body(self) -> bytes:
        """Nonce (32) || settings hash (32)."""
        return self.nonce + self.settings_hash


@dataclass(frozen=True, slots=True)
class _AboutPerson:
    """A change whose body is an identity (32 bytes)."""

    person: IdentityPublicKey

    def body(self) -> bytes:
        """Identity (32)."""
        return self.person.raw


@dataclass(frozen=True, slots=True)
class Add(_AboutPerson):
    """Add a person, as member."""

    kind: ClassVar[Kind] = Kind.ADD


@dataclass(frozen=True, slots=True)
class Remove(_AboutPerson):
    """Remove somebody of a lower role."""

    kind: ClassVar[Kind] = Kind.REMOVE


@dataclass(frozen=True, slots=True)
class Leave:
    """The actor leaves."""

    kind: ClassVar[Kind] = Kind.LEAVE

    def body(self) -> bytes:
        """Nothing."""
        return b""


@dataclass(frozen=True, slots=True)
class SetRole:
    """Promote or demote somebody; stepping down oneself is one of the cases."""

    kind: ClassVar[Kind] = Kind.SET_ROLE
    person: IdentityPublicKey
    role: Role

    def body(self) -> bytes:
        """Identity (32) || role (1)."""
        return self.person.raw + u8(self.role)


@dataclass(frozen=True, slots=True)
class TransferOwnership(_AboutPerson):
    """Make somebody else owner and become admin, in one step."""

    kind: ClassVar[Kind] = Kind.TRANSFER


@dataclass(frozen=True, slots=True)
class ChangeSettings:
    """Rename the group or change other settings: the hash (32 bytes) of what members send each other elsewhere."""

    kind: ClassVar[Kind] = Kind.SETTINGS
    settings_hash: bytes

    def body(self) -> bytes:
        """Settings hash (32)."""
        return self.settings_hash


@dataclass(frozen=True, slots=True)
class UpdateDevices:
    """Put the actor's newest device list on record; devices that are not in it are done with in this group."""

    kind: ClassVar[Kind] = Kind.DEVICES
    devices: DeviceList

    def body(self) -> bytes:
        """The signed device list."""
        return self.devices.encode()


@dataclass(frozen=True, slots=True)
class Resolve:
    """Choose the history in which this stands, against conflicting ones.

    Attributes:
        rejected: the first entry of each history that is given up, and entries by which others chose them; in
            ascending order, 1 to 32.
    """

    kind: ClassVar[Kind] = Kind.RESOLVE
    rejected: tuple[EntryHash, ...]

    def body(self) -> bytes:
        """Hashes (32 each)."""
        return b"".join(self.rejected)


Change: TypeAlias = (
    Create | Add | Remove | Leave | SetRole | TransferOwnership | ChangeSettings | UpdateDevices | Resolve
)


def encode_change(change: Change) -> bytes:
    """Kind (1) || length of the body (2) || body."""
    body = change.body()
    return u8(change.kind) + u16(len(body)) + body


def read_change(outer: Reader) -> Change:
    """Take a change off the front of an entry.

    Raises:
        MalformedGroupEntry, BadKey, MalformedDevice, WrongIdentity, BadSignature: the body is not of its kind.
        UnsupportedVersion: a kind that this client does not know, and so cannot enforce.
    """
    kind, body = outer.u8(), Reader(outer.take(outer.u16()), MalformedGroupEntry)
    read = _READERS.get(kind)
    if read is None:
        raise UnsupportedVersion
    change = read(body)
    body.end()
    return change


def _person(body: Reader) -> IdentityPublicKey:
    return IdentityPublicKey(body.take(KEY_SIZE))


def _role(body: Reader) -> Role:
    try:
        return Role(body.u8())
    except ValueError:
        raise MalformedGroupEntry from None


def _resolve(body: Reader) -> Resolve:
    hashes = body.rest()
    rejected = tuple(EntryHash(hashes[at : at + HASH_SIZE]) for at in range(0, len(hashes), HASH_SIZE))
    in_order = list(rejected) == sorted(set(rejected))
    if len(hashes) % HASH_SIZE or not 1 <= len(rejected) <= MAX_REJECTED or not in_order:
        raise MalformedGroupEntry
    return Resolve(rejected)


_READERS: dict[int, Callable[[Reader], Change]] = {
    Kind.CREATE: lambda body: Create(body.take(NONCE_SIZE), body.take(SETTINGS_HASH_SIZE)),
    Kind.ADD: lambda body: Add(_person(body)),
    Kind.REMOVE: lambda body: Remove(_person(body)),
    Kind.LEAVE: lambda _: Leave(),
    Kind.SET_ROLE: lambda body: SetRole(_person(body), _role(body)),
    Kind.TRANSFER: lambda body: TransferOwnership(_person(body)),
    Kind.SETTINGS: lambda body: ChangeSettings(body.take(SETTINGS_HASH_SIZE)),
    Kind.DEVICES: lambda body: UpdateDevices(DeviceList.decode(body.rest())),
    Kind.RESOLVE: _resolve,
}
