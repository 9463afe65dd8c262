"""Signature checks: good ones pass, malformed ones never raise, and keys that nobody needs to hold are refused."""

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from handshaker_common.ids import SMALL_ORDER_Y, verify_ed25519
from hypothesis import given
from hypothesis import strategies as st

# R is the neutral point and S is 0: a "signature" that takes no secret.
SIGNATURE_OF_NOBODY = bytes([1] + [0] * 63)


@given(st.binary(max_size=64), st.binary(max_size=66), st.binary(max_size=40))
def test_only_the_right_signature_fits(message, other_signature, other_key):
    key = Ed25519PrivateKey.generate()
    public, signature = key.public_key().public_bytes_raw(), key.sign(message)
    assert verify_ed25519(public, signature, message)
    assert not verify_ed25519(public, signature, message + b"\0")
    assert not verify_ed25519(public, other_signature, message)
    assert not verify_ed25519(other_key, signature, message)


@pytest.mark.parametrize("sign", [0, 1])
@pytest.mark.parametrize("y", sorted(SMALL_ORDER_Y))
def test_keys_of_small_order_are_refused(y, sign):
    public = (y | sign << 255).to_bytes(32, "little")
    taken_by_the_library = []
    for number in range(64):
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(SIGNATURE_OF_NOBODY, bytes([number]))
        except InvalidSignature:
            continue
        taken_by_the_library.append(bytes([number]))
    assert taken_by_the_library, "the check would be needless"
    assert not any(verify_ed25519(public, SIGNATURE_OF_NOBODY, message) for message in taken_by_the_library)
