"""What the tests of signaling share."""

import sys
from pathlib import Path

import pytest
from handshaker_common.testing import *  # noqa: F403

sys.path.insert(0, str(Path(__file__).parent))
from relay_world import World


@pytest.fixture(params=[1, 2], ids=["one process", "two processes"])
def world(request: pytest.FixtureRequest) -> World:
    """Sender on the first core, recipient on the last."""
    return World(cores=request.param)
