"""Two people with devices, for tests: real keys, an in-memory prekey store that obeys the rules of the client."""

from dataclasses import dataclass, field

from handshaker_core.protocol import session as sessions
from handshaker_core.protocol.bundle import (
    DeviceKeys,
    PreKeyBundle,
    Suite,
    VerifiedBundle,
    generate_device_keys,
    generate_one_time,
    verify_bundle,
)
from handshaker_core.protocol.keys import IdentityKeyPair
from handshaker_core.protocol.pqxdh import LastResortUse
from handshaker_core.protocol.prekeys import KemPreKey, LastResortKemPreKey, OneTimePreKey, SignedPreKey


@dataclass
class Device:
    """A device with its private prekeys; satisfies `PreKeyLookup`."""

    identity: IdentityKeyPair
    keys: DeviceKeys
    ec: dict[int, OneTimePreKey]
    kem: dict[int, KemPreKey]
    uses: set[LastResortUse] = field(default_factory=set)
    next_bundle: int = 0

    @classmethod
    def create(cls, one_time: int = 1) -> "Device":
        """A new person with one device that has published `one_time` one-time keys of each kind."""
        identity = IdentityKeyPair.generate()
        keys = generate_device_keys(identity, signed_prekey_id=7, last_resort_id=9)
        if not one_time:
            return cls(identity, keys, {}, {})
        batch = generate_one_time(identity, one_time, 1)
        return cls(identity, keys, {key.key_id: key for key in batch.ec}, {key.key_id: key for key in batch.kem})

    def fetch_bundle(self) -> PreKeyBundle:
        """What an honest server hands out next: a one-time key at most once, then the last-resort key."""
        self.next_bundle += 1
        one_time, kem = self.ec.get(self.next_bundle), self.kem.get(self.next_bundle)
        return PreKeyBundle(
            suite=Suite.HANDSHAKER_V1,
            identity_key=self.identity.public,
            seal_key=self.keys.seal.public,
            seal_key_signature=self.keys.seal_signature,
            signed_prekey=self.keys.signed_prekey.public,
            one_time_prekey=None if one_time is None else one_time.public,
            kem_prekey=(self.keys.last_resort if kem is None else kem).public,
            one_time_left=self.next_bundle < len(self.ec),
        )

    def verified_bundle(self) -> VerifiedBundle:
        """A fetched bundle, verified as a stranger would."""
        return verify_bundle(self.fetch_bundle(), self.identity.public)

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

    def open(self, frame: bytes) -> sessions.InitialMessage:
        """Open a sealed initial frame."""
        return sessions.open_initial(self.identity.public, self.keys.seal, frame)

    def accept(self, frame: bytes) -> sessions.Accepted:
        """Accept a first frame and commit what it consumed, as the client does in one transaction."""
        accepted = sessions.accept(self.identity, self, self.open(frame))
        consumed = accepted.consumed
        if consumed.one_time_prekey_id is not None:
            del self.ec[consumed.one_time_prekey_id]
        if consumed.kem_prekey_id is not None:
            del self.kem[consumed.kem_prekey_id]
        if consumed.last_resort_use is not None:
            self.uses.add(consumed.last_resort_use)
        return accepted


def connect(one_time: int = 1) -> tuple[sessions.SessionState, sessions.SessionState]:
    """Sessions of an initiator and a responder that have each received one message."""
    alice, bob = Device.create(0), Device.create(one_time)
    a, _ = sessions.initiate(alice.identity, bob.verified_bundle())
    a, first = sessions.encrypt(a, b"first")
    b = bob.accept(first).session
    b, answer = sessions.encrypt(b, b"answer")
    a, _ = sessions.decrypt(a, answer)
    return a, b


def flip(data: bytes, position: int, bit: int = 0) -> bytes:
    """A copy with one bit flipped; positions wrap."""
    changed = bytearray(data)
    changed[position % len(data)] ^= 1 << bit
    return bytes(changed)
