import hashlib
import secrets
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from handshaker_auth.main import PACKAGE, Auth
from handshaker_auth.settings import AuthSettings
from handshaker_common.entropy import system_entropy
from handshaker_common.postgres import service_database
from handshaker_common.testing import *  # noqa: F403
from handshaker_common.testing import FakeClock, running_service
from handshaker_proto.auth.v1 import (
    auth_pb2,
    auth_pb2_grpc,
    devices_pb2,
    devices_pb2_grpc,
    tokens_pb2_grpc,
    wipe_pb2_grpc,
)

# Enough to tell worked from unworked, and found in an instant.
BITS = 8


def find_nonce(challenge, wanted):
    """The first nonce for whose number of leading zero bits `wanted` is true."""
    for number in range(1 << 20):
        digest = hashlib.sha256(challenge + number.to_bytes(8)).digest()
        if wanted(256 - int.from_bytes(digest).bit_length()):
            return number.to_bytes(8)
    raise AssertionError("no such nonce was found")


class Device:
    """A device key and what its owner would sign."""

    def __init__(self):
        self.key = Ed25519PrivateKey.generate()
        self.public = self.key.public_key().public_bytes_raw()

    def registration(self):
        proof = self.key.sign(b"handshaker/v1/register" + self.public)
        return auth_pb2.RegisterRequest(device_public_key=self.public, proof=proof)

    def login(self, challenge):
        signature = self.key.sign(b"handshaker/v1/session" + challenge)
        return auth_pb2.CreateSessionRequest(device_public_key=self.public, challenge=challenge, signature=signature)

    def refresh(self, challenge, token):
        message = b"handshaker/v1/refresh" + challenge + hashlib.sha256(token).digest()
        return auth_pb2.RefreshSessionRequest(
            refresh_token=token, challenge=challenge, signature=self.key.sign(message), device_public_key=self.public
        )

    def joining(self, account_id):
        proof = self.key.sign(b"handshaker/v1/add-device" + UUID(account_id).bytes + self.public)
        return devices_pb2.AddDeviceRequest(device_public_key=self.public, proof=proof)

    def as_recovery_key(self, account_id):
        proof = self.key.sign(b"handshaker/v1/recovery-key" + UUID(account_id).bytes + self.public)
        return devices_pb2.SetRecoveryKeyRequest(recovery_public_key=self.public, proof=proof)

    def recovers(self, challenge, device, *, remove_others=False):
        """A recovery that makes `device` the primary; this key is the recovery key."""
        flag = b"\1" if remove_others else b"\0"
        return devices_pb2.RecoverRequest(
            recovery_public_key=self.public,
            challenge=challenge,
            signature=self.key.sign(b"handshaker/v1/account-recovery" + challenge + device.public + flag),
            device_public_key=device.public,
            device_proof=device.key.sign(b"handshaker/v1/new-primary-device" + challenge + device.public),
            remove_other_devices=remove_others,
        )


@dataclass
class Api:
    """Stubs of auth, and the calls that most tests begin with."""

    channel: grpc.aio.Channel

    def __post_init__(self):
        self.admission = auth_pb2_grpc.AdmissionServiceStub(self.channel)
        self.registration = auth_pb2_grpc.RegistrationServiceStub(self.channel)
        self.sessions = auth_pb2_grpc.SessionsServiceStub(self.channel)
        self.devices = devices_pb2_grpc.DevicesServiceStub(self.channel)
        self.recovery = devices_pb2_grpc.RecoveryServiceStub(self.channel)
        self.tokens = tokens_pb2_grpc.TokensServiceStub(self.channel)
        self.wipe = wipe_pb2_grpc.WipeServiceStub(self.channel)
        self.key_set = auth_pb2_grpc.KeySetServiceStub(self.channel)

    async def register(self, device):
        answer = await self.registration.Register(device.registration())
        assert answer.WhichOneof("outcome") == "registered"
        return answer.registered

    async def challenge(self, device):
        request = auth_pb2.GetSessionChallengeRequest(device_public_key=device.public)
        return (await self.sessions.GetSessionChallenge(request)).challenge

    async def work(self, purpose):
        """A fresh challenge and a nonce that solves it."""
        answer = await self.admission.GetChallenge(auth_pb2.GetChallengeRequest(purpose=purpose))
        return answer.challenge, find_nonce(answer.challenge, lambda found: found >= answer.difficulty_bits)

    async def log_in(self, device):
        return await self.sessions.CreateSession(device.login(await self.challenge(device)))

    async def refresh(self, device, token):
        return await self.sessions.RefreshSession(device.refresh(await self.challenge(device), token))


@pytest.fixture
def nonce():
    return find_nonce


@pytest.fixture
def new_device():
    return Device


@pytest.fixture
def device():
    return Device()


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture(scope="session")
def issuer_pems():
    """Keys of three epochs, oldest first, as an operator would make them."""
    keys = [rsa.generate_private_key(65537, 2048) for _ in range(3)]
    return [key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) for key in keys]


@pytest.fixture
def settings(tmp_path, database, issuer_pems):
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "2026-01-01").write_bytes(secrets.token_bytes(32))
    issuer = tmp_path / "issuer"
    issuer.mkdir()
    (issuer / "2026-01").write_bytes(issuer_pems[0])
    secret = tmp_path / "challenge-secret"
    secret.write_bytes(secrets.token_bytes(32))
    bits = {f"pow_bits_{name}": BITS for name in ("registration", "mailbox", "lookup", "first_contact", "wake_target")}
    more = {"issuer_keys": issuer, "tokens_a_day": 40}
    return AuthSettings(database_url=database, signing_keys=keys, challenge_secret_file=secret, **more, **bits)


@pytest.fixture
async def pool(settings):
    async with service_database(settings, PACKAGE) as pool:
        yield pool


@pytest.fixture
def auth(pool, settings, clock):
    return Auth(pool, settings, clock, system_entropy)


@pytest.fixture
async def api(auth, settings):
    def add(service):
        auth.add_to(service.server)

    async with running_service("auth", add, settings=settings, verifier=auth.verifier) as channel:
        yield Api(channel)


@pytest.fixture
def statements(pool, monkeypatch):
    """What the pool's callers ask of the database, as text, in order."""
    asked = []
    for name in ("execute", "fetch", "fetchrow", "fetchval"):
        original = getattr(asyncpg.Pool, name)

        async def listen(self, query, *arguments, original=original, **options):
            asked.append(query)
            return await original(self, query, *arguments, **options)

        monkeypatch.setattr(asyncpg.Pool, name, listen)
    return asked


@pytest.fixture
def rejection():
    """Awaits a call that must fail and gives its status code and the reason of its one ErrorInfo."""

    async def of(call):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call
        details = rpc_status.from_call(raised.value).details
        info = error_details_pb2.ErrorInfo()
        assert len(details) == 1
        assert details[0].Unpack(info)
        return raised.value.code(), info.reason

    return of
