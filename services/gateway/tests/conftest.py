import contextlib
import secrets
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from handshaker_auth.main import Auth
from handshaker_common.clock import SystemClock
from handshaker_common.entropy import system_entropy
from handshaker_common.postgres import service_database
from handshaker_common.redis_client import open_redis
from handshaker_common.server import Service
from handshaker_common.testing import *  # noqa: F403
from handshaker_common.testing import free_port
from handshaker_gateway.settings import GatewaySettings
from handshaker_gateway.store import KEY_PREFIX
from handshaker_keys.main import Keys
from handshaker_keys.settings import KeysSettings
from handshaker_local.embedded import Postgres, Redis

# Helpers beside the tests are imported by name.
sys.path.insert(0, str(Path(__file__).parent))
from gateway_stack import Person, Stack, auth_settings, new_database, running_gateway


@pytest.fixture(scope="session")
def gateway_redis(state_folder: Path):
    """A Redis of its own, because some tests kill it."""
    server = Redis(state_folder / "gateway-redis")
    server.start()
    yield server
    server.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack(postgres: Postgres, gateway_redis: Redis, state_folder: Path) -> AsyncIterator[Stack]:
    folder = state_folder / "gateway-stack"
    folder.mkdir()
    (folder / "pepper").write_bytes(secrets.token_bytes(32))
    async with contextlib.AsyncExitStack() as exits:
        enter = exits.enter_async_context
        settings = auth_settings(folder, await enter(new_database(postgres)))
        auth = Auth(await enter(service_database(settings, "handshaker_auth")), settings, SystemClock(), system_entropy)
        auth_service = await enter(Service("auth", settings, verifier=auth.verifier))
        auth.add_to(auth_service.server)
        await auth_service.start()
        auth_target = f"127.0.0.1:{auth_service.grpc_port}"

        dsn = await enter(new_database(postgres))
        keys_settings = KeysSettings(database_url=dsn, auth_target=auth_target, username_pepper_file=folder / "pepper")
        keys = Keys(await enter(service_database(keys_settings, "handshaker_keys")), keys_settings)
        keys_service = await enter(Service("keys", keys_settings))
        keys.add_to(keys_service.server)
        await keys_service.key_set.refresh()
        await keys_service.start()

        away = f"127.0.0.1:{free_port()}"
        gateway_settings = GatewaySettings(
            listen="127.0.0.1:0",
            redis_url=gateway_redis.url,
            auth_target=auth_target,
            keys_target=f"127.0.0.1:{keys_service.grpc_port}",
            blobstore_target=away,
            signaling_target=away,
        )
        gateway = await enter(running_gateway(gateway_settings))
        signing_key = Ed25519PrivateKey.from_private_bytes((folder / "signing" / "2026-01-01").read_bytes())
        stack = Stack(gateway_settings, gateway, signing_key)
        stack.gateway_keys = gateway.keys
        exits.push_async_callback(stack.session.close)
        yield stack
        exits.push_async_callback(keys_service.server.stop, None)
        exits.push_async_callback(auth_service.server.stop, None)


@pytest_asyncio.fixture(loop_scope="session")
async def person(stack: Stack, fresh_limits: None) -> Person:
    """Somebody with a new account."""
    somebody = Person(stack)
    answer = await somebody.register()
    assert answer.status == 200, answer.body
    return somebody


@pytest_asyncio.fixture(loop_scope="session")
async def fresh_limits(gateway_redis: Redis) -> None:
    """No limiter has counted anything yet."""
    client = open_redis(gateway_redis.url)
    buckets = await client.keys(f"{KEY_PREFIX}*")
    if buckets:
        await client.delete(*buckets)
    await client.aclose()
