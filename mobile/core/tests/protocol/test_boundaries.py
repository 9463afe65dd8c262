"""The exact edges of what is issued and read: one inside, one outside. Found by changing the code and seeing nothing fail."""

import pytest
from handshaker_core.errors import (
    BadKey,
    InvalidLink,
    MalformedAddress,
    MalformedDevice,
    MalformedFrame,
    MalformedSafetyCode,
)
from handshaker_core.protocol.address import BundleId, ContactAddress, SendId, SendSecret, make_link, parse_link
from handshaker_core.protocol.curve25519 import FIELD_PRIME, x25519_public_from_ed25519
from handshaker_core.protocol.device import CERTIFICATE_SIZE, DeviceCertificate, DeviceId, DeviceList
from handshaker_core.protocol.keys import DeviceIdentityKeyPair, IdentityKeyPair
from handshaker_core.protocol.labels import Label
from handshaker_core.protocol.root import RootSeed
from handshaker_core.protocol.safety_number import SafetyCode
from handshaker_core.protocol.skipped_keys import SkippedMessageKeys
from handshaker_core.protocol.wire import Reader, u8, u16, u32, u64

IDENTITY = IdentityKeyPair(bytes(range(32)))
LATEST = 2**64 - 1


def certificate(device_id: bytes = bytes(16), bundle_id: bytes = bytes(16), issued_at: int = 1) -> DeviceCertificate:
    return DeviceCertificate.issue(
        IDENTITY,
        device_id=DeviceId(device_id),
        device_key=DeviceIdentityKeyPair(bytes(32)).public,
        bundle_id=BundleId(bundle_id),
        issued_at=issued_at,
    )


@pytest.mark.parametrize("issued_at", [0, 1, LATEST])
def test_times_at_the_edges_are_certified_and_read_back(issued_at: int) -> None:
    made = certificate(issued_at=issued_at)
    assert DeviceCertificate.decode(made.encode()) == made
    listed = DeviceList.issue(IDENTITY, sequence=2**32 - 1, issued_at=issued_at, certificates=(made,))
    assert DeviceList.decode(listed.encode()) == listed


@pytest.mark.parametrize("issued_at", [-1, LATEST + 1])
def test_times_beyond_them_are_not(issued_at: int) -> None:
    with pytest.raises(MalformedDevice):
        certificate(issued_at=issued_at)
    with pytest.raises(MalformedDevice):
        DeviceList.issue(IDENTITY, sequence=1, issued_at=issued_at, certificates=(certificate(),))


@pytest.mark.parametrize("size", [0, 15, 17])
def test_ids_of_another_length_are_not_certified(size: int) -> None:
    with pytest.raises(MalformedDevice):
        certificate(device_id=bytes(size))
    with pytest.raises(MalformedDevice):
        certificate(bundle_id=bytes(size))


@pytest.mark.parametrize("sequence", [-1, 0, 2**32])
def test_sequences_beyond_32_bits_are_not_issued(sequence: int) -> None:
    with pytest.raises(MalformedDevice):
        DeviceList.issue(IDENTITY, sequence=sequence, issued_at=1, certificates=(certificate(),))


def test_a_list_that_is_correctly_signed_but_has_no_sequence_is_refused() -> None:
    content = DeviceList.issue(IDENTITY, sequence=1, issued_at=1, certificates=(certificate(),)).encode()[:-64]
    for sequence, refused in ((1, False), (0, True)):
        changed = content[:33] + u32(sequence) + content[37:]
        signed = changed + IDENTITY.sign(Label.DEVICE_LIST_SIGNATURE, changed)
        if refused:
            with pytest.raises(MalformedDevice):
                DeviceList.decode(signed)
        else:
            assert DeviceList.decode(signed).sequence == 1


def test_certificates_cut_anywhere_are_malformed_and_nothing_else() -> None:
    encoded = certificate().encode()
    assert len(encoded) == CERTIFICATE_SIZE
    for end in range(CERTIFICATE_SIZE):
        with pytest.raises(MalformedDevice):
            DeviceCertificate.decode(encoded[:end])
    with pytest.raises(MalformedDevice):
        DeviceCertificate.decode(encoded + b"\x00")


def address(issued_at: int = 1, send_id: bytes = b"s" * 16, bundle_id: bytes = b"b" * 16) -> ContactAddress:
    return ContactAddress.create(
        IDENTITY,
        send_id=SendId(send_id),
        send_secret=SendSecret(b"c" * 32),
        bundle_id=BundleId(bundle_id),
        issued_at=issued_at,
    )


@pytest.mark.parametrize("issued_at", [0, 128, LATEST])
def test_a_created_address_is_the_one_that_is_read(issued_at: int) -> None:
    made = address(issued_at)
    assert (made.send_id, made.bundle_id, made.issued_at) == (b"s" * 16, b"b" * 16, issued_at)
    assert made.identity_key == IDENTITY.public
    read = ContactAddress.decode(made.encode())
    assert (read, read.signature) == (made, made.signature)


def test_addresses_with_wrong_ids_or_times_are_not_created() -> None:
    for wrong in ({"issued_at": -1}, {"issued_at": LATEST + 1}, {"send_id": bytes(15)}, {"bundle_id": bytes(17)}):
        with pytest.raises(MalformedAddress):
            address(**wrong)


def test_links_without_their_mark_or_with_two_of_them_are_none() -> None:
    link = make_link(address(), "https://chat.example/")
    assert parse_link(link)[0] == "https://chat.example"
    for bad in (link.replace("#", ""), link.replace("/c#", "/c"), f"https://chat.example/c#{link}", f"{link}#"):
        with pytest.raises(InvalidLink):
            parse_link(bad)
    with pytest.raises(InvalidLink):
        make_link(address(), "https://")
    with pytest.raises(InvalidLink):
        make_link(address(), "https://chat.exampleX")


def test_flags_are_zero_or_one() -> None:
    assert [Reader(bytes((value,)), MalformedFrame).flag() for value in (0, 1)] == [False, True]
    for value in (2, 3, 255):
        with pytest.raises(MalformedFrame):
            Reader(bytes((value,)), MalformedFrame).flag()


def test_numbers_are_big_endian_and_exact() -> None:
    assert u8(7) + u16(0x0102) + u32(0x01020304) + u64(0x0102030405060708) == bytes.fromhex("07010201020304") + bytes(
        range(1, 9)
    )
    reader = Reader(bytes.fromhex("010201020304") + bytes(range(1, 9)) + b"rest", MalformedFrame)
    assert (reader.u16(), reader.u32(), reader.u64()) == (0x0102, 0x01020304, 0x0102030405060708)
    assert reader.rest() == b"rest"
    reader.end()
    assert reader.rest() == b""
    with pytest.raises(MalformedFrame):
        reader.take(1)


def test_the_modulus_itself_is_no_coordinate() -> None:
    assert x25519_public_from_ed25519((9).to_bytes(32, "little"))
    for y in (FIELD_PRIME, FIELD_PRIME + 1):
        with pytest.raises(BadKey, match="length or form"):
            x25519_public_from_ed25519(y.to_bytes(32, "little"))


def test_safety_codes_hold_two_fingerprints_and_a_version() -> None:
    assert SafetyCode(bytes(32), bytes(32), version=0).version == 0
    for local, remote, version in ((31, 32, 1), (32, 33, 1), (0, 0, 1), (32, 32, -1)):
        with pytest.raises(MalformedSafetyCode):
            SafetyCode(bytes(local), bytes(remote), version)


def test_a_root_seed_is_drawn_from_the_given_randomness_and_derives_each_thing_by_its_own_label() -> None:
    seed = RootSeed.generate(lambda size: bytes(range(size)))
    assert seed.raw == bytes(range(32))
    derived = {seed.identity().seed, seed.recovery_auth().raw, seed.backup_key().raw, seed.store_recovery().raw}
    assert len(derived | {seed.openpgp_primary().raw, seed.openpgp_encryption().raw}) == 6


def test_equal_maps_of_skipped_keys_hash_alike() -> None:
    assert hash(SkippedMessageKeys()) == hash(SkippedMessageKeys({}))
    assert SkippedMessageKeys() != {}
