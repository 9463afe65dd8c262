"""Both planes of keys, what it logs, and keys as a process beside a real key set."""

import asyncio
import json
import os
import secrets
import signal
import sys
import time

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from handshaker_common.config import ServiceSettings, load
from handshaker_common.server import Service
from handshaker_common.testing import FakeClock
from handshaker_keys.settings import KeysSettings
from handshaker_proto.auth.v1 import auth_pb2, auth_pb2_grpc
from handshaker_proto.keys.v1 import keys_pb2, keys_pb2_grpc

NO_TOKEN = (grpc.StatusCode.UNAUTHENTICATED, "unauthenticated")


def bearer(token):
    return (("authorization", f"Bearer {token}"),)


async def test_an_access_token_is_an_error_on_the_anonymous_plane(api, owner, rejection):
    await api.publish(owner)
    fetch = keys_pb2.FetchBundleRequest(bundle_id=owner.bundle_id)
    look_up = keys_pb2.LookupUsernameRequest(lookup_hash=bytes(32))
    for call, request in ((api.strangers.FetchBundle, fetch), (api.strangers.LookupUsername, look_up)):
        code, reason, _ = await rejection(call(request, metadata=owner.metadata))
        assert (code, reason) == (grpc.StatusCode.UNAUTHENTICATED, "token_on_anonymous_plane")
        assert (await call(request)).WhichOneof("outcome") is not None


async def test_the_account_plane_wants_a_good_token(api, owner, tokens, clock, rejection):
    foreign = bearer(tokens.issue(owner.account_id, Ed25519PrivateKey.generate()))
    calls = [
        (api.owners.PublishBundle, owner.bundle()),
        (api.owners.UploadPreKeys, owner.upload(ec=[1])),
        (api.owners.GetPreKeyCounts, keys_pb2.GetPreKeyCountsRequest(bundle_id=owner.bundle_id)),
        (api.owners.SetUsername, keys_pb2.SetUsernameRequest(lookup_hash=bytes(32), sealed_address=bytes(512))),
        (api.owners.ReleaseUsername, keys_pb2.ReleaseUsernameRequest()),
    ]
    for call, request in calls:
        for metadata in ((), foreign, bearer(""), bearer("x.y.z")):
            assert (await rejection(call(request, metadata=metadata)))[:2] == NO_TOKEN
        assert await call(request, metadata=owner.metadata) is not None
    clock.advance(311)
    for call, request in calls:
        assert (await rejection(call(request, metadata=owner.metadata)))[:2] == NO_TOKEN


async def test_nothing_that_names_anybody_is_logged(api, owner, capfd, rejection):
    alice = secrets.token_bytes(32)
    await api.publish(owner)
    await api.set_username(owner, alice, bytes(512))
    await api.look_up(alice)
    await rejection(api.fetch(b"sentinel"))
    written = "".join(capfd.readouterr())
    for secret in (str(owner.account_id), owner.bundle_id.hex(), alice.hex(), "sentinel"):
        assert secret not in written


class KeySet(auth_pb2_grpc.KeySetServiceServicer):
    """Gives the key of the tests' tokens."""

    def __init__(self, key):
        self.public = key.public_key().public_bytes_raw()

    async def GetKeySet(self, request, context):
        return auth_pb2.GetKeySetResponse(keys=[auth_pb2.GetKeySetResponse.Key(key_id="k", public_key=self.public)])


@pytest.fixture
async def auth_port(tokens):
    async with Service("auth", ServiceSettings()) as service:
        auth_pb2_grpc.add_KeySetServiceServicer_to_server(KeySet(tokens.key), service.server)
        await service.start()
        yield service.grpc_port
        await service.server.stop(None)


async def start(environment, *arguments):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HANDSHAKER_")}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "handshaker_keys",
        *arguments,
        env=kept | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@pytest.fixture
def environment(settings, auth_port, tmp_path):
    return {
        "HANDSHAKER_DATABASE_URL": settings.database_url.get_secret_value(),
        "HANDSHAKER_USERNAME_PEPPER_FILE": str(settings.username_pepper_file),
        "HANDSHAKER_AUTH_TARGET": f"127.0.0.1:{auth_port}",
        "HANDSHAKER_READY_FILE": str(tmp_path / "ready"),
    }


@pytest.mark.parametrize("clock", [FakeClock(time.time())])
async def test_a_process_serves_both_planes_and_ends_cleanly(environment, owner, tmp_path):
    process, ready = await start(environment), tmp_path / "ready"
    while not ready.exists():
        assert process.returncode is None, (await process.communicate())[1]
        await asyncio.sleep(0.02)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{json.loads(ready.read_text())['grpc']}") as channel:
        published = await keys_pb2_grpc.KeysServiceStub(channel).PublishBundle(owner.bundle(), metadata=owner.metadata)
        assert published.WhichOneof("outcome") == "published"
        fetch = keys_pb2.FetchBundleRequest(bundle_id=owner.bundle_id)
        fetched = await keys_pb2_grpc.KeysAnonymousServiceStub(channel).FetchBundle(fetch)
        assert fetched.WhichOneof("outcome") == "bundle"
    process.send_signal(signal.SIGTERM)
    _, errors = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, errors) == (0, b"")


async def test_a_migration_job_needs_no_secrets(environment):
    process = await start({"HANDSHAKER_DATABASE_URL": environment["HANDSHAKER_DATABASE_URL"]}, "--migrate-only")
    _, errors = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, errors) == (0, b"")


@pytest.mark.parametrize(
    "change_and_sentence",
    [
        ({"HANDSHAKER_AUTH_TARGET": None}, "HANDSHAKER_AUTH_TARGET: is not set."),
        ({"HANDSHAKER_USERNAME_PEPPER_FILE": None}, "HANDSHAKER_USERNAME_PEPPER_FILE: is not set."),
        (
            {"HANDSHAKER_USERNAME_PEPPER_FILE": "nowhere"},
            "HANDSHAKER_USERNAME_PEPPER_FILE: names a file that is not there.",
        ),
        (
            {"HANDSHAKER_USERNAME_PEPPER_FILE": "short"},
            "HANDSHAKER_USERNAME_PEPPER_FILE: names a file with less than the 32 random bytes that a secret needs.",
        ),
        ({}, None),
    ],
)
def test_every_mistake_in_the_settings_is_a_sentence(environment, tmp_path, monkeypatch, capsys, change_and_sentence):
    change, sentence = change_and_sentence
    (tmp_path / "short").write_bytes(bytes(31))
    monkeypatch.chdir(tmp_path)
    for name, value in (environment | change).items():
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
    if sentence is None:
        assert load(KeysSettings).auth_target == environment["HANDSHAKER_AUTH_TARGET"]
        return
    with pytest.raises(SystemExit) as stopped:
        load(KeysSettings)
    assert stopped.value.code == 2
    assert capsys.readouterr().err == f"{sentence}\n"
