"""docs/protocol/vectors against a second implementation: addresses, links, usernames, safety numbers, devices, labels."""

import base64

import pytest

from .own import load, unhex
from .reference import people
from .reference.basics import Refused, ed25519_public, sign


def test_contact_address_and_links() -> None:
    vectors = load("contact-address")
    address = bytes.fromhex(vectors["address"])
    seed = bytes.fromhex(vectors["identity_seed"])
    fields = [bytes.fromhex(vectors[name]) for name in ("send_id", "send_secret", "bundle_id")]
    read = people.read_address(address)
    assert read == people.Address(*fields, ed25519_public(seed), vectors["issued_at"])
    assert address[105:] == sign(seed, "handshaker/v1/contact-address-signature", address[:105])
    for case in vectors["links"]:
        assert people.write_link(case["base"], address) == case["link"]
        assert people.read_link(case["link"]) == (case["base"], read)
    assert len(vectors["refused_links"]) == 9
    for link in vectors["refused_links"]:
        with pytest.raises(Refused):
            people.read_link(link)


def test_sealed_address() -> None:
    vectors = load("contact-address")
    sealed = vectors["sealed"]
    record, deployment = bytes.fromhex(sealed["record"]), bytes.fromhex(sealed["deployment_id"])
    assert record[1:13].hex() == sealed["nonce"]
    assert people.open_record(record, sealed["username"], deployment).hex() == vectors["address"]
    with pytest.raises(Refused):
        people.open_record(record, sealed["username"], b"another")


def test_usernames() -> None:
    vectors = load("username")
    for case in vectors["typed"]:
        assert people.normalise(case["typed"]) == case["username"]
    for text in vectors["refused"]:
        with pytest.raises(Refused):
            people.normalise(text)
    for case in vectors["derived"]:
        lookup, key = people.username_keys(case["username"], bytes.fromhex(case["deployment_id"]))
        assert (lookup.hex(), key.hex()) == (case["lookup_hash"], case["seal_key"])


def test_safety_numbers() -> None:
    for case in load("safety-number")["cases"]:
        one, other = bytes.fromhex(case["one"]), bytes.fromhex(case["other"])
        assert people.safety_number(one, other) == people.safety_number(other, one) == case["safety_number"]
        code = people.safety_code(one, other)
        assert code.hex() == case["code_shown_by_one"]
        assert base64.urlsafe_b64encode(code).rstrip(b"=").decode() == case["code_as_text"]
        mirrored = people.safety_code(other, one)
        assert (mirrored[6:38], mirrored[42:]) == (code[42:], code[6:38])


def test_devices() -> None:
    vectors = load("devices")
    identity = ed25519_public(bytes.fromhex(vectors["identity_seed"]))
    certificates = []
    for case in map(unhex, vectors["certificates"]):
        expected = people.Certificate(
            identity, case["device_id"], case["device_key"], case["bundle_id"], case["issued_at"]
        )
        assert ed25519_public(case["device_key_seed"]) == case["device_key"]
        assert people.read_certificate(case["certificate"]) == expected
        certificates.append(expected)
    sequence, issued_at, found = people.read_device_list(bytes.fromhex(vectors["list"]["encoded"]))
    assert (sequence, issued_at) == (vectors["list"]["sequence"], vectors["list"]["issued_at"])
    assert sorted(found) == sorted(certificates)
    assert len(vectors["refused_lists"]) >= 14
    for bad in vectors["refused_lists"].values():
        with pytest.raises(Refused):
            people.read_device_list(bytes.fromhex(bad))


def test_labels_are_those_that_the_pages_name() -> None:
    """Unique and prefix-free, between clients and for servers."""
    vectors = load("labels")
    values = [*vectors["between_clients"].values(), *vectors["for_servers"].values()]
    assert len(values) == len(set(values)) > 30
    assert all(value.startswith("handshaker/v1/") and value.isascii() for value in values)
    assert not [(one, other) for one in values for other in values if one != other and other.startswith(one)]
