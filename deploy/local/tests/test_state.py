"""The state folder: made, locked, and every refusal of the disk told in one sentence."""

import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from handshaker_local.certificates import Certificates
from handshaker_local.errors import (
    AlreadyRunning,
    LocalError,
    MissingProgram,
    NoSpace,
    PortBusy,
    StartFailed,
    UnusableFolder,
)
from handshaker_local.ports import RANGE, free_ports
from handshaker_local.service import ServiceProcess
from handshaker_local.services import HOST, KINDS, Kind, Ports, Surroundings, environment
from handshaker_local.state import StateFolder, check_port, explained


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[StateFolder]:
    made = StateFolder(tmp_path / "state")
    yield made
    made.close()


def test_secrets_are_made_once_and_for_their_owner_alone(folder: StateFolder):
    folder.open()
    folder.ensure_secrets(("pepper", "seed"))
    before = (folder.secrets / "pepper").read_bytes()
    assert len(before) == 32
    assert before != (folder.secrets / "seed").read_bytes()
    folder.ensure_secrets(("pepper", "seed"))
    assert (folder.secrets / "pepper").read_bytes() == before
    assert stat.S_IMODE((folder.secrets / "pepper").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.secrets.stat().st_mode) == 0o700


def test_the_issuer_key_is_made_once_and_is_one_that_auth_takes(folder: StateFolder):
    folder.open()
    folder.ensure_issuer_key("issuer")
    before = (folder.secrets / "issuer").read_bytes()
    folder.ensure_issuer_key("issuer")
    assert (folder.secrets / "issuer").read_bytes() == before
    key = load_pem_private_key(before, None)
    assert isinstance(key, RSAPrivateKey)
    assert (key.key_size, key.public_key().public_numbers().e) == (2048, 65537)
    assert stat.S_IMODE((folder.secrets / "issuer").stat().st_mode) == 0o600


def test_a_folder_has_one_user_at_a_time(folder: StateFolder):
    folder.open()
    with pytest.raises(AlreadyRunning, match=rf"already running in .*process {os.getpid()}"):
        StateFolder(folder.path).open()
    folder.close()
    again = StateFolder(folder.path)
    again.open()
    again.close()


def test_the_lock_of_a_dead_process_does_not_count(folder: StateFolder):
    script = f"import os; from pathlib import Path; from handshaker_local.state import StateFolder\nStateFolder(Path({str(folder.path)!r})).open(); os._exit(77)"
    died = subprocess.run([sys.executable, "-c", script], check=False)
    assert died.returncode == 77, "it held the lock until it died"
    folder.open()


def test_a_full_disk_is_one_sentence(folder: StateFolder, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(NoSpace, match=r"^The disk that holds .* is full"), explained(folder.path):
        Path("/dev/full").write_bytes(b"x")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9 - 5 * 2**20, 5 * 2**20))
    with pytest.raises(NoSpace, match="has 5 MB left, and Handshaker needs 200 MB"):
        folder.open()


def test_a_file_in_the_place_of_the_folder_is_one_sentence(tmp_path: Path):
    (tmp_path / "state").write_text("")
    with pytest.raises(UnusableFolder, match=r"^The state folder .* cannot be used"):
        StateFolder(tmp_path / "state").open()


def test_a_folder_that_may_not_be_written_is_one_sentence():
    with pytest.raises(UnusableFolder, match="cannot be used"):
        StateFolder(Path("/proc/handshaker")).open()


def test_a_busy_port_is_one_sentence():
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(PortBusy, match=f"^Port {port} is in use"):
            check_port(HOST, port)
    check_port(HOST, port)


def test_free_ports_differ_and_are_below_those_of_outgoing_connections():
    ports = free_ports(40, HOST)
    assert len(set(ports)) == 40
    assert set(ports) <= set(RANGE)
    assert RANGE.stop <= 32_768


def process(tmp_path: Path, kind: Kind, source: str | None) -> ServiceProcess:
    if source is not None:
        package = tmp_path / "modules" / kind.module
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "__main__.py").write_text(source)
    (tmp_path / "logs").mkdir(exist_ok=True)
    env = {"HANDSHAKER_READY_FILE": str(tmp_path / "ready.json"), "PYTHONPATH": str(tmp_path / "modules")}
    return ServiceProcess(kind.name, kind, ports=Ports(1, 2), env=env, state=tmp_path, guardian=None)


@pytest.mark.parametrize(
    ("name", "source", "error", "sentence"),
    [
        ("absent", None, MissingProgram, "the Python module handshaker_absent is missing"),
        ("hollow", "import no_such_module", MissingProgram, "the Python module no_such_module is missing"),
        ("full", "open('/dev/full', 'wb', 0).write(b'x')", NoSpace, "full could not start: the disk .* is full"),
        ("mute", "raise SystemExit(3)", StartFailed, "mute did not start: it said nothing"),
        (
            "clear",
            "print('{\"level\":\"info\"}'); raise SystemExit('HANDSHAKER_X: is not set.')",
            StartFailed,
            "clear did not start: HANDSHAKER_X: is not set.",
        ),
        (
            "late",
            "raise SystemExit('127.0.0.1:1 is in use: gRPC cannot be served there.')",
            PortBusy,
            "late could not start: 127.0.0.1:1 is in use",
        ),
    ],
)
def test_a_service_that_cannot_start_says_why_in_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    name: str,
    source: str | None,
    error: type[LocalError],
    sentence: str,
):
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    service = process(tmp_path, Kind(name), source)
    with pytest.raises(error, match=sentence) as raised:
        service.start()
    assert "\n" not in str(raised.value)


def test_a_service_that_starts_is_ready_when_its_file_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    source = "import os, time, pathlib\npathlib.Path(os.environ['HANDSHAKER_READY_FILE']).write_text('{\"grpc\": 1}')\ntime.sleep(60)"
    service = process(tmp_path, Kind("good"), source)
    service.start()
    assert service.reported() == {"grpc": 1}
    assert service.exit_status is None
    service.kill()


def test_every_service_gets_exactly_what_it_needs(tmp_path: Path):
    shared = Surroundings(
        certificates=Certificates(tmp_path),
        secrets=tmp_path,
        targets={kind.name: f"{kind.name}:1" for kind in KINDS},
        databases={kind.name: f"dsn of {kind.name}" for kind in KINDS},
        redis_url="unix:///redis",
    )
    made = {kind.name: environment(kind, Ports(1, 2), tmp_path / "ready", shared) for kind in KINDS}
    assert made["keys"]["HANDSHAKER_DATABASE_URL"] == "dsn of keys"
    assert made["keys"]["HANDSHAKER_AUTH_TARGET"] == "auth:1"
    assert "HANDSHAKER_REDIS_URL" not in made["keys"]
    assert "HANDSHAKER_DATABASE_URL" not in made["gateway"]
    secrets = [value for env in made.values() for name, value in env.items() if name in SECRET_SETTINGS]
    assert len(secrets) == len(set(secrets)), "no two services share a secret"


SECRET_SETTINGS = {f"HANDSHAKER_{name}" for kind in KINDS for name in kind.secrets}
