import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from handshaker_common.testing import free_port, state_folder  # noqa: F401 - a fixture
from handshaker_core.store import vault
from handshaker_local.system import System

sys.path.insert(0, os.path.dirname(__file__))  # noqa: PTH120 - helpers of these tests stand beside them

from shells import PASSPHRASE, Inside, Options, Shell

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


@pytest.fixture(scope="session", autouse=True)
def quiet_surroundings() -> Iterator[None]:
    """In this process no setting of the person who runs the tests counts, and passphrases are stretched quickly."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("HANDSHAKER_")]:
            patch.delenv(name)
        patch.setattr(vault, "ARGON2ID_MEMORY_KIB", 64)
        patch.setattr(vault, "ARGON2ID_ITERATIONS", 1)
        yield


@pytest.fixture
def stranger(tmp_path: Path, passphrase_file: Path) -> Inside:
    """Somebody without an account and without a server."""
    return Inside(tmp_path / "stranger", None, passphrase_file)


Make = Callable[[str, type[Options]], Options]


@pytest.fixture(scope="session")
def people(system: System, tmp_path_factory: pytest.TempPathFactory, passphrase_file: Path) -> Make:
    """Makes people without an account, who know the server."""
    homes = tmp_path_factory.mktemp("homes")
    return lambda name, kind: kind(homes / name, system.gateway_urls[0], passphrase_file)


def connected(alice: Options, bob: Options) -> tuple[Options, Options]:
    """Two people who register under the names of their homes and connect. Every test leaves them so."""
    for somebody in (alice, bob):
        somebody.register("--username", f"{somebody.home.name}.42")
    alice.run("connect", f"{bob.home.name}.42").succeeded()
    bob.run("receive").succeeded()
    bob.run("accept", "1").succeeded()
    alice.run("receive").succeeded()
    return alice, bob


@pytest.fixture(scope="session")
def insiders(people: Make) -> tuple[Options, Options]:
    """Two people who are connected: in_alice.42 and in_bob.42."""
    return connected(people("in_alice", Inside), people("in_bob", Inside))


@pytest.fixture(scope="session")
def pair(people: Make) -> tuple[Options, Options]:
    """Two people who are connected: alice.42, whose commands are processes, and bob.42."""
    return connected(people("alice", Shell), people("bob", Inside))
