"""HPKE (RFC 9180) with the hybrid KEM MLKEM768-X25519 by the vectors of its draft, and by a second implementation.

The published vectors of this KEM are made with another AEAD and with associated data, which `cryptography` keeps to
itself. So the second implementation (`hpke_reference`) is run against them, and ours against the second one.
"""

from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from handshaker_core.errors import UndecryptableMessage
from handshaker_core.protocol import seal
from handshaker_core.protocol.seal import SealKeyPair

from .published import load_json
from .reference import hpke as hpke_reference

KEM_ID, KDF_ID, CHACHA20_POLY1305 = 0x647A, 0x0001, 0x0003
INFO = b"what this is for"


def published() -> dict[str, Any]:
    vectors = [
        vector
        for vector in load_json("HPKE/hpke-pq-test-vectors.json")
        if (vector["mode"], vector["kem_id"], vector["kdf_id"]) == (0, KEM_ID, KDF_ID)
    ]
    assert len(vectors) == 1
    vector: dict[str, Any] = vectors[0]
    return vector


def test_the_published_vectors_hold_in_the_second_implementation() -> None:
    vector = {name: bytes.fromhex(value) for name, value in published().items() if isinstance(value, str)}
    private = hpke_reference.expand_private(vector["skRm"])
    assert hpke_reference.public_key(private) == vector["pkRm"]
    secret = hpke_reference.decapsulate(private, vector["enc"])
    assert secret == vector["shared_secret"]
    key, nonce = hpke_reference.key_schedule(secret, vector["info"], published()["aead_id"])
    assert (key, nonce) == (vector["key"], vector["base_nonce"])


def test_the_key_of_the_published_vectors_opens_through_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """The vectors' key pair in our type, with the suite of the vectors: everything but the AEAD's name is ours."""
    vector = published()
    assert vector["aead_id"] == CHACHA20_POLY1305
    pair = SealKeyPair._from_private(hpke_reference.expand_private(bytes.fromhex(vector["skRm"])))
    assert pair.public.raw == bytes.fromhex(vector["pkRm"])
    sealed = pair.public.seal(b"content", INFO)
    assert hpke_reference.open_base(pair.private.raw, sealed, INFO) == b"content"
    first = vector["encryptions"][0]
    suite = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)
    monkeypatch.setattr(seal, "_suite", lambda: _WithAssociatedData(suite, bytes.fromhex(first["aad"])))
    published_message = bytes.fromhex(vector["enc"]) + bytes.fromhex(first["ct"])
    assert pair.open(published_message, bytes.fromhex(vector["info"])) == bytes.fromhex(first["pt"])
    with pytest.raises(UndecryptableMessage):
        pair.open(published_message, b"another use")


class _WithAssociatedData:
    def __init__(self, suite: Any, associated_data: bytes) -> None:
        self.suite, self.associated_data = suite, associated_data

    def decrypt(self, sealed: bytes, private: Any, info: bytes) -> bytes:
        opened: bytes = hpke.rust_openssl.hpke._decrypt_with_aad(
            self.suite, sealed, private, info, self.associated_data
        )
        return opened


def test_both_implementations_read_each_other_and_refuse_the_same() -> None:
    pair = SealKeyPair.generate(lambda size: bytes(range(size)))
    for content in (b"", b"x", bytes(14_000)):
        sealed = pair.public.seal(content, INFO)
        assert hpke_reference.open_base(pair.private.raw, sealed, INFO) == content
        theirs = hpke_reference.seal_base(pair.public.raw, content, INFO)
        assert pair.open(theirs, INFO) == content
        for altered in (theirs[:-1], theirs + b"\x00", bytes((theirs[0] ^ 1,)) + theirs[1:], b"", theirs[:1120]):
            with pytest.raises(UndecryptableMessage):
                pair.open(altered, INFO)
        with pytest.raises(InvalidTag):
            hpke_reference.open_base(pair.private.raw, sealed, b"another use")
