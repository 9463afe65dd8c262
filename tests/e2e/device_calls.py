"""Right requests for the routes of devices and recovery."""

import uuid

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from handshaker_proto.auth.v1 import auth_pb2, devices_pb2

from e2e.case import Case
from e2e.rest import ROUTE, Account, Gateway, decode


def raw(key: Ed25519PrivateKey) -> bytes:
    """The public half."""
    return key.public_key().public_bytes_raw()


def joining(account: Account, key: Ed25519PrivateKey) -> devices_pb2.AddDeviceRequest:
    """The request that admits a device."""
    signed = b"handshaker/v1/add-device" + uuid.UUID(account.account_id).bytes + raw(key)
    return devices_pb2.AddDeviceRequest(device_public_key=raw(key), proof=key.sign(signed))


def recovery_key(account: Account, key: Ed25519PrivateKey) -> devices_pb2.SetRecoveryKeyRequest:
    """The request that names the recovery key."""
    signed = b"handshaker/v1/recovery-key" + uuid.UUID(account.account_id).bytes + raw(key)
    return devices_pb2.SetRecoveryKeyRequest(recovery_public_key=raw(key), proof=key.sign(signed))


async def devices_of(account: Account) -> object:
    """What the account lists."""
    return (await account.call("ListDevices", devices_pb2.ListDevicesRequest())).body


async def add_device(gateway: Gateway) -> Case:
    account = await Account.register(gateway)
    request = joining(account, Ed25519PrivateKey.generate())
    return Case(ROUTE["AddDevice"], request, account, lambda: devices_of(account))


async def list_devices(gateway: Gateway) -> Case:
    return Case(ROUTE["ListDevices"], devices_pb2.ListDevicesRequest(), await Account.register(gateway))


async def remove_device(gateway: Gateway) -> Case:
    account = await Account.register(gateway)
    added = (await account.call("AddDevice", joining(account, Ed25519PrivateKey.generate()))).granted()
    request = devices_pb2.RemoveDeviceRequest(device_id=decode(added["device_id"]))
    return Case(ROUTE["RemoveDevice"], request, account, lambda: devices_of(account))


async def set_recovery_key(gateway: Gateway) -> Case:
    account = await Account.register(gateway)
    request = recovery_key(account, Ed25519PrivateKey.generate())
    return Case(ROUTE["SetRecoveryKey"], request, account, lambda: devices_of(account))


async def recover(gateway: Gateway) -> Case:
    account, key, device = await Account.register(gateway), Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    (await account.call("SetRecoveryKey", recovery_key(account, key))).granted()
    asked = auth_pb2.GetSessionChallengeRequest(device_public_key=raw(key))
    challenge = decode((await gateway.call(ROUTE["GetSessionChallenge"], asked)).granted()["challenge"])
    request = devices_pb2.RecoverRequest(
        recovery_public_key=raw(key),
        challenge=challenge,
        signature=key.sign(b"handshaker/v1/account-recovery" + challenge + raw(device) + b"\0"),
        device_public_key=raw(device),
        device_proof=device.sign(b"handshaker/v1/new-primary-device" + challenge + raw(device)),
    )
    return Case(ROUTE["Recover"], request, look=lambda: devices_of(account))
