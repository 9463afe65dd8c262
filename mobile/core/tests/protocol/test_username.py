"""Usernames: one written form, clear refusals, and the documented derivation."""

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from handshaker_core.errors import InvalidUsername
from handshaker_core.protocol.labels import Label
from handshaker_core.protocol.username import derive, normalise
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("typed", "form"),
    [
        ("alice.42", "alice.42"),
        ("ALICE.42", "alice.42"),
        ("  Alice.42\n", "alice.42"),
        ("\uff21lice\uff0e\uff14\uff12", "alice.42"),
        ("\u212aevin.07", "kevin.07"),
        ("ﬁnn.10", "finn.10"),
        ("\u1d2clice.42", "alice.42"),
        ("a_1.000000000", "a_1.000000000"),
        ("x" * 32 + ".99", "x" * 32 + ".99"),
    ],
)
def test_every_way_to_type_a_name_has_one_form(typed: str, form: str) -> None:
    assert normalise(typed) == form


@pytest.mark.parametrize(
    ("typed", "complaint"),
    [
        ("", "dot and digits"),
        ("alice", "dot and digits"),
        ("alice42", "dot and digits"),
        ("al.42", "3 to 32"),
        ("x" * 33 + ".42", "3 to 32"),
        ("al ice.42", "3 to 32"),
        ("älice.42", "3 to 32"),
        ("\u0430lice.42", "3 to 32"),  # a Cyrillic letter
        ("a.b.42", "3 to 32"),
        ("alice-x.42", "3 to 32"),
        ("alice\n.42", "3 to 32"),
        ("alice.4", "2 to 9"),
        ("alice.1234567890", "2 to 9"),
        ("alice.4x", "2 to 9"),
        ("alice.", "2 to 9"),
        ("alice.٤٢", "2 to 9"),
    ],
)
def test_other_texts_are_refused_with_the_broken_rule(typed: str, complaint: str) -> None:
    with pytest.raises(InvalidUsername, match=complaint):
        normalise(typed)


@given(st.text(max_size=50))
def test_normalising_is_total_and_idempotent(text: str) -> None:
    try:
        form = normalise(text)
    except InvalidUsername:
        return
    assert normalise(form) == form
    assert form.isascii()


@given(st.from_regex(r"[a-z0-9_]{3,32}\.[0-9]{2,9}", fullmatch=True))
def test_normal_forms_stay_as_they_are(name: str) -> None:
    assert normalise(name) == name
    assert normalise(name.upper()) == name


def test_derivation_is_the_documented_one_and_depends_on_name_and_deployment() -> None:
    keys = derive(normalise("Alice.42"), b"deployment")
    stretched = Argon2id(
        salt=Label.USERNAME_ARGON2ID.value + b"deployment", length=32, iterations=3, lanes=1, memory_cost=65_536
    ).derive(b"alice.42")
    assert keys.lookup_hash == HKDFExpand(SHA256(), 32, Label.USERNAME_LOOKUP.value).derive(stretched)
    assert keys.seal_key.raw == HKDFExpand(SHA256(), 32, Label.USERNAME_SEAL_KEY.value).derive(stretched)
    others = [derive(normalise("alice.43"), b"deployment"), derive(normalise("alice.42"), b"other")]
    values = {keys.lookup_hash, keys.seal_key.raw}
    for other in others:
        values |= {other.lookup_hash, other.seal_key.raw}
    assert len(values) == 6


def test_a_deployment_must_be_named() -> None:
    with pytest.raises(ValueError, match="deployment_id"):
        derive(normalise("alice.42"), b"")
