"""Devices of an account, and recovery."""

from typing import Any
from uuid import UUID

from handshaker_common.clock import Clock
from handshaker_common.entropy import Entropy
from handshaker_common.identity import caller
from handshaker_proto.auth.v1 import devices_pb2, devices_pb2_grpc

from handshaker_auth.domain.days import day_of
from handshaker_auth.domain.devices import (
    DeviceRefusal,
    Recovery,
    RecoveryChallenges,
    recovers_account,
    wants_account,
)
from handshaker_auth.domain.ids import DevicePublicKey, RecoveryPublicKey, random_uuid
from handshaker_auth.domain.refresh import RefreshToken
from handshaker_auth.rpc.sessions import TokenDesk
from handshaker_auth.store import DeviceStore

Context = Any


class DevicesServicer(devices_pb2_grpc.DevicesServiceServicer):
    """What the devices of an account say about each other."""

    def __init__(self, store: DeviceStore, entropy: Entropy) -> None:
        self._store = store
        self._entropy = entropy

    async def AddDevice(self, request: devices_pb2.AddDeviceRequest, context: Context) -> devices_pb2.AddDeviceResponse:
        """Admits a device whose key wants to belong to the caller's account."""
        answer = devices_pb2.AddDeviceResponse
        device_public_key = DevicePublicKey(request.device_public_key)
        if not wants_account(caller().account_id, device_public_key, request.proof):
            return answer(bad_proof=answer.BadProof())
        added = await self._store.add(caller(), random_uuid(self._entropy), device_public_key)
        if added is DeviceRefusal.TOO_MANY:
            return answer(too_many_devices=answer.TooManyDevices())
        if added is DeviceRefusal.KEY_TAKEN:
            return answer(key_taken=answer.KeyTaken())
        if isinstance(added, DeviceRefusal):
            return answer(not_primary=answer.NotPrimary())
        return answer(added=answer.Added(device_id=added.bytes))

    async def ListDevices(
        self, request: devices_pb2.ListDevicesRequest, context: Context
    ) -> devices_pb2.ListDevicesResponse:
        """All devices of the caller's account."""
        devices, has_recovery_key = await self._store.listed(caller())
        found = [
            devices_pb2.ListDevicesResponse.Device(
                device_id=device.device_id.bytes, device_public_key=device.device_public_key, primary=device.is_primary
            )
            for device in devices
        ]
        return devices_pb2.ListDevicesResponse(devices=found, has_recovery_key=has_recovery_key)

    async def RemoveDevice(
        self, request: devices_pb2.RemoveDeviceRequest, context: Context
    ) -> devices_pb2.RemoveDeviceResponse:
        """Removes a linked device and ends its logins."""
        answer = devices_pb2.RemoveDeviceResponse
        if not await self._store.remove(caller(), UUID(bytes=request.device_id)):
            return answer(refused=answer.Refused())
        return answer(removed=answer.Removed())

    async def SetRecoveryKey(
        self, request: devices_pb2.SetRecoveryKeyRequest, context: Context
    ) -> devices_pb2.SetRecoveryKeyResponse:
        """Names the account's recovery key, once."""
        answer = devices_pb2.SetRecoveryKeyResponse
        recovery_public_key = RecoveryPublicKey(request.recovery_public_key)
        if not recovers_account(caller().account_id, recovery_public_key, request.proof):
            return answer(bad_proof=answer.BadProof())
        refusal = await self._store.set_recovery_key(caller(), recovery_public_key)
        if refusal is DeviceRefusal.NOT_PRIMARY:
            return answer(not_primary=answer.NotPrimary())
        if refusal is not None:
            return answer(already_set=answer.AlreadySet())
        return answer(set=answer.Set())


class RecoveryServicer(devices_pb2_grpc.RecoveryServiceServicer):
    """What the recovery key can do."""

    def __init__(
        self, store: DeviceStore, challenges: RecoveryChallenges, desk: TokenDesk, *, clock: Clock, entropy: Entropy
    ) -> None:
        self._store = store
        self._challenges = challenges
        self._desk = desk
        self._clock = clock
        self._entropy = entropy

    async def Recover(self, request: devices_pb2.RecoverRequest, context: Context) -> devices_pb2.RecoverResponse:
        """Makes a device the primary of the account that the recovery key stands for."""
        answer = devices_pb2.RecoverResponse
        recovery = self._check(request)
        if recovery is None:
            return answer(refused=answer.Refused())
        token = RefreshToken.first(self._entropy)
        identity = await self._store.recover(recovery, token, day_of(self._clock.now()))
        if identity is DeviceRefusal.TOO_MANY:
            return answer(too_many_devices=answer.TooManyDevices())
        if isinstance(identity, DeviceRefusal):
            return answer(refused=answer.Refused())
        recovered = answer.Recovered(
            account_id=str(identity.account_id),
            device_id=str(identity.device_id),
            tokens=self._desk.tokens(identity, token),
        )
        return answer(recovered=recovered)

    def _check(self, request: devices_pb2.RecoverRequest) -> Recovery | None:
        recovery_public_key = RecoveryPublicKey(request.recovery_public_key)
        device_public_key = DevicePublicKey(request.device_public_key)
        spend = self._challenges.check(
            recovery_public_key,
            device_public_key,
            challenge=request.challenge,
            signature=request.signature,
            device_proof=request.device_proof,
            remove_others=request.remove_other_devices,
        )
        if spend is None:
            return None
        device_id = random_uuid(self._entropy)
        return Recovery(spend, recovery_public_key, device_public_key, device_id, request.remove_other_devices)
