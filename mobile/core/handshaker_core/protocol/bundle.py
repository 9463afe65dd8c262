"""The prekey bundle: what a device publishes, and what a stranger fetches to start a session with it.

The server that stores bundles is not trusted: `verify_bundle` checks that the device is certified by the identity that
the contact address named and that it signed every key, and only its result can start a session. What the server states in `one_time_left` is advice.
"""

from dataclasses import dataclass
from enum import IntEnum

from handshaker_core.errors import UnsupportedVersion, WrongDevice, WrongIdentity
from handshaker_core.protocol.address import BundleId
from handshaker_core.protocol.device import DeviceCertificate
from handshaker_core.protocol.keys import MAX_KEY_ID, DeviceIdentityKeyPair, IdentityPublicKey, check_key_id
from handshaker_core.protocol.prekeys import (
    KemPreKey,
    KemPreKeyPublic,
    LastResortKemPreKey,
    OneTimePreKey,
    OneTimePreKeyPublic,
    SignedPreKey,
    SignedPreKeyPublic,
)
from handshaker_core.protocol.randomness import Randomness, system_randomness
from handshaker_core.protocol.seal import SealKeyPair, SealPublicKey


class Suite(IntEnum):
    """The cipher suites a bundle can be of."""

    HANDSHAKER_V1 = 1


@dataclass(frozen=True, slots=True)
class PreKeyBundle:
    """A bundle as fetched: well-formed, but not verified.

    Attributes:
        certificate: whose device published it; signed by the identity that it names.
        one_time_left: whether the server says that one-time keys were left for the next caller.
    """

    suite: int
    certificate: DeviceCertificate
    seal_key: SealPublicKey
    seal_key_signature: bytes
    signed_prekey: SignedPreKeyPublic
    one_time_prekey: OneTimePreKeyPublic | None
    kem_prekey: KemPreKeyPublic
    one_time_left: bool


@dataclass(frozen=True, slots=True)
class VerifiedBundle:
    """A bundle whose every signature was checked; made by `verify_bundle` alone."""

    bundle: PreKeyBundle


def verify_bundle(
    bundle: PreKeyBundle, expected_identity: IdentityPublicKey, expected_bundle: BundleId
) -> VerifiedBundle:
    """Check a fetched bundle against the contact address, or the certificate in a device list, that led to it.

    Raises:
        UnsupportedVersion: another suite; there is no fall-back.
        WrongIdentity: the bundle is of somebody else.
        WrongDevice: it is of another device of the same person than the one asked for.
        BadSignature: a key was not signed by the device for this role and id.
    """
    if bundle.suite != Suite.HANDSHAKER_V1:
        raise UnsupportedVersion
    if bundle.certificate.identity != expected_identity:
        raise WrongIdentity
    if bundle.certificate.bundle_id != expected_bundle:
        raise WrongDevice("The keys belong to another device than the expected one.")
    device = bundle.certificate.device_key
    bundle.seal_key.verify(device, bundle.seal_key_signature)
    bundle.signed_prekey.verify(device)
    bundle.kem_prekey.verify(device)
    return VerifiedBundle(bundle)


@dataclass(frozen=True, slots=True)
class DeviceKeys:
    """The long-lived private keys of a device; each part has `to_bytes` for the store and `public` for publication."""

    seal: SealKeyPair
    seal_signature: bytes
    signed_prekey: SignedPreKey
    last_resort: LastResortKemPreKey


@dataclass(frozen=True, slots=True)
class OneTimeKeys:
    """A batch of one-time private keys, of each kind equally many, with the same run of key ids."""

    ec: tuple[OneTimePreKey, ...]
    kem: tuple[KemPreKey, ...]


def generate_device_keys(
    device: DeviceIdentityKeyPair, *, signed_prekey_id: int, last_resort_id: int, rng: Randomness = system_randomness
) -> DeviceKeys:
    """Fresh keys for a new device, all signed by `device`.

    To replace only the signed or the last-resort prekey use `SignedPreKey.generate` or `LastResortKemPreKey.generate`
    with the next id, and keep the old one for handshakes that are on their way.

    Raises:
        BadKey: a key id is out of range.
    """
    seal = SealKeyPair.generate(rng)
    return DeviceKeys(
        seal=seal,
        seal_signature=seal.sign(device),
        signed_prekey=SignedPreKey.generate(device, signed_prekey_id, rng),
        last_resort=LastResortKemPreKey.generate(device, last_resort_id, rng),
    )


def generate_one_time(
    device: DeviceIdentityKeyPair, count: int, start_id: int, rng: Randomness = system_randomness
) -> OneTimeKeys:
    """`count` fresh one-time keys of each kind with ids from `start_id` on; ids must never be used again.

    Raises:
        BadKey: an id is out of range.
        ValueError: `count` is not positive.
    """
    if count < 1:
        raise ValueError("count must be at least 1")
    check_key_id(start_id)
    check_key_id(min(start_id + count - 1, MAX_KEY_ID + 1))
    ids = range(start_id, start_id + count)
    return OneTimeKeys(
        ec=tuple(OneTimePreKey.generate(key_id, rng) for key_id in ids),
        kem=tuple(KemPreKey.generate(device, key_id, rng) for key_id in ids),
    )
