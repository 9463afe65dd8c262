import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from handshaker_common.testing import state_folder  # noqa: F401 - a fixture
from handshaker_core.store import vault
from handshaker_local.system import System

sys.path.insert(0, os.path.dirname(__file__))  # noqa: PTH120 - helpers of these tests stand beside them

POW_BITS = {
    f"HANDSHAKER_POW_BITS_{purpose}": "6"
    for purpose in ("REGISTRATION", "MAILBOX", "LOOKUP", "FIRST_CONTACT", "WAKE_TARGET")
}


@pytest.fixture(scope="session", autouse=True)
def quick_passphrases() -> Iterator[None]:
    """Stretching a passphrase takes a third of a second on purpose, which these many tests cannot afford."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vault, "ARGON2ID_MEMORY_KIB", 64)
        patch.setattr(vault, "ARGON2ID_ITERATIONS", 1)
        yield


@pytest.fixture(scope="session")
def system(state_folder: Path) -> Iterator[System]:  # noqa: F811
    """The real services with real databases, on loopback."""
    with System(state_folder / "system", env=POW_BITS) as started:
        started.start()
        yield started


@pytest.fixture(scope="session")
def server_url(system: System) -> str:
    return system.gateway_urls[0]


@pytest.fixture
def new_home(tmp_path: Path) -> Callable[[str], Path]:
    return lambda name: tmp_path / name
