"""What this device shows to servers: the device key, mailboxes, tokens.

Each signature covers an ASCII label and then the fields, concatenated, as the comments of the wire contracts say. These
labels separate uses of Ed25519 keys that are never the identity key.
"""

import hashlib
from dataclasses import dataclass, field
from typing import NewType, Self
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from handshaker_core.protocol.address import SendId, SendSecret
from handshaker_core.protocol.keys import SecretBytes
from handshaker_core.protocol.labels import ServerLabel
from handshaker_core.protocol.randomness import Randomness, system_randomness
from handshaker_core.protocol.root import RecoveryAuthSeed

RecvId = NewType("RecvId", bytes)
"""Names the receiving side of a mailbox (16 bytes)."""

FrameId = NewType("FrameId", bytes)
"""Names a frame for as long as it is on its way (16 bytes)."""

AccessToken = NewType("AccessToken", str)
"""Proves an account on the account plane, for minutes."""

ID_SIZE = 16
SIGNATURE_SIZE = 64


class SigningSeed(SecretBytes):
    """An Ed25519 seed (32 bytes)."""

    __slots__ = ()


class WipeTicket(SecretBytes):
    """What ends this device on the server, when nothing else of it is left (32 random bytes)."""

    __slots__ = ()

    @property
    def hash(self) -> bytes:
        """What the server keeps of it until then (32 bytes)."""
        return hashlib.sha256(self.raw).digest()


@dataclass(frozen=True, slots=True, repr=False)
class DeviceKey:
    """The key with which this device registers and logs in. It has nothing to do with the identity that contacts see."""

    seed: SigningSeed
    _key: Ed25519PrivateKey = field(init=False, compare=False)
    public: bytes = field(init=False, compare=False)

    def __post_init__(self) -> None:
        key = Ed25519PrivateKey.from_private_bytes(self.seed.raw)
        object.__setattr__(self, "_key", key)
        object.__setattr__(self, "public", key.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return "DeviceKey(<redacted>)"

    @classmethod
    def generate(cls, rng: Randomness = system_randomness) -> Self:
        """A fresh key."""
        return cls(SigningSeed(rng(SigningSeed.SIZE)))

    def prove_registration(self) -> bytes:
        """Signature (64 bytes) for `RegisterRequest.proof`."""
        return self._key.sign(ServerLabel.REGISTER.value + self.public)

    def prove_session(self, challenge: bytes) -> bytes:
        """Signature (64 bytes) for `CreateSessionRequest.signature`."""
        return self._key.sign(ServerLabel.SESSION.value + challenge)

    def prove_refresh(self, challenge: bytes, refresh_token: bytes) -> bytes:
        """Signature (64 bytes) for `RefreshSessionRequest.signature`."""
        return self._key.sign(ServerLabel.REFRESH.value + challenge + hashlib.sha256(refresh_token).digest())

    def prove_joining(self, account_id: UUID) -> bytes:
        """Signature (64 bytes) for `AddDeviceRequest.proof`: this device wants to belong to that account."""
        return self._key.sign(ServerLabel.ADD_DEVICE.value + account_id.bytes + self.public)

    def prove_new_primary(self, challenge: bytes) -> bytes:
        """Signature (64 bytes) for `RecoverRequest.device_proof`."""
        return self._key.sign(ServerLabel.NEW_PRIMARY_DEVICE.value + challenge + self.public)


@dataclass(frozen=True, slots=True, repr=False)
class RecoveryKey:
    """The key that makes a device the primary when all are lost. It never logs in."""

    seed: RecoveryAuthSeed
    _key: Ed25519PrivateKey = field(init=False, compare=False)
    public: bytes = field(init=False, compare=False)

    def __post_init__(self) -> None:
        key = Ed25519PrivateKey.from_private_bytes(self.seed.raw)
        object.__setattr__(self, "_key", key)
        object.__setattr__(self, "public", key.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return "RecoveryKey(<redacted>)"

    def prove_account(self, account_id: UUID) -> bytes:
        """Signature (64 bytes) for `SetRecoveryKeyRequest.proof`."""
        return self._key.sign(ServerLabel.RECOVERY_KEY.value + account_id.bytes + self.public)

    def prove_recovery(self, challenge: bytes, device_public_key: bytes, *, remove_others: bool) -> bytes:
        """Signature (64 bytes) for `RecoverRequest.signature`."""
        flag = b"\1" if remove_others else b"\0"
        return self._key.sign(ServerLabel.ACCOUNT_RECOVERY.value + challenge + device_public_key + flag)


@dataclass(frozen=True, slots=True, repr=False)
class Mailbox:
    """A mailbox of this device: the key that receives, and the secret that senders are given.

    Attributes:
        recv_id: names its receiving side.
        send_id: names its sending side.
    """

    recv_seed: SigningSeed
    send_secret: SendSecret
    _key: Ed25519PrivateKey = field(init=False, compare=False)
    recv_public: bytes = field(init=False, compare=False)
    recv_id: RecvId = field(init=False, compare=False)
    send_id: SendId = field(init=False, compare=False)

    def __post_init__(self) -> None:
        key = Ed25519PrivateKey.from_private_bytes(self.recv_seed.raw)
        public = key.public_key().public_bytes_raw()
        object.__setattr__(self, "_key", key)
        object.__setattr__(self, "recv_public", public)
        object.__setattr__(self, "recv_id", RecvId(_short_hash(ServerLabel.RECV_ID, public)))
        object.__setattr__(self, "send_id", SendId(_short_hash(ServerLabel.SEND_ID, public + self.send_secret_hash)))

    def __repr__(self) -> str:
        return "Mailbox(<redacted>)"

    @classmethod
    def generate(cls, rng: Randomness = system_randomness) -> Self:
        """A fresh mailbox, which exists nowhere else yet."""
        return cls(SigningSeed(rng(SigningSeed.SIZE)), SendSecret(rng(SendSecret.SIZE)))

    @property
    def send_secret_hash(self) -> bytes:
        """What the server keeps of the secret (32 bytes)."""
        return hashlib.sha256(self.send_secret.raw).digest()

    def prove_creation(self) -> bytes:
        """Signature (64 bytes) for `CreateMailboxRequest.signature`, without a wake id."""
        return self._key.sign(ServerLabel.MAILBOX_CREATE.value + self.recv_public + self.send_secret_hash)

    def prove_deletion(self) -> bytes:
        """Signature (64 bytes) for `DeleteMailboxRequest.signature`."""
        return self._key.sign(ServerLabel.MAILBOX_DELETE.value + self.recv_public)

    def prove_subscription(self, challenge: bytes) -> bytes:
        """Signature (64 bytes) for `Subscribe.signature` on the connection that gave this challenge (32 bytes)."""
        return self._key.sign(ServerLabel.SUBSCRIBE.value + challenge + self.recv_public)


@dataclass(frozen=True, slots=True, repr=False)
class Tokens:
    """What a session is worth: an access token for some minutes, and a refresh token that works once.

    Attributes:
        access_expires_in: seconds from when it was issued.
        refresh_expires_in: likewise.
    """

    access: AccessToken
    access_expires_in: float
    refresh: bytes
    refresh_expires_in: float

    def __repr__(self) -> str:
        return "Tokens(<redacted>)"


def _short_hash(label: ServerLabel, content: bytes) -> bytes:
    return hashlib.sha256(label.value + content).digest()[:ID_SIZE]
