"""The system as tests and benchmarks use it: several of a kind, killing, restarting, stopping and starting again."""

import signal
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from handshaker_local.certificates import Certificates
from handshaker_local.errors import ComponentEnded, StartFailed
from handshaker_local.service import ServiceProcess
from handshaker_local.system import System
from handshaker_local.testing import RELAXED

pytestmark = pytest.mark.timeout(180)
SERVICES = ["auth", "keys", "blobstore", "notify", "signaling", "signaling-2", "gateway", "gateway-2"]


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    """One of our own, because it is stopped and killed here."""
    with tempfile.TemporaryDirectory(prefix="handshaker-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        with System(Path(folder) / "state", gateways=2, signalings=2, env=RELAXED) as running:
            running.start()
            yield running


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read()


def process(system: System, name: str) -> ServiceProcess:
    found = system.component(name)
    assert isinstance(found, ServiceProcess)
    return found


def test_everything_runs_once_or_as_often_as_asked(system: System):
    assert list(system.components) == ["postgres", "redis", "mosquitto", *SERVICES]
    assert system.off == {}
    assert len(system.gateway_urls) == 2
    for url in system.gateway_urls:
        assert b'"ready":true' in get(f"{url}/readyz")
    for name in SERVICES:
        found = process(system, name)
        assert b"handshaker_ready 1.0" in get(found.metrics_url or "")
        assert found.reported()["grpc"] == found.ports.grpc
        assert found.log_path.is_file()


def ask_health(system: System, credentials: grpc.ChannelCredentials | None) -> int:
    target = process(system, "auth").ports.target
    if credentials is None:
        channel = grpc.insecure_channel(target)
    else:
        channel = grpc.secure_channel(target, credentials, [("grpc.ssl_target_name_override", "auth.handshaker")])
    with channel:
        return health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5).status


def test_services_answer_only_those_who_prove_themselves(system: System):
    files = Certificates(system.folder.certificates)
    authority = files.authority_file.read_bytes()
    for stranger in (None, grpc.ssl_channel_credentials(authority)):
        with pytest.raises(grpc.RpcError) as refused:
            ask_health(system, stranger)
        assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
    gateway = files.key_file("gateway").read_bytes(), files.certificate_file("gateway").read_bytes()
    member = grpc.ssl_channel_credentials(authority, *gateway)
    assert ask_health(system, member) == health_pb2.HealthCheckResponse.SERVING


def test_a_component_can_be_killed_and_comes_back_at_its_address(system: System):
    signaling = process(system, "signaling-2")
    before, ports = signaling.pid, signaling.reported()
    signaling.kill()
    assert not psutil.pid_exists(before)
    assert system.ended() is None, "what was killed on purpose has not ended by itself"
    with pytest.raises(StartFailed, match="signaling-2 is not running"):
        _ = signaling.pid
    signaling.restart()
    assert signaling.pid != before
    assert signaling.reported() == ports


def test_a_component_that_ends_by_itself_is_noticed(system: System):
    redis = system.component("redis")
    psutil.Process(redis.pid).send_signal(signal.SIGKILL)
    with pytest.raises(ComponentEnded, match=r"^Redis was ended by SIGKILL; its log is "):
        system.watch()
    redis.restart()
    assert system.ended() is None


def test_stopped_and_started_it_is_where_it_was(system: System):
    urls = system.gateway_urls
    pids = [pid for part in system.components.values() for pid in part.pids]
    system.stop()
    assert not [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE]
    system.stop()
    system.start()
    assert system.gateway_urls == urls
    assert b'"ready":true' in get(f"{urls[1]}/readyz")
