"""Sealed sender: the envelope of every frame. Only the recipient's device learns who writes; there is no other form.

An envelope is HPKE-sealed to the recipient device's seal key and holds the sender's device certificate. Opening it proves
what the identity has certified, not who made the envelope: that, only the ratchet message inside does, whose associated
data names both devices.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Self

from handshaker_core.errors import MalformedFrame, UndecryptableMessage, UnlistedDevice, WrongIdentity
from handshaker_core.protocol.device import CERTIFICATE_SIZE, DeviceCertificate, DeviceList
from handshaker_core.protocol.frame import FRAME_VERSION, PREFIX_SIZE, Frame, FrameSize
from handshaker_core.protocol.keys import DeviceIdentityPublicKey, IdentityPublicKey
from handshaker_core.protocol.labels import Label
from handshaker_core.protocol.pqxdh import HANDSHAKE_SIZE, Handshake
from handshaker_core.protocol.seal import SEAL_OVERHEAD, SEAL_PUBLIC_SIZE, SealKeyPair, SealPublicKey
from handshaker_core.protocol.wire import Reader, u8

CACHED = 256
"""So many verified certificates and loaded seal keys are kept, the least recently used go first."""

ENVELOPE_HEADER_SIZE = 1 + CERTIFICATE_SIZE
OPENING_SIZE = HANDSHAKE_SIZE + SEAL_PUBLIC_SIZE


class EnvelopeKind(IntEnum):
    """What an envelope holds beside the ratchet message."""

    INITIAL = 1
    """The handshake that starts the session; sent until the first answer."""
    RATCHET = 2


verified_certificate = lru_cache(maxsize=CACHED)(DeviceCertificate.decode)
"""`DeviceCertificate.decode` that verifies the same 169 bytes once; what raises is not remembered."""

loaded_seal_key = lru_cache(maxsize=CACHED)(SealPublicKey)
"""`SealPublicKey` that checks and loads the same bytes once."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What an initiator repeats until the first answer: the handshake, and the seal key to answer to."""

    handshake: Handshake
    seal_key: SealPublicKey

    def encode(self) -> bytes:
        """Handshake (1,614 bytes) || seal key (1,216 bytes)."""
        return self.handshake.encode() + self.seal_key.raw

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises: MalformedFrame, BadKey, LowOrderPoint."""
        reader = Reader(data, MalformedFrame)
        handshake = Handshake.decode(reader.take(HANDSHAKE_SIZE))
        opening = cls(handshake, loaded_seal_key(reader.take(SEAL_PUBLIC_SIZE)))
        reader.end()
        return opening


@dataclass(frozen=True, slots=True, repr=False)
class Envelope:
    """An envelope's content.

    Attributes:
        sender: the certificate inside; always validly signed by the identity that it names.
        opening: of an initial message; None for a ratchet message.
        message: of the ratchet, not decrypted yet.
    """

    sender: DeviceCertificate
    opening: Opening | None
    message: bytes

    def __repr__(self) -> str:
        return "Envelope(<redacted>)"

    @property
    def kind(self) -> EnvelopeKind:
        """What it is."""
        return EnvelopeKind.RATCHET if self.opening is None else EnvelopeKind.INITIAL

    def seal(self, seal_key: SealPublicKey, device: DeviceIdentityPublicKey) -> bytes:
        """The frame for the device with that seal key and device identity key.

        Raises:
            MalformedFrame: the message does not fill a frame.
        """
        opening = b"" if self.opening is None else self.opening.encode()
        plaintext = u8(self.kind) + self.sender.encode() + opening + self.message
        return Frame(seal_key.seal(plaintext, _info(device))).encode()

    @classmethod
    def open(cls, frame: bytes, seal_keys: Iterable[SealKeyPair], device: DeviceIdentityPublicKey) -> Self:
        """Open a frame on the device it is for.

        Args:
            frame: as it came.
            seal_keys: the device's current seal key, and earlier ones whose time of grace is not over.
            device: its identity key.

        Raises:
            MalformedFrame, UnsupportedVersion: not a frame of this version.
            UndecryptableMessage: sealed to another device, altered, or not sealed at all.
            MalformedFrame, MalformedDevice, BadKey, BadSignature: correctly sealed, but what is inside is not an
                envelope, or its certificate was not made by the identity that it names.
        """
        reader = Reader(_unseal(Frame.decode(frame).sealed, seal_keys, _info(device)), MalformedFrame)
        try:
            kind = EnvelopeKind(reader.u8())
        except ValueError:
            raise MalformedFrame from None
        sender = verified_certificate(reader.take(CERTIFICATE_SIZE))
        opening = Opening.decode(reader.take(OPENING_SIZE)) if kind is EnvelopeKind.INITIAL else None
        return cls(sender, opening, reader.rest())


def message_size(kind: EnvelopeKind, size: FrameSize) -> int:
    """How many bytes the ratchet message in a frame of that size has; not positive if the kind does not fit."""
    fixed = PREFIX_SIZE + SEAL_OVERHEAD + ENVELOPE_HEADER_SIZE
    return size - fixed - (OPENING_SIZE if kind is EnvelopeKind.INITIAL else 0)


def envelope_data(kind: EnvelopeKind) -> bytes:
    """Frame version || kind, authenticated with the ratchet message, so that none passes as one of the other kind."""
    return u8(FRAME_VERSION) + u8(kind)


def check_sender(sender: DeviceCertificate, identity: IdentityPublicKey, devices: DeviceList | None) -> None:
    """Check that a sender is a device of the expected person that counts.

    Args:
        sender: from the envelope.
        identity: the contact's.
        devices: the contact's newest list, None while none is known.

    Raises:
        WrongIdentity: a device of somebody else.
        UnlistedDevice: not in the list, or there with another key.
    """
    if sender.identity != identity:
        raise WrongIdentity("The message comes from somebody else than this conversation is with.")
    if devices is None:
        return
    listed = devices.find(sender.device_id)
    if listed is None or listed.device_key != sender.device_key:
        raise UnlistedDevice


def _unseal(sealed: bytes, seal_keys: Iterable[SealKeyPair], info: bytes) -> bytes:
    for key in seal_keys:
        try:
            return key.open(sealed, info)
        except UndecryptableMessage:
            continue
    raise UndecryptableMessage


def _info(device: DeviceIdentityPublicKey) -> bytes:
    return Label.SEALED_SENDER.value + u8(FRAME_VERSION) + device.raw
