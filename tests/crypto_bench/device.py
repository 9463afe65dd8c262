"""A device whose keys are in memory."""

import time
from dataclasses import dataclass

from handshaker_core.protocol import session as sessions
from handshaker_core.protocol.address import BundleId
from handshaker_core.protocol.bundle import DeviceKeys, PreKeyBundle, Suite, generate_device_keys, generate_one_time
from handshaker_core.protocol.device import DeviceCertificate, DeviceId
from handshaker_core.protocol.keys import DeviceIdentityKeyPair, IdentityKeyPair
from handshaker_core.protocol.pqxdh import LastResortUse
from handshaker_core.protocol.prekeys import KemPreKey, LastResortKemPreKey, OneTimePreKey, SignedPreKey
from handshaker_core.protocol.randomness import system_randomness


@dataclass(frozen=True)
class Device:
    """The only device of a person, with one one-time key of each kind; satisfies `PreKeyLookup`."""

    local: sessions.LocalDevice
    keys: DeviceKeys
    one_time: OneTimePreKey
    kem: KemPreKey

    @classmethod
    def create(cls) -> "Device":
        """A new person's."""
        identity, key = IdentityKeyPair.generate(), DeviceIdentityKeyPair.generate()
        certificate = DeviceCertificate.issue(
            identity,
            device_id=DeviceId(system_randomness(16)),
            device_key=key.public,
            bundle_id=BundleId(system_randomness(16)),
            issued_at=int(time.time()),
        )
        keys = generate_device_keys(key, signed_prekey_id=1, last_resort_id=1)
        batch = generate_one_time(key, 1, 1)
        return cls(sessions.LocalDevice(key, certificate, (keys.seal,)), keys, batch.ec[0], batch.kem[0])

    def bundle(self) -> PreKeyBundle:
        """As fetched from a server."""
        return PreKeyBundle(
            suite=Suite.HANDSHAKER_V1,
            certificate=self.local.certificate,
            seal_key=self.keys.seal.public,
            seal_key_signature=self.keys.seal_signature,
            signed_prekey=self.keys.signed_prekey.public,
            one_time_prekey=self.one_time.public,
            kem_prekey=self.kem.public,
            one_time_left=True,
        )

    def signed_prekey(self, key_id: int) -> SignedPreKey | None:
        """See `PreKeyLookup`."""
        return self.keys.signed_prekey if key_id == self.keys.signed_prekey.key_id else None

    def one_time_prekey(self, key_id: int) -> OneTimePreKey | None:
        """See `PreKeyLookup`."""
        return self.one_time if key_id == self.one_time.key_id else None

    def kem_prekey(self, key_id: int) -> KemPreKey | None:
        """See `PreKeyLookup`."""
        return self.kem if key_id == self.kem.key_id else None

    def last_resort_prekey(self, key_id: int) -> LastResortKemPreKey | None:
        """See `PreKeyLookup`."""
        return self.keys.last_resort if key_id == self.keys.last_resort.key_id else None

    def last_resort_used(self, use: LastResortUse) -> bool:
        """See `PreKeyLookup`."""
        return use.base_key == b""
