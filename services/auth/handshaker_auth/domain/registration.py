"""Registration: an account is a random number and one device key, and nothing else."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from handshaker_common.clock import Clock
from handshaker_common.entropy import Entropy
from handshaker_common.ids import verify_ed25519

from handshaker_auth.domain.days import week_of
from handshaker_auth.domain.ids import DevicePublicKey, random_uuid

REGISTER_LABEL = b"handshaker/v1/register"


@dataclass(frozen=True)
class NewAccount:
    """An account about to be. Of its beginning only the week is kept: enough to count, too little to correlate."""

    account_id: UUID
    device_id: UUID
    device_public_key: DevicePublicKey
    created_week: date


def holds_device_key(device_public_key: DevicePublicKey, proof: bytes) -> bool:
    """Whether `proof` is the key's Ed25519 signature over "handshaker/v1/register" ‖ device_public_key."""
    return verify_ed25519(device_public_key, proof, REGISTER_LABEL + device_public_key)


def new_account(device_public_key: DevicePublicKey, clock: Clock, entropy: Entropy) -> NewAccount:
    """A fresh account for a device whose key was proven."""
    return NewAccount(random_uuid(entropy), random_uuid(entropy), device_public_key, week_of(clock.now()))
