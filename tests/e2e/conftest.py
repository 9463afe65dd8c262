"""One whole system for the session: two gateways and two signaling processes, real databases, mTLS between them."""

import pytest
from handshaker_local.testing import system  # noqa: F401


@pytest.fixture(scope="session")
def gateways():
    """How many gateways and signaling processes the session's system has."""
    return 2
