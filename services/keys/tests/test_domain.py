"""The rules of keys, without a database."""

import dataclasses

import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM1024PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from handshaker_keys.domain import (
    KEM_PREKEYS_PER_BUNDLE,
    ONE_TIME_PREKEYS_PER_BUNDLE,
    SIZES,
    BundleBase,
    OneTimePreKey,
    PreKeyCounts,
    SignedPreKey,
    Suite,
    lookup_key,
    problem_of_base,
    problem_of_prekeys,
)
from handshaker_proto.keys.v1 import keys_pb2
from hypothesis import given
from hypothesis import strategies as st

SUITE = Suite.HANDSHAKER_V1
SIGNED = SignedPreKey(1, bytes(32), bytes(64))
KEM = SignedPreKey(1, bytes(1_568), bytes(64))
BASE = BundleBase(SUITE, bytes(32), bytes(1_216), bytes(64), SIGNED, KEM, bytes(169))


def with_size(key, field, size):
    return dataclasses.replace(key, **{field: bytes(size)})


def test_suites_are_those_of_the_protocol_and_each_has_sizes():
    assert {suite.value for suite in Suite} == set(keys_pb2.Suite.values()) - {keys_pb2.SUITE_UNSPECIFIED}
    assert set(SIZES) == set(Suite)


def test_sizes_are_those_of_the_library_that_clients_use():
    assert len(MLKEM1024PrivateKey.generate().public_key().public_bytes_raw()) == SIZES[SUITE].kem_prekey
    parts = MLKEM768PrivateKey.generate().public_key(), X25519PrivateKey.generate().public_key()
    assert sum(len(part.public_bytes_raw()) for part in parts) == SIZES[SUITE].seal_key


@pytest.mark.parametrize("change", [-1, 1])
def test_a_base_fits_exactly_or_is_told_which_part_does_not(change):
    assert problem_of_base(BASE) is None
    for field in ("identity_key", "seal_key", "seal_key_signature", "device_certificate"):
        problem = problem_of_base(with_size(BASE, field, len(getattr(BASE, field)) + change))
        assert f"The field {field} must have exactly" in problem
    for part in ("signed_prekey", "last_resort_kem_prekey"):
        for field in ("public_key", "signature"):
            key = getattr(BASE, part)
            misfit = with_size(key, field, len(getattr(key, field)) + change)
            problem = problem_of_base(dataclasses.replace(BASE, **{part: misfit}))
            assert f"The field {part}.{field} must have exactly" in problem


@given(st.integers(0, 40), st.integers(0, 2_048), st.integers(0, 70))
def test_one_time_keys_fit_exactly_or_are_refused(ec, kem, signature):
    keys = [OneTimePreKey(1, bytes(32)), OneTimePreKey(2, bytes(ec))]
    kems = [KEM, SignedPreKey(2, bytes(kem), bytes(signature))]
    assert problem_of_prekeys(SUITE, keys[:1], kems[:1]) is None
    fits = (ec, kem, signature) == (32, 1_568, 64)
    assert (problem_of_prekeys(SUITE, keys, kems) is None) is fits


def test_every_part_of_a_one_time_key_is_checked():
    for ec, kem, signature in ((31, 1_568, 64), (33, 1_568, 64), (32, 1_567, 64), (32, 1_569, 64), (32, 1_568, 63)):
        keys, kems = [OneTimePreKey(1, bytes(ec))], [SignedPreKey(1, bytes(kem), bytes(signature))]
        assert problem_of_prekeys(SUITE, keys, kems) is not None


def test_limits_are_inclusive():
    most = PreKeyCounts(ONE_TIME_PREKEYS_PER_BUNDLE, KEM_PREKEYS_PER_BUNDLE)
    assert most.within_limits
    assert not dataclasses.replace(most, one_time_prekeys=most.one_time_prekeys + 1).within_limits
    assert not dataclasses.replace(most, kem_prekeys=most.kem_prekeys + 1).within_limits


def test_a_lookup_key_is_hmac_sha_256_as_in_rfc_4231():
    pepper, data = bytes([0x0B] * 20), b"Hi There"
    expected = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    assert lookup_key(pepper, data).hex() == expected
    assert lookup_key(pepper, b"Hi there").hex() != expected
    assert lookup_key(b"p" * 32, data).hex() != expected


def test_keys_are_not_shown():
    assert repr(bytes(32))[2:-1] not in repr(BASE)
    assert "public_key" not in repr(OneTimePreKey(1, b"k" * 32))
