"""Logging a device in: a challenge, signed by the device key.

The key that is checked is the one in the request, never one from the database. So the whole check is the same work
for a device that exists and for one that does not, and only the holder of a key can come as far as to be looked up.
"""

import hashlib

from handshaker_common.ids import verify_ed25519

from handshaker_auth.domain.challenges import LIFETIME_SECONDS, Challenges, Spend
from handshaker_auth.domain.ids import DevicePublicKey, RecoveryPublicKey
from handshaker_auth.domain.refresh import RefreshToken

SESSION_LABEL = b"handshaker/v1/session"
REFRESH_LABEL = b"handshaker/v1/refresh"
# Admission challenges carry their purpose here, which is never 0.
SESSION_KIND = 0
CHALLENGE_SECONDS = LIFETIME_SECONDS


class SessionChallenges:
    """Challenges bound to one device key each, and the signatures over them."""

    def __init__(self, challenges: Challenges) -> None:
        self._challenges = challenges

    def challenge(self, device_public_key: DevicePublicKey) -> bytes:
        """A challenge for this key, whether or not any account has it."""
        return self._challenges.issue(SESSION_KIND, 0, device_public_key)

    def check_login(self, device_public_key: DevicePublicKey, challenge: bytes, signature: bytes) -> Spend | None:
        """What to spend when `signature` is the key's over "handshaker/v1/session" ‖ challenge; None otherwise."""
        return self._check(device_public_key, challenge, signature, SESSION_LABEL + challenge)

    def check_refresh(
        self, device_public_key: DevicePublicKey, challenge: bytes, token: RefreshToken, signature: bytes
    ) -> Spend | None:
        """As `check_login`, over "handshaker/v1/refresh" ‖ challenge ‖ SHA-256(refresh token)."""
        message = REFRESH_LABEL + challenge + hashlib.sha256(token.secret).digest()
        return self._check(device_public_key, challenge, signature, message)

    def check_recovery(
        self, recovery_public_key: RecoveryPublicKey, challenge: bytes, signature: bytes, message: bytes
    ) -> Spend | None:
        """As `check_login`, over a message that contains the challenge, by a recovery key."""
        return self._check(recovery_public_key, challenge, signature, message)

    def _check(
        self, public_key: DevicePublicKey | RecoveryPublicKey, challenge: bytes, signature: bytes, message: bytes
    ) -> Spend | None:
        recognised = self._challenges.recognise(challenge, public_key)
        signed = verify_ed25519(public_key, signature, message)
        if recognised is None or not signed or recognised.kind != SESSION_KIND:
            return None
        return recognised.spend
