"""Names in groups: of a group, of an entry of its log, and of a device that sends to it or reads it."""

from dataclasses import dataclass
from typing import ClassVar, NewType, Self

from handshaker_core.errors import MalformedState
from handshaker_core.protocol.address import ID_SIZE
from handshaker_core.protocol.curve25519 import KEY_SIZE
from handshaker_core.protocol.device import DeviceCertificate, DeviceId
from handshaker_core.protocol.keys import DeviceIdentityPublicKey, IdentityPublicKey
from handshaker_core.protocol.wire import Reader

GroupId = NewType("GroupId", bytes)
"""Names a group: the hash of its first entry (32 bytes), so that a group has one beginning."""

EntryHash = NewType("EntryHash", bytes)
"""Names an entry of a log, and with it the history up to there (32 bytes)."""

HASH_SIZE = 32
NO_ENTRY = EntryHash(bytes(HASH_SIZE))
"""What the first entry names as its predecessor."""


@dataclass(frozen=True, slots=True)
class GroupDevice:
    """One device of one person, by everything a session with it has authenticated."""

    identity: IdentityPublicKey
    device_id: DeviceId
    device_key: DeviceIdentityPublicKey

    SIZE: ClassVar[int] = KEY_SIZE + ID_SIZE + KEY_SIZE

    @classmethod
    def of(cls, certificate: DeviceCertificate) -> Self:
        """The device that a certificate speaks of."""
        return cls(certificate.identity, certificate.device_id, certificate.device_key)

    def encode(self) -> bytes:
        """Identity (32) || device id (16) || device key (32)."""
        return self.identity.raw + self.device_id + self.device_key.raw

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read from a stored state. Raises: MalformedState, BadKey."""
        reader = Reader(data, MalformedState)
        identity = IdentityPublicKey(reader.take(KEY_SIZE))
        device_id = DeviceId(reader.take(ID_SIZE))
        device = cls(identity, device_id, DeviceIdentityPublicKey(reader.take(KEY_SIZE)))
        reader.end()
        return device
