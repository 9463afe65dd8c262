"""The six messages of a linking, their encryption, and the number that people compare.

    new device                                                       primary
        code (seen by the primary's owner)          ------------>
                                                    <------------    hello   {its key, its mailbox, nonce}
        reveal  {what the code committed to}        ------------>
        six digits                                                   six digits
        person: the same                                             person: the same
                                                    <------------    grant   {account}
        proof   {the device key wants this account} ------------>
                                                    <------------    package {certificate, device list, ...}
        done    {where to write to it}              ------------>

Each is a relay frame that looks like any other: version || bytes that tell nothing, of one of the two sizes.
"""

import hashlib
from dataclasses import dataclass
from enum import Enum
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from handshaker_core.errors import (
    LinkingAltered,
    MalformedFrame,
    PaddingError,
    UndecryptableMessage,
    UnsupportedVersion,
)
from handshaker_core.protocol.address import ID_SIZE, BundleId, SendId, SendSecret
from handshaker_core.protocol.curve25519 import KEY_SIZE
from handshaker_core.protocol.device import DeviceId
from handshaker_core.protocol.frame import PREFIX_SIZE, Frame, FrameSize
from handshaker_core.protocol.keys import DeviceIdentityPublicKey, SecretBytes
from handshaker_core.protocol.labels import Label
from handshaker_core.protocol.linking.code import CodeSecret, LinkCode
from handshaker_core.protocol.padding import pad, unpad
from handshaker_core.protocol.randomness import Randomness
from handshaker_core.protocol.seal import SEAL_OVERHEAD, SEAL_PUBLIC_SIZE, SealKeyPair, SealPublicKey
from handshaker_core.protocol.wire import Reader, u8

LIFETIME_SECONDS = 600.0
"""From showing the code to the comparison of the numbers, and again from there to the end."""

NONCE_SIZE = 12
TAG_SIZE = 16
HELLO_NONCE_SIZE = 32
MAX_NAME_BYTES = 64
DIGITS = 6
_HELLO, _CANCEL = b"\0", b"\1"  # authenticated with what the key of the code encrypts


class LinkingShare(SecretBytes):
    """One side's contribution to the key of the channel (32 bytes)."""

    __slots__ = ()


class Kind(Enum):
    """The messages of the channel; the byte is authenticated, so that none passes as another."""

    PROOF = 1
    PACKAGE = 2
    DONE = 3


@dataclass(frozen=True, slots=True, repr=False)
class Hello:
    """What the primary says first, to whoever showed the code.

    Attributes:
        key: its key for this linking alone.
        reply_to: its temporary mailbox.
        nonce: makes the number unforeseeable, 32 random bytes.
    """

    key: SealPublicKey
    reply_to: tuple[SendId, SendSecret]
    nonce: bytes

    def encode(self) -> bytes:
        """Key (1,216) || send_id (16) || send secret (32) || nonce (32)."""
        return self.key.raw + self.reply_to[0] + self.reply_to[1].raw + self.nonce

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises: LinkingAltered, BadKey, LowOrderPoint."""
        reader = Reader(data, LinkingAltered)
        key = SealPublicKey(reader.take(SEAL_PUBLIC_SIZE))
        reply_to = SendId(reader.take(ID_SIZE)), SendSecret(reader.take(SendSecret.SIZE))
        hello = cls(key, reply_to, reader.take(HELLO_NONCE_SIZE))
        reader.end()
        return hello


@dataclass(frozen=True, slots=True)
class DeviceKeys:
    """What a new device says about itself.

    Attributes:
        identity: IK of its sessions, to be certified.
        auth: Ed25519 key with which it will log in, 32 bytes.
        device_id: between clients.
        bundle_id: where its prekeys will be.
        name: what its owner calls it, at most 64 bytes.
    """

    identity: DeviceIdentityPublicKey
    auth: bytes
    device_id: DeviceId
    bundle_id: BundleId
    name: str


@dataclass(frozen=True, slots=True, repr=False)
class Reveal:
    """What the new device committed to in its code.

    Attributes:
        key: its key for this linking alone.
        share: secret; also what keeps the commitment from telling anything.
    """

    key: SealPublicKey
    device: DeviceKeys
    share: LinkingShare

    def encode(self) -> bytes:
        """Key (1,216) || device identity (32) || auth key (32) || device id (16) || bundle id (16) || share (32) || name."""
        device = self.device
        ids = device.identity.raw + device.auth + device.device_id + device.bundle_id
        return self.key.raw + ids + self.share.raw + device.name.encode()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises: LinkingAltered, BadKey, LowOrderPoint."""
        reader = Reader(data, LinkingAltered)
        key = SealPublicKey(reader.take(SEAL_PUBLIC_SIZE))
        identity, auth = DeviceIdentityPublicKey(reader.take(KEY_SIZE)), reader.take(KEY_SIZE)
        device_id, bundle_id = DeviceId(reader.take(ID_SIZE)), BundleId(reader.take(ID_SIZE))
        share, name = LinkingShare(reader.take(LinkingShare.SIZE)), reader.rest()
        if len(name) > MAX_NAME_BYTES:
            raise LinkingAltered
        try:
            return cls(key, DeviceKeys(identity, auth, device_id, bundle_id, name.decode()), share)
        except UnicodeDecodeError:
            raise LinkingAltered from None

    def commitment(self) -> bytes:
        """What stands in the code, 32 bytes."""
        return hashlib.sha256(Label.LINKING_COMMITMENT.value + self.encode()).digest()


@dataclass(frozen=True, slots=True, repr=False)
class Transcript:
    """Everything that was said before the comparison, as one hash (32 bytes)."""

    digest: bytes

    @classmethod
    def of(cls, code: LinkCode, hello: Hello, reveal: Reveal) -> Self:
        """All three have one length, the last but its name, which stands at the end."""
        content = code.encode() + hello.encode() + reveal.encode()
        return cls(hashlib.sha256(Label.LINKING_TRANSCRIPT.value + content).digest())

    def short_string(self) -> str:
        """The six digits that both devices show."""
        digest = hashlib.sha256(Label.LINKING_SHORT_STRING.value + self.digest).digest()
        return f"{int.from_bytes(digest[:16], 'big') % 10**DIGITS:0{DIGITS}d}"


# --- the messages as frames ---


def seal_hello(hello: Hello, secret: CodeSecret, rng: Randomness) -> bytes:
    """Under the key of the code: the relay has not seen it."""
    return _encrypt(secret.hello_key(), hello.encode(), _HELLO, FrameSize.SMALL, rng)


def open_hello(frame: bytes, secret: CodeSecret) -> Hello:
    """Raises: UndecryptableMessage, MalformedFrame, UnsupportedVersion, LinkingAltered, BadKey, LowOrderPoint."""
    return Hello.decode(_decrypt(secret.hello_key(), frame, _HELLO))


def seal_cancel(secret: CodeSecret, rng: Randomness) -> bytes:
    """Under the same key: whoever has seen the code can call it off, and nothing else."""
    return _encrypt(secret.hello_key(), b"", _CANCEL, FrameSize.SMALL, rng)


def is_cancel(frame: bytes, secret: CodeSecret) -> bool:
    """Whether the other side calls it off."""
    try:
        return _decrypt(secret.hello_key(), frame, _CANCEL) == b""
    except (UndecryptableMessage, MalformedFrame, UnsupportedVersion, PaddingError):
        return False


def seal_reveal(reveal: Reveal, hello: Hello) -> bytes:
    """To the primary's key."""
    padded = pad(reveal.encode(), FrameSize.LARGE - PREFIX_SIZE - SEAL_OVERHEAD)
    return Frame(hello.key.seal(padded, _reveal_info(hello))).encode()


def open_reveal(frame: bytes, key: SealKeyPair, hello: Hello) -> Reveal:
    """Raises: UndecryptableMessage, MalformedFrame, UnsupportedVersion, LinkingAltered, BadKey, LowOrderPoint."""
    return Reveal.decode(unpad(key.open(Frame.decode(frame).sealed, _reveal_info(hello))))


def _reveal_info(hello: Hello) -> bytes:
    return Label.LINKING_REVEAL.value + hashlib.sha256(hello.encode()).digest()


def seal_grant(share: LinkingShare, account: bytes, reveal: Reveal, transcript: Transcript, rng: Randomness) -> bytes:
    """To the committed key, and inside of that under the share that only the reader of `reveal` knows."""
    key = _derive(reveal.share.raw, transcript, Label.LINKING_GRANT_KEY, 32)
    nonce = rng(NONCE_SIZE)
    inner = nonce + AESGCM(key).encrypt(nonce, share.raw + account, None)
    padded = pad(inner, FrameSize.SMALL - PREFIX_SIZE - SEAL_OVERHEAD)
    return Frame(reveal.key.seal(padded, Label.LINKING_GRANT.value + transcript.digest)).encode()


def open_grant(frame: bytes, key: SealKeyPair, reveal: Reveal, transcript: Transcript) -> tuple[LinkingShare, bytes]:
    """The primary's share and the account (16 bytes). Raises: UndecryptableMessage, MalformedFrame, PaddingError, ..."""
    inner = unpad(key.open(Frame.decode(frame).sealed, Label.LINKING_GRANT.value + transcript.digest))
    inner_key = _derive(reveal.share.raw, transcript, Label.LINKING_GRANT_KEY, 32)
    reader = Reader(_open_gcm(inner_key, inner, b""), LinkingAltered)
    share, account = LinkingShare(reader.take(LinkingShare.SIZE)), reader.take(ID_SIZE)
    reader.end()
    return share, account


@dataclass(frozen=True, slots=True, repr=False)
class Channel:
    """What both sides have once both shares are known: a key for each direction."""

    to_primary: bytes
    to_new: bytes

    @classmethod
    def between(cls, new: LinkingShare, primary: LinkingShare, transcript: Transcript) -> Self:
        """HKDF-SHA256, salted with the transcript."""
        keys = _derive(new.raw + primary.raw, transcript, Label.LINKING_CHANNEL, 64)
        return cls(keys[:32], keys[32:])

    def seal(self, kind: Kind, content: bytes, rng: Randomness) -> bytes:
        """A message of the channel in the smallest frame that it fits. Raises: ContentTooLarge."""
        size = FrameSize.SMALL if len(content) < _room(FrameSize.SMALL) else FrameSize.LARGE
        return _encrypt(self._key(kind), content, u8(kind.value), size, rng)

    def open(self, kind: Kind, frame: bytes) -> bytes:
        """Raises: UndecryptableMessage, MalformedFrame, UnsupportedVersion, PaddingError."""
        return _decrypt(self._key(kind), frame, u8(kind.value))

    def _key(self, kind: Kind) -> bytes:
        return self.to_new if kind is Kind.PACKAGE else self.to_primary


def _derive(secret: bytes, transcript: Transcript, label: Label, size: int) -> bytes:
    return HKDF(SHA256(), size, transcript.digest, label.value).derive(secret)


def _room(size: FrameSize) -> int:
    return size - PREFIX_SIZE - NONCE_SIZE - TAG_SIZE


def _encrypt(key: bytes, content: bytes, data: bytes, size: FrameSize, rng: Randomness) -> bytes:
    nonce = rng(NONCE_SIZE)
    return Frame(nonce + AESGCM(key).encrypt(nonce, pad(content, _room(size)), data)).encode()


def _decrypt(key: bytes, frame: bytes, data: bytes) -> bytes:
    return unpad(_open_gcm(key, Frame.decode(frame).sealed, data))


def _open_gcm(key: bytes, sealed: bytes, data: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_SIZE], sealed[NONCE_SIZE:], data)
    except (InvalidTag, ValueError):
        raise UndecryptableMessage from None
