"""Single functions: signatures both ways, key agreement, HKDF."""

import secrets

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from handshaker_core.errors import LowOrderPoint
from handshaker_core.protocol.curve25519 import LOW_ORDER_U
from handshaker_core.protocol.keys import DeviceIdentityKeyPair, IdentityKeyPair, X25519PrivateKey, X25519PublicKey
from handshaker_core.protocol.labels import Label
from handshaker_core.protocol.randomness import system_randomness
from peers.libsignal import Libsignal, LibsignalError

from libsignal import xeddsa
from libsignal.ours import typed
from libsignal.pairs import flipped, new_address

PAIRS = 100


@pytest.mark.parametrize("kind", [IdentityKeyPair, DeviceIdentityKeyPair])
def test_libsignal_accepts_our_signatures(
    libsignal: Libsignal, kind: type[IdentityKeyPair] | type[DeviceIdentityKeyPair]
) -> None:
    signs = set()
    for number in range(PAIRS):
        pair, content = kind.generate(), secrets.token_bytes(number)
        message = Label.PREKEY_SIGNATURE.value + content
        signature = xeddsa.from_ed25519(pair.sign(Label.PREKEY_SIGNATURE, content), pair.public.raw)
        key = typed(pair.public.x25519)
        signs.add(pair.public.raw[31] >> 7)
        assert libsignal.verify(key, message, signature)
        assert not libsignal.verify(key, message + b"x", signature)
        assert not libsignal.verify(key, message, flipped(signature, number))
        assert not libsignal.verify(typed(kind.generate().public.x25519), message, signature)
        assert libsignal.verify(key, message, signature)
    assert signs == {0, 1}, "both Edwards keys of an X25519 key were met"


def test_ed25519_accepts_libsignals_signatures(libsignal: Libsignal) -> None:
    signs = set()
    for number in range(PAIRS):
        theirs = libsignal.person("signer", new_address())
        key, message = theirs.identity[1:], secrets.token_bytes(number)
        signature = theirs.sign(message)
        signs.add(signature[63] >> 7)
        assert xeddsa.verify(key, message, signature)
        assert not xeddsa.verify(key, message + b"x", signature)
        assert not xeddsa.verify(key, message, flipped(signature, number))
        assert xeddsa.verify(key, message, signature)
    assert signs == {0, 1}


def test_x25519_halves_of_our_identities_agree_with_libsignal(libsignal: Libsignal) -> None:
    for _ in range(PAIRS):
        ours = DeviceIdentityKeyPair.generate()
        private = ours.x25519_private
        as_theirs = libsignal.person("same key", new_address(), private_key=private.raw)
        assert as_theirs.identity == typed(ours.public.x25519), "the map of the public key is that of the private key"
        other = X25519PrivateKey.generate(system_randomness)
        assert as_theirs.agree(typed(other.public())) == private.agree(other.public())


@pytest.mark.parametrize("point", sorted(LOW_ORDER_U))
def test_both_refuse_points_of_low_order(libsignal: Libsignal, point: int) -> None:
    person, raw = libsignal.person("careful", new_address()), point.to_bytes(32, "little")
    good = typed(X25519PrivateKey.generate(system_randomness).public())
    assert len(person.agree(good)) == 32
    with pytest.raises(LibsignalError):
        person.agree(b"\x05" + raw)
    with pytest.raises(LowOrderPoint):
        X25519PublicKey(raw)
    assert len(person.agree(good)) == 32


@pytest.mark.parametrize("size", [1, 32, 80, 96, 255 * 32])
@pytest.mark.parametrize("salt", [None, bytes(32), b"salt", bytes(100)])
def test_hkdf_is_the_same(libsignal: Libsignal, size: int, salt: bytes | None) -> None:
    material, info = secrets.token_bytes(64), secrets.token_bytes(20)
    assert libsignal.hkdf(size, material, info, salt) == HKDF(SHA256(), size, salt, info).derive(material)
