"""Safety numbers: the field's construction, symmetric, and different for every pair."""

import pytest
from handshaker_core.errors import MalformedSafetyCode, UnsupportedVersion
from handshaker_core.protocol.keys import IdentityKeyPair
from handshaker_core.protocol.safety_number import (
    DIGITS,
    SafetyCode,
    ScanResult,
    fingerprint,
    grouped,
    numeric_fingerprint,
    safety_number,
)
from hypothesis import given
from hypothesis import strategies as st

# Two X25519 keys with type byte 5 and two telephone numbers, as every implementation of the field is tested.
KEYS = (
    bytes.fromhex("0506863bc66d02b40d27b8d49ca7c09e9239236f9d7d25d6fcca5ce13c7064d868"),
    bytes.fromhex("05f781b6fb32fed9ba1cf2de978d4d5da28dc34046ae814402b5c0dbd96fda907b"),
)
NUMBERS = (b"+14152222222", b"+14153333333")
CODE = (
    "080112220a201e301a0353dce3dbe7684cb8336e85136cdc0ee96219494ada305d62a7bd61df"
    "1a220a20d62cbf73a11592015b6b9f1682ac306fea3aaf3885b84d12bca631e9d4fb3a4d"
)


def test_construction_equals_the_published_vector_of_the_field() -> None:
    halves = [numeric_fingerprint(key, number) for key, number in zip(KEYS, NUMBERS, strict=True)]
    assert "".join(sorted(halves)) == "300354477692869396892869876765458257569162576843440918079131"


def test_scannable_form_equals_the_published_vector_of_the_field() -> None:
    local, remote = (fingerprint(key, number)[:32] for key, number in zip(KEYS, NUMBERS, strict=True))
    assert SafetyCode(local, remote, version=1).encode().hex() == CODE


def test_both_sides_see_the_same_sixty_digits() -> None:
    alice, bob, mallory = (IdentityKeyPair.generate().public for _ in range(3))
    number = safety_number(alice, bob)
    assert len(number) == DIGITS
    assert number.isdecimal()
    assert number == safety_number(bob, alice)
    assert number not in {safety_number(alice, mallory), safety_number(mallory, bob)}


def test_identities_give_stable_numbers() -> None:
    alice, bob = IdentityKeyPair(b"a" * 32).public, IdentityKeyPair(b"b" * 32).public
    encoded = [b"\x01" + alice.raw, b"\x01" + bob.raw]
    assert safety_number(alice, bob) == "".join(sorted(numeric_fingerprint(key, key) for key in encoded))


def test_people_read_twelve_groups_of_five() -> None:
    number = "".join(f"{group:05d}" for group in range(12))
    assert grouped(number) == "00000 00001 00002 00003 00004 00005 00006 00007 00008 00009 00010 00011"


def codes(*seeds: bytes) -> SafetyCode:
    first, second = (IdentityKeyPair(seed * 32).public for seed in seeds)
    return SafetyCode.between(first, second)


def test_a_scan_says_which_key_differs() -> None:
    mine = codes(b"a", b"b")
    assert mine.compare(codes(b"b", b"a")) is ScanResult.MATCH
    assert mine.compare(codes(b"x", b"a")) is ScanResult.OTHER_KEY_OF_CONTACT
    assert mine.compare(codes(b"b", b"x")) is ScanResult.OTHER_OWN_KEY
    assert mine.compare(codes(b"x", b"y")) is ScanResult.OTHER_KEYS
    assert mine.compare(mine) is ScanResult.OWN_CODE
    assert mine.compare(codes(b"b", b"a")) is ScanResult.MATCH


def test_codes_of_different_versions_are_not_compared() -> None:
    mine, theirs = codes(b"a", b"b"), codes(b"b", b"a")
    assert mine.compare(theirs) is ScanResult.MATCH
    with pytest.raises(UnsupportedVersion):
        mine.compare(SafetyCode(theirs.local, theirs.remote, version=2))
    with pytest.raises(UnsupportedVersion):
        SafetyCode.decode(SafetyCode(theirs.local, theirs.remote, version=2).encode())


@given(local=st.binary(min_size=32, max_size=32), remote=st.binary(min_size=32, max_size=32))
def test_codes_survive_the_way_through_bytes_and_text(local: bytes, remote: bytes) -> None:
    code = SafetyCode(local, remote)
    assert SafetyCode.decode(code.encode()) == code
    text = code.text()
    assert len(text) == 99
    assert text.startswith("CAESIgog")
    assert SafetyCode.from_text(text) == code
    assert SafetyCode.from_text(f"  {text[:40]}\n{text[40:]}==\n") == code


@given(st.binary(max_size=100))
def test_other_bytes_are_no_code(data: bytes) -> None:
    with pytest.raises((MalformedSafetyCode, UnsupportedVersion)):
        SafetyCode.decode(data)


def test_every_cut_and_every_altered_frame_is_no_code() -> None:
    data = codes(b"a", b"b").encode()
    assert SafetyCode.decode(data).encode() == data
    for length in range(len(data)):
        with pytest.raises(MalformedSafetyCode):
            SafetyCode.decode(data[:length])
    for position in (0, 2, 3, 4, 5, 38, 39, 40, 41):
        with pytest.raises(MalformedSafetyCode):
            SafetyCode.decode(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
    with pytest.raises(MalformedSafetyCode):
        SafetyCode.decode(data + b"x")


@pytest.mark.parametrize("text", ["", "CAESIgog", "handshaker", "ü", "CAESIgog" + "A" * 92, "=" * 99])
def test_other_text_is_no_code(text: str) -> None:
    with pytest.raises(MalformedSafetyCode):
        SafetyCode.from_text(text)
