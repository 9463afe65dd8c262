"""X25519 (RFC 7748) and Ed25519 (RFC 8032) by published vectors, through the key types of the protocol."""

import pytest
from handshaker_core.errors import BadKey, BadSignature, LowOrderPoint
from handshaker_core.protocol.keys import DeviceIdentityKeyPair, IdentityKeyPair, X25519PrivateKey, X25519PublicKey
from handshaker_core.protocol.labels import Label

from .published import no_label, open_text, records

BASE_POINT = (9).to_bytes(32, "little")

# Encodings of points whose order divides 8, with and without the top bit, and not reduced (the list that implementers
# of the curve publish; RFC 7748, section 6.1, asks for the check).
LOW_ORDER = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b880",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f11d7",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
]


def test_x25519_vectors_of_rfc_7748() -> None:
    vectors = list(records("asymmetric/X25519/rfc7748.txt", "count"))
    assert len(vectors) == 3
    for vector in vectors:
        scalar, u, output = (bytes.fromhex(vector[name]) for name in ("input_scalar", "input_u", "output_u"))
        if u[31] & 0x80:  # the RFC lets readers ignore the bit; this protocol demands the one reduced form
            with pytest.raises(BadKey):
                X25519PublicKey(u)
            u = u[:31] + bytes((u[31] & 0x7F,))
        assert X25519PrivateKey(scalar).agree(X25519PublicKey(u)) == output


def test_x25519_iterated_as_in_rfc_7748() -> None:
    k = u = BASE_POINT
    results = {}
    for done in range(1, 1001):
        k, u = X25519PrivateKey(k).agree(X25519PublicKey(u)), k  # outputs are reduced, so they are public keys too
        results[done] = k.hex()
    assert results[1] == "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"
    assert results[1000] == "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51"


def test_diffie_hellman_of_rfc_7748() -> None:
    alice = X25519PrivateKey(bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"))
    bob = X25519PrivateKey(bytes.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"))
    assert alice.public().raw.hex() == "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
    assert bob.public().raw.hex() == "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
    shared = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"
    assert alice.agree(bob.public()).hex() == bob.agree(alice.public()).hex() == shared


@pytest.mark.parametrize("encoded", LOW_ORDER)
def test_every_encoding_of_a_point_of_low_order_is_refused(encoded: str) -> None:
    raw = bytes.fromhex(encoded)
    with pytest.raises((LowOrderPoint, BadKey)):
        X25519PublicKey(raw)
    forced = X25519PublicKey(BASE_POINT)
    assert X25519PrivateKey(bytes(32)).agree(forced)
    object.__setattr__(forced, "raw", raw)  # as if the first check were gone: the agreement refuses as well
    with pytest.raises(LowOrderPoint):
        X25519PrivateKey(bytes(32)).agree(forced)


def test_ed25519_vectors_through_identities_and_devices() -> None:
    """All 1,024 of the reference implementation: public key, signature, and that an altered signature is refused."""
    count = 0
    with open_text("asymmetric/Ed25519/sign.input") as file:
        for line in file:
            secret, public, message, signed = (bytes.fromhex(part) for part in line.split(":")[:4])
            kind = (IdentityKeyPair, DeviceIdentityKeyPair)[count % 2]
            pair, signature = kind(secret[:32]), signed[:64]
            assert pair.public.raw == public
            assert pair.sign(no_label(), message) == signature
            pair.public.verify(no_label(), message, signature)
            with pytest.raises(BadSignature):
                pair.public.verify(no_label(), message + b"\x00", signature)
            labelled = pair.sign(Label.PREKEY_SIGNATURE, message)
            pair.public.verify(no_label(), Label.PREKEY_SIGNATURE.value + message, labelled)
            count += 1
    assert count == 1024


def test_an_ed25519_signature_whose_scalar_was_increased_by_the_order_is_refused() -> None:
    """RFC 8032, section 5.1.7: without the check one signature has two forms."""
    order = 2**252 + 27742317777372353535851937790883648493
    pair = IdentityKeyPair(bytes(range(32)))
    signature = pair.sign(Label.PREKEY_SIGNATURE, b"content")
    scalar = int.from_bytes(signature[32:], "little")
    pair.public.verify(Label.PREKEY_SIGNATURE, b"content", signature[:32] + scalar.to_bytes(32, "little"))
    second = signature[:32] + (scalar + order).to_bytes(32, "little")
    with pytest.raises(BadSignature):
        pair.public.verify(Label.PREKEY_SIGNATURE, b"content", second)
