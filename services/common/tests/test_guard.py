"""The interceptor before every method: callers, planes, limits, one form of errors."""

import asyncio
import datetime
import uuid
from pathlib import Path

import grpc
import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status
from handshaker_common import log
from handshaker_common.channels import Channels, spiffe_id, tls_name
from handshaker_common.config import ServiceSettings
from handshaker_common.errors import ResourceExhausted
from handshaker_common.identity import Identity, caller
from handshaker_common.reasons import Reason
from handshaker_common.server import Service
from handshaker_common.testing import FakeClock, running_service
from handshaker_common.tokens import AccessTokenVerifier
from handshaker_proto.auth.v1 import auth_pb2, auth_pb2_grpc
from handshaker_proto.options.v1 import options_pb2

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


class Sessions(auth_pb2_grpc.SessionsServiceServicer):
    """Echoes who called, and fails as the test asks."""

    async def GetAccount(self, request, context):
        identity = caller()
        return auth_pb2.GetAccountResponse(account_id=str(identity.account_id), device_id=str(identity.device_id))

    async def GetSessionChallenge(self, request, context):
        if request.device_public_key == b"e" * 32:
            raise ResourceExhausted(Reason.RATE_LIMITED, "Too often.", retry_after=1.5)
        if request.device_public_key == b"x" * 32:
            raise RuntimeError("a secret that must not leave")
        return auth_pb2.GetSessionChallengeResponse(challenge=b"c")


class Verifier:
    def __init__(self, verifier):
        self._verifier = verifier

    async def verify(self, token: str) -> Identity:
        return self._verifier.verify(token)


KEY = Ed25519PrivateKey.generate()
ACCOUNT, DEVICE = uuid.uuid4(), uuid.uuid4()
CLOCK = FakeClock()


def token(key=KEY, algorithm="EdDSA", headers=None, **changes):
    claims = {
        "iss": "handshaker",
        "aud": "handshaker",
        "sub": str(ACCOUNT),
        "dev": str(DEVICE),
        "iat": int(CLOCK.now()),
        "exp": int(CLOCK.now()) + 300,
        "jti": "j",
    }
    claims = {name: value for name, value in (claims | changes).items() if value is not None}
    return jwt.encode(claims, key, algorithm=algorithm, headers={"typ": "at+jwt", "kid": "k"} | (headers or {}))


def bearer(value):
    return (("authorization", f"Bearer {value}"),)


@pytest.fixture
async def stub():
    verifier = Verifier(AccessTokenVerifier({"k": KEY.public_key()}, CLOCK))

    def add(service):
        auth_pb2_grpc.add_SessionsServiceServicer_to_server(Sessions(), service.server)

    async with running_service("auth", add, verifier=verifier) as channel:
        yield auth_pb2_grpc.SessionsServiceStub(channel)


async def refused(call):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    status = rpc_status.from_call(caught.value)
    details = {}
    for detail in status.details:
        for kind in (error_details_pb2.ErrorInfo, error_details_pb2.RetryInfo):
            if detail.Is(kind.DESCRIPTOR):
                details[kind] = kind.FromString(detail.value)
    assert len([d for d in status.details if d.Is(error_details_pb2.ErrorInfo.DESCRIPTOR)]) == 1
    return caught.value, details[error_details_pb2.ErrorInfo].reason, details.get(error_details_pb2.RetryInfo)


async def test_account_plane_takes_a_good_token_and_no_other(stub):
    answer = await stub.GetAccount(auth_pb2.GetAccountRequest(), metadata=bearer(token()))
    assert (answer.account_id, answer.device_id) == (str(ACCOUNT), str(DEVICE))
    now = int(CLOCK.now())
    hostile = {
        "none": jwt.encode({"sub": "x"}, None, algorithm="none", headers={"typ": "at+jwt", "kid": "k"}),
        "hmac": jwt.encode({"sub": "x"}, "k" * 32, algorithm="HS256", headers={"typ": "at+jwt", "kid": "k"}),
        "other key": token(Ed25519PrivateKey.generate()),
        "unknown kid": token(headers={"kid": "other"}),
        "crit": token(headers={"crit": ["exp"]}),
        "jku": token(headers={"jku": "https://attacker.example"}),
        "typ": token(headers={"typ": "JWT"}),
        "expired": token(exp=now - 11),
        "from the future": token(iat=now + 11),
        "nbf": token(nbf=now - 1),
        "float exp": token(exp=now + 0.5),
        "issuer": token(iss="other"),
        "audience": token(aud="other"),
        "audience list": token(aud=["handshaker"]),
        "no device": token(dev=None),
        "no expiry": token(exp=None),
        "not a uuid": token(sub="me"),
        "long": token(pad="x" * 1024),
        "garbage": "a.b.c",
        "empty": "",
    }
    for name, value in hostile.items():
        error, reason, _ = await refused(stub.GetAccount(auth_pb2.GetAccountRequest(), metadata=bearer(value)))
        assert (error.code(), reason) == (grpc.StatusCode.UNAUTHENTICATED, "unauthenticated"), name
    _, reason, _ = await refused(stub.GetAccount(auth_pb2.GetAccountRequest()))
    assert reason == "unauthenticated"
    assert await stub.GetAccount(auth_pb2.GetAccountRequest(), metadata=bearer(token(exp=now - 9)))


async def test_a_token_on_the_anonymous_plane_is_an_error(stub):
    request = auth_pb2.GetSessionChallengeRequest(device_public_key=b"k" * 32)
    assert (await stub.GetSessionChallenge(request)).challenge == b"c"
    error, reason, _ = await refused(stub.GetSessionChallenge(request, metadata=bearer(token())))
    assert (error.code(), reason) == (grpc.StatusCode.UNAUTHENTICATED, "token_on_anonymous_plane")


@pytest.mark.parametrize("size", [0, 31, 33])
async def test_sizes_are_exact(stub, size):
    request = auth_pb2.GetSessionChallengeRequest(device_public_key=b"k" * size)
    error, reason, _ = await refused(stub.GetSessionChallenge(request))
    assert (error.code(), reason) == (grpc.StatusCode.INVALID_ARGUMENT, "malformed")
    assert error.details() == "device_public_key must have exactly 32 bytes."


async def test_errors_have_one_form_and_leak_nothing(stub, capsys):
    log.configure("auth")
    error, reason, retry = await refused(
        stub.GetSessionChallenge(auth_pb2.GetSessionChallengeRequest(device_public_key=b"e" * 32))
    )
    assert (error.code(), reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "rate_limited")
    assert retry.retry_delay.ToMilliseconds() == 1500
    error, reason, _ = await refused(
        stub.GetSessionChallenge(auth_pb2.GetSessionChallengeRequest(device_public_key=b"x" * 32))
    )
    assert (error.code(), reason) == (grpc.StatusCode.UNAVAILABLE, "internal")
    logged = capsys.readouterr().out
    assert "RuntimeError" in logged
    assert "secret" not in logged + str(error.details())


def certificates(folder: Path, names: list[str], *, uris: bool = True) -> dict[str, tuple[Path, Path]]:
    """A little authority and a leaf for each name; `uris` says whether leaves name their service by a URI as well."""
    now = datetime.datetime.now(datetime.UTC)

    def make(subject, key, issuer, issuer_key, extensions):
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)]))
            .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(hours=1))
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(issuer_key, hashes.SHA256())

    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = make("ca", authority_key, "ca", authority_key, [x509.BasicConstraints(ca=True, path_length=0)])
    (folder / "ca.pem").write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    found = {}
    for name in names:
        key = ec.generate_private_key(ec.SECP256R1())
        dns, uri = x509.DNSName(tls_name(name)), x509.UniformResourceIdentifier(spiffe_id(name))
        alternatives = x509.SubjectAlternativeName([dns, uri] if uris else [dns])
        leaf = make(name, key, "ca", authority_key, [alternatives])
        (folder / f"{name}.pem").write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
        (folder / f"{name}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        found[name] = (folder / f"{name}.pem", folder / f"{name}.key")
    return found


def tls_settings(folder, name, **more):
    return ServiceSettings(
        tls_certificate_file=folder / f"{name}.pem",
        tls_key_file=folder / f"{name}.key",
        tls_ca_file=folder / "ca.pem",
        **more,
    )


@pytest.mark.parametrize("uris", [True, False])
async def test_only_declared_callers_with_a_certificate_get_through(tmp_path, uris):
    certificates(tmp_path, ["auth", "gateway", "keys"], uris=uris)
    request = auth_pb2.GetSessionChallengeRequest(device_public_key=b"k" * 32)
    async with Service("auth", tls_settings(tmp_path, "auth")) as service:
        auth_pb2_grpc.add_SessionsServiceServicer_to_server(Sessions(), service.server)
        await service.start()
        target = f"127.0.0.1:{service.grpc_port}"

        async def ask(name):
            channels = Channels(tls_settings(tmp_path, name, auth_target=target))
            stub = auth_pb2_grpc.SessionsServiceStub(channels.channel(options_pb2.AUTH))
            try:
                return await stub.GetSessionChallenge(request, wait_for_ready=True)
            finally:
                await channels.close_all()

        assert (await ask("gateway")).challenge == b"c"
        _, reason, _ = await refused(ask("keys"))
        assert reason == "caller_not_allowed"
        async with grpc.aio.insecure_channel(target) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await auth_pb2_grpc.SessionsServiceStub(channel).GetSessionChallenge(request, timeout=2)
            assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        # A server that holds another service's certificate is not taken for auth.
        impostor = Channels(tls_settings(tmp_path, "gateway", keys_target=target))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await auth_pb2_grpc.SessionsServiceStub(impostor.channel(options_pb2.KEYS)).GetSessionChallenge(
                request, timeout=2
            )
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        await impostor.close_all()
        assert (await ask("gateway")).challenge == b"c"
        await service.server.stop(None)


async def test_probes_see_health_and_nothing_else_without_a_certificate(tmp_path):
    certificates(tmp_path, ["auth"])
    settings = tls_settings(tmp_path, "auth", health_listen="127.0.0.1:0")
    serving = asyncio.Event()

    async def is_ready():
        return serving.is_set()

    async with Service("auth", settings) as service:
        auth_pb2_grpc.add_SessionsServiceServicer_to_server(Sessions(), service.server)
        service.ready_when(is_ready)
        await service.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{service.more_ports['health']}") as channel:
            health = health_pb2_grpc.HealthStub(channel)
            assert (await health.Check(health_pb2.HealthCheckRequest())).status == NOT_SERVING
            serving.set()
            await service._check_ready()
            assert (await health.Check(health_pb2.HealthCheckRequest())).status == SERVING
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await auth_pb2_grpc.SessionsServiceStub(channel).GetSessionChallenge(
                    auth_pb2.GetSessionChallengeRequest(device_public_key=b"k" * 32)
                )
            assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
            await service.drain()
            assert (await health.Check(health_pb2.HealthCheckRequest())).status == NOT_SERVING
