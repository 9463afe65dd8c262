"""Several devices of one account: who may admit, remove and recover, and which signatures that takes.

As with logins, keys are taken from the request and never from the database, so that the check is the same work for a
key that exists and for one that does not.
"""

import enum
from dataclasses import dataclass
from uuid import UUID

from handshaker_common.ids import verify_ed25519

from handshaker_auth.domain.challenges import Spend
from handshaker_auth.domain.ids import DevicePublicKey, RecoveryPublicKey
from handshaker_auth.domain.sessions import SessionChallenges

ADD_DEVICE_LABEL = b"handshaker/v1/add-device"
RECOVERY_KEY_LABEL = b"handshaker/v1/recovery-key"
ACCOUNT_RECOVERY_LABEL = b"handshaker/v1/account-recovery"
NEW_PRIMARY_LABEL = b"handshaker/v1/new-primary-device"
MAX_DEVICES = 8
"""Devices of one account, the primary among them."""


class DeviceRefusal(enum.Enum):
    """Why a change of an account's devices was refused."""

    NOT_PRIMARY = "not_primary"
    KEY_TAKEN = "key_taken"
    TOO_MANY = "too_many"
    ALREADY_SET = "already_set"
    REFUSED = "refused"


@dataclass(frozen=True)
class Device:
    """A device of the caller's account."""

    device_id: UUID
    device_public_key: DevicePublicKey
    is_primary: bool


@dataclass(frozen=True)
class Recovery:
    """A recovery whose signatures were checked.

    Attributes:
        spend: the challenge that it uses up.
        device_id: of the new device, should its key be unknown.
        remove_others: whether all other devices end.
    """

    spend: Spend
    recovery_public_key: RecoveryPublicKey
    device_public_key: DevicePublicKey
    device_id: UUID
    remove_others: bool


def wants_account(account_id: UUID, device_public_key: DevicePublicKey, proof: bytes) -> bool:
    """Whether `proof` is the device key's signature over "handshaker/v1/add-device" ‖ account ‖ key.

    It binds the key to one account for ever and needs no challenge: who repeats it can only add the same key to the
    same account, which takes that account's primary.
    """
    return verify_ed25519(device_public_key, proof, ADD_DEVICE_LABEL + account_id.bytes + device_public_key)


def recovers_account(account_id: UUID, recovery_public_key: RecoveryPublicKey, proof: bytes) -> bool:
    """Whether `proof` is the recovery key's signature over "handshaker/v1/recovery-key" ‖ account ‖ key."""
    return verify_ed25519(recovery_public_key, proof, RECOVERY_KEY_LABEL + account_id.bytes + recovery_public_key)


class RecoveryChallenges:
    """The signatures of a recovery, over a session challenge for the recovery key."""

    def __init__(self, challenges: SessionChallenges) -> None:
        self._challenges = challenges

    def check(
        self,
        recovery_public_key: RecoveryPublicKey,
        device_public_key: DevicePublicKey,
        *,
        challenge: bytes,
        signature: bytes,
        device_proof: bytes,
        remove_others: bool,
    ) -> Spend | None:
        """What to spend when both keys have signed what they must; None otherwise."""
        flag = b"\1" if remove_others else b"\0"
        spend = self._challenges.check_recovery(
            recovery_public_key, challenge, signature, ACCOUNT_RECOVERY_LABEL + challenge + device_public_key + flag
        )
        held = verify_ed25519(device_public_key, device_proof, NEW_PRIMARY_LABEL + challenge + device_public_key)
        return spend if held else None
