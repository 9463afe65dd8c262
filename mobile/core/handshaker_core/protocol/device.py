"""Devices of a person: certificates made by the identity, and the signed list of those that count.

A device has its own long-term key, prekeys, mailboxes and sessions. The identity's private half stays on the primary
device, so that a linked device which is removed, lost or seized can neither speak for the person nor admit others.
"""

from dataclasses import dataclass
from typing import NewType, Self

from handshaker_core.errors import MalformedDevice, WrongIdentity
from handshaker_core.protocol.address import ID_SIZE, BundleId
from handshaker_core.protocol.curve25519 import KEY_SIZE
from handshaker_core.protocol.keys import (
    SIGNATURE_SIZE,
    DeviceIdentityPublicKey,
    IdentityKeyPair,
    IdentityPublicKey,
)
from handshaker_core.protocol.labels import Label
from handshaker_core.protocol.wire import Reader, u8, u32, u64

DeviceId = NewType("DeviceId", bytes)
"""Names a device between clients (16 random bytes); no server learns it, and it is not the server's device id."""

CERTIFICATE_VERSION = 1
CERTIFICATE_SIZE = 1 + KEY_SIZE + ID_SIZE + KEY_SIZE + ID_SIZE + 8 + SIGNATURE_SIZE
DEVICE_LIST_VERSION = 1
MAX_DEVICES = 8


@dataclass(frozen=True, slots=True)
class DeviceCertificate:
    """The identity's word that a device key is one of this person's. Made by `issue` or `decode`: always valid.

    Attributes:
        identity: whose device it is.
        device_id: 16 bytes.
        device_key: IK of the device's sessions; signs its prekeys.
        bundle_id: where the device's prekey bundle is.
        issued_at: seconds since 1970, UTC.
        signature: the identity's, 64 bytes.
    """

    identity: IdentityPublicKey
    device_id: DeviceId
    device_key: DeviceIdentityPublicKey
    bundle_id: BundleId
    issued_at: int
    signature: bytes

    @classmethod
    def issue(
        cls,
        identity: IdentityKeyPair,
        *,
        device_id: DeviceId,
        device_key: DeviceIdentityPublicKey,
        bundle_id: BundleId,
        issued_at: int,
    ) -> Self:
        """Certify a device.

        Raises:
            MalformedDevice: an id has the wrong length or the time is out of range.
        """
        if len(device_id) != ID_SIZE or len(bundle_id) != ID_SIZE or not 0 <= issued_at < 2**64:
            raise MalformedDevice
        unsigned = cls(identity.public, device_id, device_key, bundle_id, issued_at, b"")
        signature = identity.sign(Label.DEVICE_CERTIFICATE_SIGNATURE, unsigned._content())
        return cls(identity.public, device_id, device_key, bundle_id, issued_at, signature)

    def encode(self) -> bytes:
        """Version (1) || identity (32) || device id (16) || device key (32) || bundle id (16) || time (8) || signature."""
        return self._content() + self.signature

    def _content(self) -> bytes:
        ids = self.identity.raw + self.device_id + self.device_key.raw + self.bundle_id
        return u8(CERTIFICATE_VERSION) + ids + u64(self.issued_at)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read and verify a certificate of 169 bytes.

        Raises:
            MalformedDevice, BadKey: not a certificate of this version.
            BadSignature: not made by the identity that it names.
        """
        reader = Reader(data, MalformedDevice)
        if reader.u8() != CERTIFICATE_VERSION:
            raise MalformedDevice
        certificate = cls(
            identity=IdentityPublicKey(reader.take(KEY_SIZE)),
            device_id=DeviceId(reader.take(ID_SIZE)),
            device_key=DeviceIdentityPublicKey(reader.take(KEY_SIZE)),
            bundle_id=BundleId(reader.take(ID_SIZE)),
            issued_at=reader.u64(),
            signature=reader.take(SIGNATURE_SIZE),
        )
        reader.end()
        certificate.identity.verify(Label.DEVICE_CERTIFICATE_SIGNATURE, data[:-SIGNATURE_SIZE], certificate.signature)
        return certificate


@dataclass(frozen=True, slots=True)
class DeviceList:
    """All devices of a person, signed; the one with the highest sequence is in force. Made by `issue` or `decode`.

    Attributes:
        sequence: rises by at least one with every change, so that an old list never replaces a newer one.
        certificates: in order of device id, at most 8, never none.
    """

    identity: IdentityPublicKey
    sequence: int
    issued_at: int
    certificates: tuple[DeviceCertificate, ...]
    signature: bytes

    @classmethod
    def issue(
        cls, identity: IdentityKeyPair, *, sequence: int, issued_at: int, certificates: tuple[DeviceCertificate, ...]
    ) -> Self:
        """Sign a list.

        Raises:
            MalformedDevice: none or too many devices, one twice, or a number out of range.
            WrongIdentity: a certificate of somebody else.
        """
        ordered = tuple(sorted(certificates, key=lambda certificate: certificate.device_id))
        if not 1 <= sequence < 2**32 or not 0 <= issued_at < 2**64:
            raise MalformedDevice
        _check(identity.public, ordered)
        unsigned = cls(identity.public, sequence, issued_at, ordered, b"")
        signature = identity.sign(Label.DEVICE_LIST_SIGNATURE, unsigned._content())
        return cls(identity.public, sequence, issued_at, ordered, signature)

    def find(self, device_id: DeviceId) -> DeviceCertificate | None:
        """The certificate of a device that is in the list."""
        return next((found for found in self.certificates if found.device_id == device_id), None)

    def encode(self) -> bytes:
        """Version (1) || identity (32) || sequence (4) || time (8) || count (1) || certificates || signature (64)."""
        return self._content() + self.signature

    def _content(self) -> bytes:
        start = u8(DEVICE_LIST_VERSION) + self.identity.raw + u32(self.sequence) + u64(self.issued_at)
        return start + u8(len(self.certificates)) + b"".join(found.encode() for found in self.certificates)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read and verify a list with all its certificates.

        Raises:
            MalformedDevice, BadKey: not a list of this version.
            WrongIdentity, BadSignature: not made by the identity that it names.
        """
        reader = Reader(data, MalformedDevice)
        if reader.u8() != DEVICE_LIST_VERSION:
            raise MalformedDevice
        identity = IdentityPublicKey(reader.take(KEY_SIZE))
        sequence, issued_at, count = reader.u32(), reader.u64(), reader.u8()
        if sequence == 0 or count > MAX_DEVICES:
            raise MalformedDevice
        certificates = tuple(DeviceCertificate.decode(reader.take(CERTIFICATE_SIZE)) for _ in range(count))
        signature = reader.take(SIGNATURE_SIZE)
        reader.end()
        _check(identity, certificates)
        identity.verify(Label.DEVICE_LIST_SIGNATURE, data[:-SIGNATURE_SIZE], signature)
        return cls(identity, sequence, issued_at, certificates, signature)


def _check(identity: IdentityPublicKey, certificates: tuple[DeviceCertificate, ...]) -> None:
    ids = [certificate.device_id for certificate in certificates]
    if not 1 <= len(ids) <= MAX_DEVICES or ids != sorted(set(ids)):
        raise MalformedDevice
    if any(certificate.identity != identity for certificate in certificates):
        raise WrongIdentity
