"""What clients are told when something behind the gateway fails: services, Redis, everything at once."""

import asyncio
import contextlib

import grpc
import pytest
from gateway_stack import another_gateway
from handshaker_common.errors import Aborted, InvalidArgument, ResourceExhausted, Unauthenticated, Unavailable
from handshaker_common.guard import to_status
from handshaker_common.reasons import Reason
from handshaker_common.testing import free_port
from handshaker_gateway.domain import base64url
from handshaker_gateway.domain.rpc_errors import problem_of
from handshaker_gateway.limiters import Limiter, OnOutage
from handshaker_local.embedded import Redis
from handshaker_proto.keys.v1 import keys_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")
SECRET = "secret-sentinel-10.1.2.3"


class Failing(grpc.GenericRpcHandler):
    """Keys, failing as told: real keys cannot be made to fail in all these ways on demand."""

    def __init__(self):
        self.status = None
        self.response = b""
        self.hangs = False
        self.cancelled = asyncio.Event()

    def service(self, handler_call_details):
        if handler_call_details.method.startswith("/handshaker.keys."):
            return grpc.unary_unary_rpc_method_handler(self.answer)
        return None

    async def answer(self, _request, context):
        if self.hangs:
            try:
                await asyncio.Event().wait()
            finally:
                self.cancelled.set()
        if self.status is not None:
            await context.abort(*self.status)
        return self.response


@contextlib.asynccontextmanager
async def failing_keys(stack):
    keys = Failing()
    server = grpc.aio.server(handlers=[keys])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with another_gateway(stack, keys_target=f"127.0.0.1:{port}") as other:
        yield keys, other
    await server.stop(None)


def rejected(error):
    status = to_status(error)
    return status.code, status.details, status.trailing_metadata


CASES = [
    (rejected(InvalidArgument(Reason.MALFORMED, "A field is wrong.")), 400, "malformed", "A field is wrong.", None),
    (rejected(Unauthenticated(Reason.UNAUTHENTICATED, "No.")), 401, "unauthenticated", None, None),
    (rejected(Unauthenticated(Reason.CALLER_NOT_ALLOWED, SECRET)), 500, "internal", None, None),
    (rejected(ResourceExhausted(Reason.RATE_LIMITED, "Slow down.", retry_after=2.5)), 429, "rate_limited", None, 3),
    (rejected(ResourceExhausted(Reason.OVERLOADED, "Full.")), 429, "overloaded", "Full.", 1),
    (rejected(Aborted(Reason.CONFLICT, "Again.")), 409, "conflict", "Again.", None),
    (rejected(Unavailable(Reason.OVERLOADED, "Busy.", retry_after=7)), 503, "overloaded", "Busy.", 7),
    (rejected(Unavailable(Reason.INTERNAL, "A mistake.")), 503, "internal", "A mistake.", 1),
    ((grpc.StatusCode.UNAVAILABLE, SECRET, ()), 503, "unavailable", None, 2),
    ((grpc.StatusCode.UNAUTHENTICATED, SECRET, ()), 401, "unauthenticated", None, None),
    ((grpc.StatusCode.RESOURCE_EXHAUSTED, SECRET, ()), 500, "internal", None, None),
    ((grpc.StatusCode.INVALID_ARGUMENT, SECRET, ()), 500, "internal", None, None),
    ((grpc.StatusCode.ABORTED, SECRET, ()), 409, "conflict", None, None),
    ((grpc.StatusCode.INTERNAL, SECRET, ()), 500, "internal", None, None),
    ((grpc.StatusCode.UNKNOWN, SECRET, ()), 500, "internal", None, None),
    ((grpc.StatusCode.PERMISSION_DENIED, SECRET, ()), 500, "internal", None, None),
    ((grpc.StatusCode.UNIMPLEMENTED, SECRET, ()), 500, "internal", None, None),
    ((grpc.StatusCode.NOT_FOUND, SECRET, (("grpc-status-details-bin", b"\xff\xff"),)), 500, "internal", None, None),
]


async def test_every_kind_of_failure(stack, person, capfd):
    async with failing_keys(stack) as (keys, other):
        assert (await other.send("DELETE", "/v1/username", token=person.token)).status == 200
        for status, code, reason, detail, retry_after in CASES:
            keys.status = status
            answer = await other.send("DELETE", "/v1/username", token=person.token)
            assert (answer.status, answer.reason) == (code, reason), status
            assert detail is None or answer.json["detail"] == detail
            assert answer.headers.get("Retry-After") == (None if retry_after is None else str(retry_after))
            assert ("WWW-Authenticate" in answer.headers) == (code == 401)
            assert SECRET.encode() not in answer.body
    assert SECRET not in "".join(capfd.readouterr())


async def test_a_service_that_hangs(stack, person):
    async with failing_keys(stack) as (keys, other):
        keys.hangs = True
        answer = await other.send("DELETE", "/v1/username", token=person.token)
        assert (answer.status, answer.reason) == (504, "deadline")
        await asyncio.wait_for(keys.cancelled.wait(), 5)


async def test_a_service_that_answers_nonsense(stack, person):
    name = {"lookup_hash": base64url.encode(bytes(32)), "sealed_address": base64url.encode(bytes(512))}
    async with failing_keys(stack) as (keys, other):
        keys.response = keys_pb2.SetUsernameResponse(set={}).SerializeToString()
        assert (await other.send("PUT", "/v1/username", name, token=person.token)).status == 200
        keys.response = b""
        answer = await other.send("PUT", "/v1/username", name, token=person.token)
        assert (answer.status, answer.reason) == (500, "internal")
        keys.response = b"\xff\xff"
        answer = await other.send("PUT", "/v1/username", name, token=person.token)
        assert (answer.status, answer.reason) == (500, "internal")


async def test_without_auth_nobody_is_called_an_impostor(stack, person):
    async with another_gateway(stack, auth_target=f"127.0.0.1:{free_port()}", with_keys=False) as other:
        answer = await other.send("GET", "/v1/account", token=person.token)
        assert (answer.status, answer.reason) == (503, "unavailable")
        assert (await other.send("GET", "/.well-known/jwks.json")).reason == "unavailable"
        assert "auth" in (await other.send("GET", "/readyz")).json["missing"]
        assert (await other.send("GET", "/healthz")).status == 200


async def test_redis_goes_and_comes_back(stack, person, state_folder):
    server = Redis(state_folder / "gateway-outage")
    server.start()
    body = {"device_public_key": base64url.encode(person.public)}
    async with another_gateway(stack, redis_url=server.url) as other:

        async def closed():
            return await other.send("POST", "/a/v1/sessions/challenge", body)

        async def opened():
            return await other.send("POST", "/a/v1/challenges", {"purpose": "LOOKUP"})

        assert Limiter.SESSION.value.on_outage is OnOutage.CLOSED
        assert Limiter.CHALLENGE.value.on_outage is OnOutage.OPEN
        assert ((await closed()).status, (await opened()).status) == (200, 200)
        server.kill()
        answer = await closed()
        assert (answer.status, answer.reason) == (503, "limiter_unavailable")
        assert int(answer.headers["Retry-After"]) >= 1
        assert (await opened()).status == 200
        assert (await other.send("GET", "/v1/account", token=person.token)).status == 200
        server.start()
        assert (await closed()).status == 200
    server.stop()


async def test_reasons_that_nobody_knows_are_not_passed_on():
    problem = problem_of("UNAVAILABLE", "made_up", SECRET, None)
    assert (problem.status, problem.reason) == (503, Reason.UNAVAILABLE)
    assert SECRET not in problem.detail
