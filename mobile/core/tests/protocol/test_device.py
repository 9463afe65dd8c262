"""Device certificates and lists: what was signed is read, anything else is refused."""

import pytest
from handshaker_core.errors import BadSignature, MalformedDevice, ProtocolError, WrongIdentity
from handshaker_core.protocol.address import BundleId
from handshaker_core.protocol.device import CERTIFICATE_SIZE, MAX_DEVICES, DeviceCertificate, DeviceId, DeviceList
from handshaker_core.protocol.keys import DeviceIdentityKeyPair, IdentityKeyPair
from handshaker_core.protocol.labels import Label
from handshaker_core.protocol.root import RootSeed
from hypothesis import given
from hypothesis import strategies as st

IDENTITY = IdentityKeyPair(bytes(range(32)))
STRANGER = IdentityKeyPair(bytes(range(1, 33)))


def certificate(number: int, identity: IdentityKeyPair = IDENTITY) -> DeviceCertificate:
    return DeviceCertificate.issue(
        identity,
        device_id=DeviceId(number.to_bytes(16, "big")),
        device_key=DeviceIdentityKeyPair(number.to_bytes(32, "big")).public,
        bundle_id=BundleId(bytes(16)),
        issued_at=1_800_000_000,
    )


def device_list(count: int, sequence: int = 1) -> DeviceList:
    certificates = tuple(certificate(number) for number in range(1, count + 1))
    return DeviceList.issue(IDENTITY, sequence=sequence, issued_at=1_800_000_000, certificates=certificates)


def test_a_certificate_is_read_back() -> None:
    issued = certificate(7)
    assert len(issued.encode()) == CERTIFICATE_SIZE == 169
    assert DeviceCertificate.decode(issued.encode()) == issued


@given(st.integers(0, CERTIFICATE_SIZE - 1), st.integers(1, 255))
def test_no_altered_certificate_is_accepted(position: int, difference: int) -> None:
    altered = bytearray(certificate(7).encode())
    altered[position] ^= difference
    with pytest.raises(ProtocolError):
        DeviceCertificate.decode(bytes(altered))


@pytest.mark.parametrize("count", [1, 2, MAX_DEVICES])
def test_a_list_is_read_back_and_finds_its_devices(count: int) -> None:
    issued = device_list(count)
    assert DeviceList.decode(issued.encode()) == issued
    assert issued.find(DeviceId((1).to_bytes(16, "big"))) == certificate(1)
    assert issued.find(DeviceId(bytes(16))) is None


@given(st.data())
def test_no_altered_list_is_accepted(data: st.DataObject) -> None:
    altered = bytearray(device_list(2).encode())
    position = data.draw(st.integers(0, len(altered) - 1))
    altered[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ProtocolError):
        DeviceList.decode(bytes(altered))


def test_a_list_cut_at_any_place_or_longer_is_refused() -> None:
    encoded = device_list(2).encode()
    for end in range(len(encoded)):
        with pytest.raises(ProtocolError):
            DeviceList.decode(encoded[:end])
    with pytest.raises(MalformedDevice):
        DeviceList.decode(encoded + b"\x00")


def test_lists_that_make_no_sense_are_not_issued() -> None:
    for certificates in (
        (),
        tuple(certificate(n) for n in range(1, MAX_DEVICES + 2)),
        (certificate(1), certificate(1)),
    ):
        with pytest.raises(MalformedDevice):
            DeviceList.issue(IDENTITY, sequence=1, issued_at=0, certificates=certificates)
    with pytest.raises(MalformedDevice):
        DeviceList.issue(IDENTITY, sequence=0, issued_at=0, certificates=(certificate(1),))
    with pytest.raises(WrongIdentity):
        DeviceList.issue(IDENTITY, sequence=1, issued_at=0, certificates=(certificate(1, STRANGER),))


def test_a_list_signed_by_somebody_else_is_refused() -> None:
    mine = device_list(1)
    forged = mine.encode()[:-64] + STRANGER.sign(Label.DEVICE_LIST_SIGNATURE, mine.encode()[:-64])
    with pytest.raises(BadSignature):
        DeviceList.decode(forged)


def test_what_a_root_seed_derives_is_always_the_same_and_never_twice_the_same() -> None:
    root = RootSeed(bytes(range(32)))
    derived = [
        root.identity().seed,
        root.recovery_auth().raw,
        root.backup_key().raw,
        root.openpgp_primary().raw,
        root.openpgp_encryption().raw,
    ]
    assert len(set(derived)) == len(derived)
    assert derived[0] == RootSeed(bytes(range(32))).identity().seed
    assert root.raw not in derived
    assert "redacted" in repr(root)
