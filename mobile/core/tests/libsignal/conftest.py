from collections.abc import Iterator

import pytest
from peers.libsignal import Libsignal


@pytest.fixture(scope="session")
def libsignal() -> Iterator[Libsignal]:
    """The real libsignal, in a process of its own."""
    with Libsignal() as process:
        yield process
