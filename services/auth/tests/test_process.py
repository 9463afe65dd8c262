"""Auth as a process: what its command line and its settings say, how it becomes ready and how it ends."""

import asyncio
import json
import os
import signal
import sys

import asyncpg
import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from handshaker_auth.settings import AuthSettings
from handshaker_common.config import load
from handshaker_proto.auth.v1 import auth_pb2, auth_pb2_grpc


@pytest.fixture
def environment(settings, tmp_path):
    return {
        "HANDSHAKER_DATABASE_URL": settings.database_url.get_secret_value(),
        "HANDSHAKER_SIGNING_KEYS": str(settings.signing_keys),
        "HANDSHAKER_CHALLENGE_SECRET_FILE": str(settings.challenge_secret_file),
        "HANDSHAKER_READY_FILE": str(tmp_path / "ready"),
    }


async def start(environment, *arguments):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HANDSHAKER_")}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "handshaker_auth",
        *arguments,
        env=kept | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def finished(environment, *arguments):
    process = await start(environment, *arguments)
    output, errors = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode, output.decode(), errors.decode()


async def test_a_process_becomes_ready_serves_and_ends_cleanly(environment, tmp_path):
    process, ready = await start(environment), tmp_path / "ready"
    while not ready.exists():
        assert process.returncode is None, (await process.communicate())[1]
        await asyncio.sleep(0.02)
    port = json.loads(ready.read_text())["grpc"]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        health = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        assert health.status == health_pb2.HealthCheckResponse.SERVING
        keys = await auth_pb2_grpc.KeySetServiceStub(channel).GetKeySet(auth_pb2.GetKeySetRequest())
        assert len(keys.keys) == 1
    process.send_signal(signal.SIGTERM)
    _, errors = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, errors) == (0, b"")


async def test_a_migration_job_needs_no_secrets_and_may_run_again(environment):
    job = {"HANDSHAKER_DATABASE_URL": environment["HANDSHAKER_DATABASE_URL"]}
    for _ in range(2):
        status, _, errors = await finished(job, "--migrate-only")
        assert (status, errors) == (0, "")
    connection = await asyncpg.connect(job["HANDSHAKER_DATABASE_URL"])
    assert await connection.fetchval("SELECT count(*) FROM accounts") == 0
    await connection.close()


async def test_help_names_every_setting():
    status, output, _ = await finished({}, "--help")
    assert status == 0
    for name in AuthSettings.model_fields:
        assert f"HANDSHAKER_{name.upper()}\n" in output


@pytest.mark.parametrize(
    "change_and_sentence",
    [
        ({"HANDSHAKER_SIGNING_KEYS": None}, "HANDSHAKER_SIGNING_KEYS: is not set."),
        ({"HANDSHAKER_SIGNING_KEYS": "/nowhere"}, "HANDSHAKER_SIGNING_KEYS: cannot be read (FileNotFoundError)."),
        ({"HANDSHAKER_SIGNING_KEYS": "empty"}, "HANDSHAKER_SIGNING_KEYS: names a folder without any key in it."),
        (
            {"HANDSHAKER_SIGNING_KEYS": "short"},
            "HANDSHAKER_SIGNING_KEYS: short holds neither 32 raw bytes nor an unencrypted private key in PEM.",
        ),
        (
            {"HANDSHAKER_CHALLENGE_SECRET_FILE": "short"},
            "HANDSHAKER_CHALLENGE_SECRET_FILE: names a file with less than the 32 random bytes that a secret needs.",
        ),
        (
            {"HANDSHAKER_POW_BITS_LOOKUP": "27"},
            "HANDSHAKER_POW_BITS_LOOKUP: Input should be less than or equal to 26.",
        ),
        ({"HANDSHAKER_POW_BITS_LOOKUP": "26"}, None),
        ({"HANDSHAKER_REFRESH_DAYS": "0"}, "HANDSHAKER_REFRESH_DAYS: Input should be greater than or equal to 1."),
        ({"HANDSHAKER_DATABASE_URL": None}, "Set HANDSHAKER_DATABASE_URL_FILE or HANDSHAKER_DATABASE_URL"),
    ],
)
def test_every_mistake_in_the_settings_is_a_sentence(environment, tmp_path, monkeypatch, capsys, change_and_sentence):
    change, sentence = change_and_sentence
    (tmp_path / "empty").mkdir()
    (tmp_path / "short").write_bytes(b"31 bytes, secret-not-to-be-shown"[:31])
    monkeypatch.chdir(tmp_path)
    for name, value in (environment | change).items():
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
    if sentence is None:
        assert load(AuthSettings).pow_bits_lookup == 26
        return
    with pytest.raises(SystemExit) as stopped:
        load(AuthSettings)
    errors = capsys.readouterr().err
    assert stopped.value.code == 2
    assert sentence in errors
    assert "not-to-be-shown" not in errors
