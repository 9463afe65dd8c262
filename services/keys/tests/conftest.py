import secrets
import uuid

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from handshaker_common.postgres import service_database
from handshaker_common.testing import *  # noqa: F403
from handshaker_common.testing import FakeClock, running_service
from handshaker_common.tokens import AccessTokenVerifier
from handshaker_keys.main import PACKAGE, Keys
from handshaker_keys.settings import KeysSettings
from handshaker_proto.keys.v1 import keys_pb2, keys_pb2_grpc

KEY_ID = "k"


class Tokens:
    """Signs access tokens as auth does, and checks them as every service does."""

    def __init__(self, clock):
        self.key, self.clock = Ed25519PrivateKey.generate(), clock
        self._verifier = AccessTokenVerifier({KEY_ID: self.key.public_key()}, clock)

    async def verify(self, token):
        return self._verifier.verify(token)

    def issue(self, account_id, key=None):
        now = int(self.clock.now())
        claims = {"iss": "handshaker", "aud": "handshaker", "sub": str(account_id), "dev": str(uuid.uuid4())}
        claims |= {"iat": now, "exp": now + 300, "jti": secrets.token_hex(8)}
        return jwt.encode(claims, key or self.key, algorithm="EdDSA", headers={"kid": KEY_ID, "typ": "at+jwt"})


class Owner:
    """An account with an access token, and what its client would send."""

    def __init__(self, tokens):
        self.account_id = uuid.uuid4()
        self.bundle_id = secrets.token_bytes(16)
        self.metadata = (("authorization", f"Bearer {tokens.issue(self.account_id)}"),)

    def base(self):
        return keys_pb2.BundleBase(
            suite=keys_pb2.SUITE_HANDSHAKER_V1,
            identity_key=secrets.token_bytes(32),
            seal_key=secrets.token_bytes(1_216),
            seal_key_signature=secrets.token_bytes(64),
            signed_prekey=keys_pb2.SignedPreKey(
                key_id=7, public_key=secrets.token_bytes(32), signature=secrets.token_bytes(64)
            ),
            last_resort_kem_prekey=self.kem_prekeys(2**32 - 1)[0],
            device_certificate=secrets.token_bytes(169),
        )

    def bundle(self, bundle_id=None):
        return keys_pb2.PublishBundleRequest(bundle_id=bundle_id or self.bundle_id, base=self.base())

    def one_time_prekeys(self, *ids):
        return [keys_pb2.OneTimePreKey(key_id=key_id, public_key=secrets.token_bytes(32)) for key_id in ids]

    def kem_prekeys(self, *ids):
        return [
            keys_pb2.KemPreKey(key_id=key_id, public_key=secrets.token_bytes(1_568), signature=secrets.token_bytes(64))
            for key_id in ids
        ]

    def upload(self, ec=(), kem=()):
        return keys_pb2.UploadPreKeysRequest(
            bundle_id=self.bundle_id, one_time_prekeys=self.one_time_prekeys(*ec), kem_prekeys=self.kem_prekeys(*kem)
        )


class Api:
    def __init__(self, channel):
        self.owners = keys_pb2_grpc.KeysServiceStub(channel)
        self.strangers = keys_pb2_grpc.KeysAnonymousServiceStub(channel)

    async def publish(self, owner, request=None):
        return await self.owners.PublishBundle(request or owner.bundle(), metadata=owner.metadata)

    async def upload(self, owner, request):
        return await self.owners.UploadPreKeys(request, metadata=owner.metadata)

    async def counts(self, owner, bundle_id=None):
        request = keys_pb2.GetPreKeyCountsRequest(bundle_id=bundle_id or owner.bundle_id)
        return await self.owners.GetPreKeyCounts(request, metadata=owner.metadata)

    async def fetch(self, bundle_id):
        return await self.strangers.FetchBundle(keys_pb2.FetchBundleRequest(bundle_id=bundle_id))

    async def set_username(self, owner, lookup_hash, address):
        request = keys_pb2.SetUsernameRequest(lookup_hash=lookup_hash, sealed_address=address)
        return await self.owners.SetUsername(request, metadata=owner.metadata)

    async def release_username(self, owner):
        return await self.owners.ReleaseUsername(keys_pb2.ReleaseUsernameRequest(), metadata=owner.metadata)

    async def look_up(self, lookup_hash):
        return await self.strangers.LookupUsername(keys_pb2.LookupUsernameRequest(lookup_hash=lookup_hash))


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def tokens(clock):
    return Tokens(clock)


@pytest.fixture
def new_owner(tokens):
    return lambda: Owner(tokens)


@pytest.fixture
def owner(new_owner):
    return new_owner()


@pytest.fixture
def settings(tmp_path, database):
    pepper = tmp_path / "pepper"
    pepper.write_bytes(secrets.token_bytes(32))
    return KeysSettings(database_url=database, auth_target="127.0.0.1:1", username_pepper_file=pepper)


@pytest.fixture
async def pool(settings):
    async with service_database(settings, PACKAGE) as pool:
        yield pool


@pytest.fixture
def keys(pool, settings):
    return Keys(pool, settings)


@pytest.fixture
async def api(keys, tokens):
    async with running_service("keys", lambda service: keys.add_to(service.server), verifier=tokens) as channel:
        yield Api(channel)


@pytest.fixture
def rejection():
    """Awaits a call that must fail and gives its status code, its reason and its sentence."""

    async def of(call):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call
        details = rpc_status.from_call(raised.value).details
        info = error_details_pb2.ErrorInfo()
        assert len(details) == 1
        assert details[0].Unpack(info)
        return raised.value.code(), info.reason, raised.value.details()

    return of
