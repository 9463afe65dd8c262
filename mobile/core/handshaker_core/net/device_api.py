"""The methods of the contract about devices and recovery, as typed calls."""

from dataclasses import dataclass
from uuid import UUID

from handshaker_proto.auth.v1 import auth_pb2, devices_pb2

from handshaker_core.credentials import AccessToken, DeviceKey, RecoveryKey, Tokens
from handshaker_core.net.http import Plane, Route, Transport

_SESSION_CHALLENGE = Route(Plane.ANONYMOUS, "POST", "/a/v1/sessions/challenge", idempotent=True)
_ADD_DEVICE = Route(Plane.ACCOUNT, "POST", "/v1/devices", idempotent=True)
_LIST_DEVICES = Route(Plane.ACCOUNT, "GET", "/v1/devices", idempotent=True)
_REMOVE_DEVICE = Route(Plane.ACCOUNT, "POST", "/v1/devices/delete", idempotent=False)
_SET_RECOVERY_KEY = Route(Plane.ACCOUNT, "PUT", "/v1/recovery-key", idempotent=True)
_RECOVER = Route(Plane.ANONYMOUS, "POST", "/a/v1/recovery", idempotent=False)


@dataclass(frozen=True, slots=True)
class ServerDevice:
    """A device as the server knows it.

    Attributes:
        device_id: the server's own name for it, 16 bytes.
        public_key: of its logins.
    """

    device_id: bytes
    public_key: bytes
    is_primary: bool


@dataclass(frozen=True, slots=True, repr=False)
class Recovered:
    """What a recovery gives."""

    account_id: str
    device_id: str
    tokens: Tokens


class DeviceApi:
    """All of them raise `NetworkError`s as `Transport.call` does."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def add(self, token: AccessToken, device_public_key: bytes, proof: bytes) -> bytes:
        """Admit a device. Returns: the server's name for it. Raises: RefusedByServer (`too_many_devices`, ...)."""
        request = devices_pb2.AddDeviceRequest(device_public_key=device_public_key, proof=proof)
        added = await self._transport.call(_ADD_DEVICE, request, devices_pb2.AddDeviceResponse.Added, token=token)
        return added.device_id

    async def listed(self, token: AccessToken) -> list[ServerDevice]:
        """All devices of the account."""
        answer = await self._transport.call(_LIST_DEVICES, None, devices_pb2.ListDevicesResponse, token=token)
        return [ServerDevice(each.device_id, each.device_public_key, each.primary) for each in answer.devices]

    async def remove(self, token: AccessToken, device_id: bytes) -> None:
        """Remove a device; it is out at once. Raises: RefusedByServer (`refused`)."""
        request = devices_pb2.RemoveDeviceRequest(device_id=device_id)
        await self._transport.call(_REMOVE_DEVICE, request, devices_pb2.RemoveDeviceResponse.Removed, token=token)

    async def set_recovery_key(self, token: AccessToken, key: RecoveryKey, account_id: UUID) -> None:
        """Name the key that recovers the account. Raises: RefusedByServer (`already_set`)."""
        request = devices_pb2.SetRecoveryKeyRequest(recovery_public_key=key.public, proof=key.prove_account(account_id))
        await self._transport.call(_SET_RECOVERY_KEY, request, devices_pb2.SetRecoveryKeyResponse.Set, token=token)

    async def recover(self, key: RecoveryKey, device: DeviceKey, *, remove_others: bool) -> Recovered:
        """Make a device the primary. Raises: RefusedByServer (`refused`, `too_many_devices`)."""
        asked = auth_pb2.GetSessionChallengeRequest(device_public_key=key.public)
        answer = await self._transport.call(_SESSION_CHALLENGE, asked, auth_pb2.GetSessionChallengeResponse)
        challenge = answer.challenge
        request = devices_pb2.RecoverRequest(
            recovery_public_key=key.public,
            challenge=challenge,
            signature=key.prove_recovery(challenge, device.public, remove_others=remove_others),
            device_public_key=device.public,
            device_proof=device.prove_new_primary(challenge),
            remove_other_devices=remove_others,
        )
        got = await self._transport.call(_RECOVER, request, devices_pb2.RecoverResponse.Recovered)
        tokens = Tokens(
            AccessToken(got.tokens.access_token),
            got.tokens.access_expires_in_seconds,
            got.tokens.refresh_token,
            got.tokens.refresh_expires_in_seconds,
        )
        return Recovered(got.account_id, got.device_id, tokens)
