"""Wake targets at rest: sealed, and found by an id that follows from their owner's key."""

import hashlib
from dataclasses import dataclass

from handshaker_common.ids import WakeId, verify_ed25519, wake_id

from handshaker_notify.domain.sealing import SEALED_SIZE

PUT_LABEL = b"handshaker/v1/wake-put"
DELETE_LABEL = b"handshaker/v1/wake-delete"
# What the database's integers hold; nobody counts this far.
LARGEST_REVISION = 2**63 - 1


@dataclass(frozen=True, slots=True)
class SealedTarget:
    """How to reach a device, readable by this service alone, and only opened to fire."""

    wake_id: WakeId
    owner_public_key: bytes
    sealed: bytes
    revision: int


def target_to_put(owner_public_key: bytes, sealed: bytes, revision: int, signature: bytes) -> SealedTarget | None:
    """The target that a signed request sets; None when its owner's key did not sign it, or it has a wrong size."""
    if len(sealed) != SEALED_SIZE or revision > LARGEST_REVISION:
        return None
    message = PUT_LABEL + owner_public_key + revision.to_bytes(8, "big") + hashlib.sha256(sealed).digest()
    if not verify_ed25519(owner_public_key, signature, message):
        return None
    return SealedTarget(wake_id(owner_public_key), owner_public_key, sealed, revision)


def target_to_delete(owner_public_key: bytes, signature: bytes) -> WakeId | None:
    """The id of the target that a signed request deletes; None when its owner's key did not sign it."""
    if not verify_ed25519(owner_public_key, signature, DELETE_LABEL + owner_public_key):
        return None
    return wake_id(owner_public_key)
