"""Two people with devices, for tests: real keys, an in-memory prekey store that obeys the rules of the client."""

from dataclasses import dataclass, field

from handshaker_core.protocol import session as sessions
from handshaker_core.protocol.address import BundleId
from handshaker_core.protocol.bundle import (
    DeviceKeys,
    PreKeyBundle,
    Suite,
    VerifiedBundle,
    generate_device_keys,
    generate_one_time,
    verify_bundle,
)
from handshaker_core.protocol.device import DeviceCertificate, DeviceId
from handshaker_core.protocol.keys import DeviceIdentityKeyPair, IdentityKeyPair
from handshaker_core.protocol.pqxdh import LastResortUse
from handshaker_core.protocol.prekeys import KemPreKey, LastResortKemPreKey, OneTimePreKey, SignedPreKey
from handshaker_core.protocol.randomness import system_randomness
from handshaker_core.protocol.sealed_sender import Envelope

NOW = 1_800_000_000.0


@dataclass
class Device:
    """A device with its private prekeys; satisfies `PreKeyLookup`."""

    identity: IdentityKeyPair
    key: DeviceIdentityKeyPair
    certificate: DeviceCertificate
    keys: DeviceKeys
    ec: dict[int, OneTimePreKey]
    kem: dict[int, KemPreKey]
    uses: set[LastResortUse] = field(default_factory=set)
    next_bundle: int = 0

    @classmethod
    def create(cls, one_time: int = 1, identity: IdentityKeyPair | None = None) -> "Device":
        """A device, of a new person if none is given, that has published `one_time` one-time keys of each kind."""
        identity, key = identity or IdentityKeyPair.generate(), DeviceIdentityKeyPair.generate()
        certificate = DeviceCertificate.issue(
            identity,
            device_id=DeviceId(system_randomness(16)),
            device_key=key.public,
            bundle_id=BundleId(system_randomness(16)),
            issued_at=int(NOW),
        )
        keys = generate_device_keys(key, signed_prekey_id=7, last_resort_id=9)
        if not one_time:
            return cls(identity, key, certificate, keys, {}, {})
        batch = generate_one_time(key, one_time, 1)
        ec, kem = {item.key_id: item for item in batch.ec}, {item.key_id: item for item in batch.kem}
        return cls(identity, key, certificate, keys, ec, kem)

    @property
    def local(self) -> sessions.LocalDevice:
        """As sessions take it."""
        return sessions.LocalDevice(self.key, self.certificate, (self.keys.seal,))

    def fetch_bundle(self) -> PreKeyBundle:
        """What an honest server hands out next: a one-time key at most once, then the last-resort key."""
        self.next_bundle += 1
        one_time, kem = self.ec.get(self.next_bundle), self.kem.get(self.next_bundle)
        return PreKeyBundle(
            suite=Suite.HANDSHAKER_V1,
            certificate=self.certificate,
            seal_key=self.keys.seal.public,
            seal_key_signature=self.keys.seal_signature,
            signed_prekey=self.keys.signed_prekey.public,
            one_time_prekey=None if one_time is None else one_time.public,
            kem_prekey=(self.keys.last_resort if kem is None else kem).public,
            one_time_left=self.next_bundle < len(self.ec),
        )

    def verified_bundle(self) -> VerifiedBundle:
        """A fetched bundle, verified as a stranger would."""
        return verify_bundle(self.fetch_bundle(), self.identity.public, self.certificate.bundle_id)

    def signed_prekey(self, key_id: int) -> SignedPreKey | None:
        return self.keys.signed_prekey if key_id == self.keys.signed_prekey.key_id else None

    def one_time_prekey(self, key_id: int) -> OneTimePreKey | None:
        return self.ec.get(key_id)

    def kem_prekey(self, key_id: int) -> KemPreKey | None:
        return self.kem.get(key_id)

    def last_resort_prekey(self, key_id: int) -> LastResortKemPreKey | None:
        return self.keys.last_resort if key_id == self.keys.last_resort.key_id else None

    def last_resort_used(self, use: LastResortUse) -> bool:
        return use in self.uses

    def open(self, frame: bytes) -> Envelope:
        """Open a frame."""
        return sessions.open_frame(self.local, frame)

    def accept(self, frame: bytes) -> sessions.Accepted:
        """Accept a first frame and commit what it consumed, as the client does in one transaction."""
        accepted = sessions.accept(self.local, self, self.open(frame), now=NOW)
        consumed = accepted.consumed
        if consumed.one_time_prekey_id is not None:
            del self.ec[consumed.one_time_prekey_id]
        if consumed.kem_prekey_id is not None:
            del self.kem[consumed.kem_prekey_id]
        if consumed.last_resort_use is not None:
            self.uses.add(consumed.last_resort_use)
        return accepted


@dataclass
class Side:
    """A device with one session; replaces the session as the client does."""

    device: Device
    session: sessions.SessionState

    def send(self, content: bytes) -> bytes:
        """Encrypt and keep the new state."""
        self.session, frame = sessions.encrypt(self.session, content, now=NOW)
        return frame

    def peek(self, frame: bytes) -> tuple[sessions.SessionState, bytes]:
        """Decrypt without keeping the new state."""
        return sessions.decrypt(self.session, self.device.open(frame), now=NOW)

    def receive(self, frame: bytes) -> bytes:
        """Decrypt and keep the new state."""
        self.session, content = self.peek(frame)
        return content


def initiate(device: Device, peer: Device) -> Side:
    """The initiator's side of a new session."""
    return Side(device, sessions.initiate(device.local, peer.verified_bundle(), now=NOW)[0])


def connect(one_time: int = 1) -> tuple[Side, Side]:
    """Sides of an initiator and a responder that have each received one message."""
    alice, bob = Device.create(0), Device.create(one_time)
    a = initiate(alice, bob)
    b = Side(bob, bob.accept(a.send(b"first")).session)
    a.receive(b.send(b"answer"))
    return a, b


def flip(data: bytes, position: int, bit: int = 0) -> bytes:
    """A copy with one bit flipped; positions wrap."""
    changed = bytearray(data)
    changed[position % len(data)] ^= 1 << bit
    return bytes(changed)
