"""ML-KEM (FIPS 203) by the published known-answer tests, through the classes that the protocol uses."""

from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from handshaker_core.errors import BadKey, MalformedFrame
from handshaker_core.protocol.keys import IdentityKeyPair
from handshaker_core.protocol.prekeys import KEM_CIPHERTEXT_SIZE, KemPreKey, KemSeed
from handshaker_core.protocol.profile import MlKem1024

from .published import records


def known_answers(parameters: int) -> Iterator[tuple[bytes, bytes, bytes, bytes, bytes, bytes]]:
    """Seed (d || z), public key, ciphertext, shared secret, altered ciphertext, its implicit rejection."""
    for record in records(f"asymmetric/MLKEM/kat_MLKEM_{parameters}.rsp", "count"):
        field = {name: bytes.fromhex(value) for name, value in record.items() if name != "count"}
        yield field["d"] + field["z"], field["pk"], field["ct"], field["ss"], field["ct_n"], field["ss_n"]


def test_ml_kem_1024_known_answers_through_the_kem_and_the_prekeys_of_the_protocol() -> None:
    kem, signer, count = MlKem1024(), IdentityKeyPair(bytes(32)), 0
    for seed, public, ciphertext, secret, altered, rejected in known_answers(1024):
        assert len(ciphertext) == KEM_CIPHERTEXT_SIZE
        assert kem.decapsulate(seed, ciphertext) == secret
        assert kem.decapsulate(seed, altered) == rejected != secret
        if count % 20 == 0:  # signing a thousand prekeys proves nothing more
            assert KemPreKey.generate(signer, 1, lambda _, seed=seed: seed).public_bytes == public
            fresh, sent = kem.encapsulate(public)
            assert kem.decapsulate(seed, sent) == fresh
        count += 1
    assert count == 1000


def test_ml_kem_768_known_answers() -> None:
    """The parameters of the seal key and of the post-quantum ratchet."""
    count = 0
    for seed, public, ciphertext, secret, altered, rejected in known_answers(768):
        key = MLKEM768PrivateKey.from_seed_bytes(seed)
        if count % 20 == 0:
            assert key.public_key().public_bytes_raw() == public
        assert key.decapsulate(ciphertext) == secret
        assert key.decapsulate(altered) == rejected != secret
        count += 1
    assert count == 1000


def test_wrong_lengths_and_unreduced_public_keys_are_refused() -> None:
    """FIPS 203, section 7.2: the type check and the modulus check."""
    kem = MlKem1024()
    seed, public, ciphertext, _, _, _ = next(known_answers(1024))
    assert kem.encapsulate(public)
    # The first coefficient is 4,095, above the modulus 3,329.
    for bad in (b"", public[:-1], public + b"\x00", b"\xff\xff" + public[2:]):
        with pytest.raises(BadKey):
            kem.encapsulate(bad)
    for bad in (b"", ciphertext[:-1], ciphertext + b"\x00"):
        with pytest.raises(MalformedFrame):
            kem.decapsulate(seed, bad)
    with pytest.raises(BadKey):
        KemSeed(seed[:-1])
