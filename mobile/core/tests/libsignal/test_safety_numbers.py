"""Safety numbers and scannable codes, equal to libsignal's byte for byte."""

import secrets

import pytest
from handshaker_core.errors import UnsupportedVersion
from handshaker_core.protocol.keys import DeviceIdentityKeyPair
from handshaker_core.protocol.safety_number import SafetyCode, ScanResult, fingerprint, numeric_fingerprint
from peers.libsignal import Libsignal, LibsignalError, Scannable

from libsignal.ours import typed

PAIRS = 24
VERSION = 2


def new_key() -> bytes:
    return typed(DeviceIdentityKeyPair.generate().public.x25519)


def ours(local: tuple[bytes, bytes], remote: tuple[bytes, bytes], version: int = VERSION) -> Scannable:
    """Made by our code from what `Libsignal.fingerprint` takes."""
    digits = "".join(sorted(numeric_fingerprint(key, name) for name, key in (local, remote)))
    first, second = (fingerprint(key, name)[:32] for name, key in (local, remote))
    return Scannable(digits, SafetyCode(first, second, version).encode())


def test_digits_and_codes_are_equal(libsignal: Libsignal) -> None:
    for number in range(PAIRS):
        alice = (secrets.token_bytes(number), new_key())
        bob = (secrets.token_bytes(PAIRS - number), new_key())
        version = number % 3
        assert libsignal.fingerprint(alice, bob, version=version) == ours(alice, bob, version)
        assert libsignal.fingerprint(bob, alice, version=version) == ours(bob, alice, version)


@pytest.mark.parametrize("iterations", [2, 100, 5_200, 20_000])
def test_number_of_iterations(libsignal: Libsignal, iterations: int) -> None:
    alice, bob = (b"alice", new_key()), (b"bob", new_key())
    theirs = libsignal.fingerprint(alice, bob, iterations=iterations)
    halves = sorted(numeric_fingerprint(key, name, iterations) for name, key in (alice, bob))
    assert theirs.digits == "".join(halves)


def we_compare(mine: bytes, scanned: bytes) -> ScanResult:
    first, second = (SafetyCode(code[6:38], code[42:], code[1]) for code in (mine, scanned))
    return first.compare(second)


def both_compare(libsignal: Libsignal, mine: bytes, scanned: bytes) -> tuple[bool, ScanResult]:
    """What libsignal says, and what we say."""
    return libsignal.compare_scannable(mine, scanned), we_compare(mine, scanned)


def test_both_find_the_same_when_comparing(libsignal: Libsignal) -> None:
    alice, bob, mallory = ((name, new_key()) for name in (b"alice", b"bob", b"mallory"))
    mine, theirs = ours(alice, bob).code, ours(bob, alice).code
    assert both_compare(libsignal, mine, theirs) == (True, ScanResult.MATCH)
    assert both_compare(libsignal, mine, ours(mallory, alice).code) == (False, ScanResult.OTHER_KEY_OF_CONTACT)
    assert both_compare(libsignal, mine, ours(bob, mallory).code) == (False, ScanResult.OTHER_OWN_KEY)
    assert both_compare(libsignal, mine, mine) == (False, ScanResult.OWN_CODE)
    with pytest.raises(LibsignalError, match="version"):
        libsignal.compare_scannable(mine, ours(bob, alice, version=1).code)
    with pytest.raises(UnsupportedVersion):
        we_compare(mine, ours(bob, alice, version=1).code)
    assert both_compare(libsignal, mine, theirs) == (True, ScanResult.MATCH)
