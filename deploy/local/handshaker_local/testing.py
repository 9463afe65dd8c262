"""Pytest fixture: the whole system, once for a session. A conftest.py says `from handshaker_local.testing import *`."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from handshaker_local.system import System

__all__ = ["RELAXED", "system"]

# All test clients come from one address and have no hours to spend; nothing else differs from the defaults.
RELAXED = {
    "HANDSHAKER_LIMITS": ",".join(
        f"{name}=100000/60"
        for name in (
            "challenge",
            "registration",
            "session",
            "mailbox",
            "lookup",
            "bundle",
            "wake_target",
            "socket_open",
        )
    ),
    "HANDSHAKER_POW_BITS_REGISTRATION": "4",
    "HANDSHAKER_POW_BITS_MAILBOX": "4",
    "HANDSHAKER_POW_BITS_LOOKUP": "4",
    "HANDSHAKER_POW_BITS_FIRST_CONTACT": "4",
    "HANDSHAKER_POW_BITS_WAKE_TARGET": "4",
}


@pytest.fixture(scope="session")
def system() -> Iterator[System]:
    """A running system with empty databases, two gateways and two signaling processes."""
    with tempfile.TemporaryDirectory(prefix="handshaker-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # PostgreSQL runs as another user under root
        with System(Path(folder) / "state", gateways=2, signalings=2, env=RELAXED) as running:
            running.start()
            yield running
