"""What operators see: readiness with everything there, and metrics that stay few and name nobody."""

import asyncio
import contextlib
import json
import os
import signal
import sys

import pytest
from gateway_raw import raw
from gateway_stack import another_gateway, new_database
from handshaker_common import metrics
from handshaker_gateway.domain.problems import TITLES
from handshaker_gateway.domain.routes import all_routes
from handshaker_gateway.limiters import Limiter

pytestmark = pytest.mark.asyncio(loop_scope="session")
SYSTEM = {"/healthz", "/readyz", "/openapi.json", "/.well-known/jwks.json", "/a/v1/ws", "none"}


@contextlib.asynccontextmanager
async def service(name, folder, **settings):
    """A real service as a process, and the address of its gRPC once it is ready."""
    ready = folder / f"{name}.json"
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HANDSHAKER_")}
    env = kept | {f"HANDSHAKER_{key.upper()}": str(value) for key, value in (settings | {"ready_file": ready}).items()}
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"handshaker_{name}", env=env, stdout=quiet, stderr=asyncio.subprocess.PIPE
    )
    try:
        while not ready.exists():
            assert process.returncode is None, (await process.communicate())[1]
            await asyncio.sleep(0.02)
        yield process, f"127.0.0.1:{json.loads(ready.read_text())['grpc']}"
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.communicate(), 20)


async def readiness(gateway, wanted):
    """Asks until the gateway says what is wanted."""
    while True:
        answer = await gateway.send("GET", "/readyz")
        if answer.json["missing"] == wanted:
            return answer
        await asyncio.sleep(0.05)


async def test_ready_with_everything_there(stack, postgres, gateway_redis, tmp_path):
    async with contextlib.AsyncExitStack() as exits:
        dsn = await exits.enter_async_context(new_database(postgres))
        _, blobstore = await exits.enter_async_context(service("blobstore", tmp_path, database_url=dsn))
        relay = service("signaling", tmp_path, blobstore_target=blobstore, redis_url=gateway_redis.url)
        process, signaling = await exits.enter_async_context(relay)
        targets = {"blobstore_target": blobstore, "signaling_target": signaling}
        other = await exits.enter_async_context(another_gateway(stack, **targets))
        answer = await asyncio.wait_for(readiness(other, []), 20)
        assert (answer.status, answer.json) == (200, {"ready": True, "missing": []})
        async with other.session.ws_connect(other.url + "/a/v1/ws", protocols=["handshaker.v1"]) as socket:
            assert (await socket.receive()).type.name == "BINARY"
        process.kill()
        assert (await asyncio.wait_for(readiness(other, ["signaling"]), 20)).status == 503


def labels():
    """All values of all labels of the gateway's metrics."""
    found = {}
    for family in metrics.REGISTRY.collect():
        if family.name.startswith("handshaker_gateway"):
            for sample in family.samples:
                for name, value in sample.labels.items():
                    found.setdefault(name, set()).add(value)
    return found


async def test_labels_are_few_whatever_people_ask_for(stack, person):
    for number in range(20):
        await stack.send("GET", f"/nothing/{number}")
        await stack.send("POST", f"/a/v1/bundles/{number}")
        await raw(stack.port, b"BOGUS%d / HTTP/1.1\r\nHost: x\r\n\r\n" % number)
    await stack.send("GET", "/v1/account", token=person.token)
    found = labels()
    assert found["route"] <= {route.template for route in all_routes()} | SYSTEM
    assert {"none", "/a/v1/bundles/{bundle_id}", "/v1/account"} <= found["route"]
    assert found["code_class"] <= {"1xx", "2xx", "4xx", "5xx"}
    assert found["reason"] <= {reason.value for reason in TITLES} | {"none"}
    assert found["limiter"] <= {limiter.key for limiter in Limiter}
    assert found["outcome"] <= {"granted", "refused", "failed_open", "failed_closed"}


async def test_refusals_are_counted_by_route_and_reason(stack):
    def count():
        return metrics.GATEWAY_REQUESTS.labels("/v1/account", "4xx", "unauthenticated")._value.get()

    before = count()
    await stack.send("GET", "/v1/account")
    assert count() == before + 1
