"""Safety numbers: the field's construction, symmetric, and different for every pair."""

from handshaker_core.protocol.keys import IdentityKeyPair
from handshaker_core.protocol.safety_number import DIGITS, grouped, numeric_fingerprint, safety_number


def test_construction_equals_the_published_vector_of_the_field() -> None:
    """Two X25519 keys with type byte 5 and two telephone numbers, as every implementation of it is tested."""
    keys = [
        bytes.fromhex("0506863bc66d02b40d27b8d49ca7c09e9239236f9d7d25d6fcca5ce13c7064d868"),
        bytes.fromhex("05f781b6fb32fed9ba1cf2de978d4d5da28dc34046ae814402b5c0dbd96fda907b"),
    ]
    halves = [numeric_fingerprint(keys[0], b"+14152222222"), numeric_fingerprint(keys[1], b"+14153333333")]
    assert "".join(sorted(halves)) == "300354477692869396892869876765458257569162576843440918079131"


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
