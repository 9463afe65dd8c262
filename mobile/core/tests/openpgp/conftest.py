import os
from collections.abc import Iterator

import pytest
from handshaker_core.openpgp.armor import ArmorType, armor
from handshaker_core.openpgp.certificate import Certificate
from handshaker_core.openpgp.own import OwnKey
from handshaker_core.openpgp.secret import secret_key
from handshaker_core.protocol.root import RootSeed

from .gnupg import PASSPHRASE, GnuPG, key_ring


@pytest.fixture(scope="session")
def own() -> OwnKey:
    return OwnKey.derive(RootSeed(bytes(range(32))))


@pytest.fixture(scope="session")
def other() -> OwnKey:
    return OwnKey.derive(RootSeed(bytes(range(1, 33))))


@pytest.fixture(scope="session")
def certificate(own: OwnKey) -> Certificate:
    return own.certificate()


@pytest.fixture(scope="module")
def gnupg(own: OwnKey) -> Iterator[GnuPG]:
    """A key ring that holds the person's secret key."""
    with key_ring() as gnupg:
        gnupg.import_(armor(ArmorType.PRIVATE_KEY, secret_key(own, PASSPHRASE, os.urandom)).encode()).ok()
        yield gnupg


@pytest.fixture
def fresh_gnupg() -> Iterator[GnuPG]:
    """An empty key ring."""
    with key_ring() as gnupg:
        yield gnupg
