"""docs/protocol/vectors against a second implementation made from the pages: curve, root, chains, padding; the files."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st
from mnemonic import Mnemonic

from .own import FOLDER, load, unhex
from .reference import basics
from .reference.basics import Refused


def test_the_files_are_what_the_generator_makes() -> None:
    made = subprocess.run(
        [sys.executable, "-m", "generator", "--check"], cwd=FOLDER, capture_output=True, text=True, check=False
    )
    assert (made.returncode, made.stderr) == (0, "")


def test_the_second_implementation_uses_nothing_of_the_first() -> None:
    paths = sorted((Path(__file__).parent / "reference").glob("*.py"))
    assert len(paths) > 3
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not any(name.startswith("handshaker") for name in names), path.name


def test_every_file_names_a_page_that_exists_and_is_described() -> None:
    described = (FOLDER / "README.md").read_text()
    for path in FOLDER.glob("*.json"):
        page = load(path.stem)["page"].partition(",")[0]
        assert (FOLDER.parent / page).exists(), (path.name, page)
        assert f"`{path.name}`" in described, path.name


def test_identities() -> None:
    cases = load("curve")["identities"]
    assert len(cases) == 4
    for case in cases:
        seed, public, private, image, content, signature = (
            bytes.fromhex(case[name])
            for name in ("seed", "ed25519_public", "x25519_private", "x25519_public", "content", "signature")
        )
        assert basics.ed25519_public(seed) == public
        assert basics.x25519_private(seed) == private
        assert basics.x25519_public(private) == basics.x25519_image(public) == image
        assert basics.sign(seed, case["label"], content) == signature
        with pytest.raises(Refused):
            basics.verify(public, "handshaker/v1/device-list-signature", content, signature)


def test_agreements_and_refused_keys() -> None:
    vectors = load("curve")
    for case in map(unhex, vectors["agreements"]):
        assert basics.agree(case["private"], case["public"]) == case["shared"]
    assert len(vectors["refused_x25519_public"]) >= 10
    for raw in vectors["refused_x25519_public"]:
        with pytest.raises(Refused):
            basics.check_x25519(bytes.fromhex(raw))
    assert len(vectors["refused_identities"]) >= 10
    for raw in vectors["refused_identities"]:
        with pytest.raises(Refused):
            basics.x25519_image(bytes.fromhex(raw))


def test_root_seed() -> None:
    for whole in load("root")["cases"]:
        words = whole.pop("recovery_phrase")
        case = unhex(whole)
        assert Mnemonic("english").to_entropy(words) == case["root_seed"]
        names = {
            "identity_seed": "identity",
            "recovery_auth_seed": "recovery",
            "backup_key": "backup",
            "store_recovery_key": "store-recovery",
            "openpgp_primary_seed": "openpgp-primary",
            "openpgp_encryption_seed": "openpgp-encryption",
        }
        for field, label in names.items():
            assert case[field] == basics.hkdf(None, case["root_seed"], f"handshaker/v1/root/{label}".encode(), 32)
        assert basics.ed25519_public(case["identity_seed"]) == case["identity_public"]


def test_chains() -> None:
    vectors = load("chains")
    step = unhex(vectors["root_step"])
    assert basics.root_step(step["root_key"], step["agreed"]) == (step["new_root_key"], step["chain_key"])
    chain_key = step["chain_key"]
    for number, case in enumerate(map(unhex, vectors["chain"])):
        chain_key, message_key = basics.chain_step(chain_key)
        assert (case["number"], case["message_key"], case["next_chain_key"]) == (number, message_key, chain_key)
        material = basics.hkdf(case["salt"], message_key, b"handshaker/v1/ratchet-message-key", 44)
        assert material == case["aead_key"] + case["aead_nonce"]


def test_padding() -> None:
    vectors = load("padding")
    for case in map(unhex, vectors["cases"]):
        assert basics.pad(case["content"], case["size"]) == case["padded"]
        assert basics.unpad(case["padded"]) == case["content"]
    for bad in vectors["refused"]:
        with pytest.raises(Refused):
            basics.unpad(bytes.fromhex(bad))


@given(st.binary(max_size=80), st.binary(max_size=80), st.integers(0, 200))
def test_the_second_hkdf_is_that_of_the_library(ikm: bytes, salt: bytes, size: int) -> None:
    assert basics.hkdf(salt, ikm, b"info", size) == (HKDF(SHA256(), size, salt, b"info").derive(ikm) if size else b"")
