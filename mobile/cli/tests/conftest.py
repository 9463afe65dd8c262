import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from handshaker_common.testing import free_port, state_folder  # noqa: F401 - a fixture
from handshaker_core.store import vault
from handshaker_local.system import System

sys.path.insert(0, os.path.dirname(__file__))  # noqa: PTH120 - helpers of these tests stand beside them

from shells import PASSPHRASE, Inside, Shell

POW_BITS = {
    f"HANDSHAKER_POW_BITS_{purpose}": "6"
    for purpose in ("REGISTRATION", "MAILBOX", "LOOKUP", "FIRST_CONTACT", "WAKE_TARGET")
}


@pytest.fixture(scope="session")
def system(state_folder: Path) -> Iterator[System]:  # noqa: F811
    """The real services with real databases, on loopback, on a port that outlives a restart."""
    with System(state_folder / "system", gateway_port=free_port(), env=POW_BITS) as started:
        started.start()
        yield started


@pytest.fixture(scope="session")
def passphrase_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("secret") / "passphrase"
    path.write_text(f"{PASSPHRASE}\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def stranger(tmp_path: Path, passphrase_file: Path, monkeypatch: pytest.MonkeyPatch) -> Inside:
    """Somebody without an account and without a server, whose passphrase is stretched quickly."""
    for name in [name for name in os.environ if name.startswith("HANDSHAKER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(vault, "ARGON2ID_MEMORY_KIB", 64)
    monkeypatch.setattr(vault, "ARGON2ID_ITERATIONS", 1)
    return Inside(tmp_path / "stranger", None, passphrase_file)


@pytest.fixture
def new_shell(system: System, tmp_path: Path, passphrase_file: Path) -> Callable[[str], Shell]:
    """Somebody without an account, who knows the server."""
    return lambda name: Shell(tmp_path / name, system.gateway_urls[0], passphrase_file)


@pytest.fixture(scope="session")
def pair(system: System, tmp_path_factory: pytest.TempPathFactory, passphrase_file: Path) -> tuple[Shell, Shell]:
    """Two people who are connected, alice.42 and bob.77. Each test leaves them connected and logged in."""
    homes = tmp_path_factory.mktemp("pair")
    alice, bob = (Shell(homes / name, system.gateway_urls[0], passphrase_file) for name in ("alice", "bob"))
    alice.register("--username", "pair_alice.42")
    bob.register("--username", "pair_bob.77")
    alice.run("connect", "pair_bob.77").succeeded()
    bob.run("receive").succeeded()
    bob.run("accept", "1").succeeded()
    alice.run("receive").succeeded()
    return alice, bob
