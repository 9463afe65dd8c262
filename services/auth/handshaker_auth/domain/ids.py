"""Distinct types for what auth calls by number or by hash, so that one cannot stand where another belongs."""

import uuid
from typing import NewType
from uuid import UUID

from handshaker_common.entropy import Entropy

DevicePublicKey = NewType("DevicePublicKey", bytes)
"""Ed25519 public key of a device, 32 bytes, as the caller gave it: it may be no valid point at all."""

RecoveryPublicKey = NewType("RecoveryPublicKey", bytes)
"""Ed25519 public key of an account's recovery, 32 bytes, as the caller gave it."""

WipeTicketHash = NewType("WipeTicketHash", bytes)
"""SHA-256 of a wipe ticket, 32 bytes."""

FamilyHash = NewType("FamilyHash", bytes)
"""SHA-256 of the half of a refresh token that its whole family shares, 32 bytes."""

TokenHash = NewType("TokenHash", bytes)
"""SHA-256 of a whole refresh token, 32 bytes."""


def random_uuid(entropy: Entropy) -> UUID:
    """A UUIDv4 (RFC 9562 section 5.4): 122 random bits, no time, no machine."""
    return uuid.UUID(bytes=entropy(16), version=4)
