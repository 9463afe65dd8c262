"""AES-256-GCM, HMAC, HKDF and Argon2id by published vectors, through the functions of the protocol."""

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from handshaker_core.errors import UndecryptableMessage
from handshaker_core.protocol import kdf_chain, username
from handshaker_core.protocol.kdf_chain import message_key_material, root_step
from handshaker_core.protocol.profile import Aes256Gcm

from .published import key_of_any_size, records


def test_aes_256_gcm_vectors_of_nist() -> None:
    """Those with a 96-bit nonce and a full tag, which is what the protocol uses."""
    aead, opened, refused = Aes256Gcm(), 0, 0
    for kind in ("Decrypt256", "EncryptExtIV256"):
        for record in records(f"ciphers/AES/GCM/gcm{kind}.rsp", "count"):
            if record["ivlen"] != "96" or record["taglen"] != "128":
                continue
            field = {name: bytes.fromhex(record.get(name, "")) for name in ("key", "iv", "ct", "aad", "tag", "pt")}
            material, ciphertext = field["key"] + field["iv"], field["ct"] + field["tag"]
            assert len(material) == aead.material_size
            if "fail" in record:
                with pytest.raises(UndecryptableMessage):
                    aead.open(material, ciphertext, field["aad"])
                refused += 1
                continue
            assert aead.open(material, ciphertext, field["aad"]) == field["pt"]
            assert aead.seal(material, field["pt"], field["aad"]) == ciphertext
            opened += 1
    assert opened > 500
    assert refused > 150


def test_hkdf_vectors_of_rfc_5869() -> None:
    vectors = [*records("KDF/rfc-5869-HKDF-SHA256.txt", "count"), *records("KDF/hkdf-generated.txt", "count")]
    assert len(vectors) == 4
    for vector in vectors:
        ikm, salt, info, okm = (bytes.fromhex(vector[name]) for name in ("ikm", "salt", "info", "okm"))
        size = int(vector["l"])
        assert message_key_material(key_of_any_size(ikm), salt or None, info, size) == okm
        if size >= 64:
            root, chain = root_step(key_of_any_size(salt), ikm, info)
            assert root.raw + chain.raw == okm[:64]


def test_hmac_vectors_of_rfc_4231_through_the_chain() -> None:
    vectors = list(records("HMAC/rfc-4231-sha256.txt", "len"))
    assert len(vectors) == 6
    for vector in vectors:
        key, message, expected = (bytes.fromhex(vector[name]) for name in ("key", "msg", "md"))
        assert kdf_chain._hmac(key_of_any_size(key), message) == expected


def test_argon2id_vectors_of_rfc_9106() -> None:
    count = 0
    for vector in records("KDF/argon2id.txt", "count"):
        field = {name: bytes.fromhex(vector.get(name, "")) for name in ("pass", "salt", "secret", "ad", "output")}
        derive = Argon2id(
            salt=field["salt"],
            length=int(vector["length"]),
            iterations=int(vector["iter"]),
            lanes=int(vector["lanes"]),
            memory_cost=int(vector["memcost"]),
            ad=field["ad"] or None,
            secret=field["secret"] or None,
        )
        assert derive.derive(field["pass"]) == field["output"]
        count += 1
    assert count == 6


def test_the_parameters_of_usernames_by_the_reference_implementation(monkeypatch: pytest.MonkeyPatch) -> None:
    """The expected value was made with argon2-cffi, which wraps the C reference implementation of RFC 9106."""
    stretched = []

    def record(*, salt: bytes, length: int, iterations: int, lanes: int, memory_cost: int) -> object:
        real = Argon2id(salt=salt, length=length, iterations=iterations, lanes=lanes, memory_cost=memory_cost)

        class Wrapper:
            def derive(self, material: bytes) -> bytes:
                stretched.append(real.derive(material))
                return stretched[-1]

        return Wrapper()

    monkeypatch.setattr(username, "Argon2id", record)
    username.derive(username.normalise("alice.42"), b"test-deployment")
    assert [output.hex() for output in stretched] == [
        "82d3cc5f513417a8a6f60329b9c64b01289c2de509a9932ef8d64100f6368b50"
    ]
