"""Targets: what people and servers hand over about people. Certificates, lists, addresses, links, names, phrases."""

from functools import cache

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from handshaker_core.errors import (
    BadKey,
    BadSignature,
    InvalidLink,
    InvalidUsername,
    MalformedAddress,
    MalformedDevice,
    SealedAddressError,
    WrongIdentity,
)
from handshaker_core.protocol import phrase
from handshaker_core.protocol.address import (
    SEALED_ADDRESS_SIZE,
    BundleId,
    ContactAddress,
    SendId,
    SendSecret,
    _sealed_associated_data,
    make_link,
    open_address,
    parse_link,
    seal_address,
)
from handshaker_core.protocol.device import DeviceCertificate, DeviceId, DeviceList
from handshaker_core.protocol.keys import DeviceIdentityKeyPair, IdentityKeyPair
from handshaker_core.protocol.phrase import InvalidPhrase
from handshaker_core.protocol.root import RootSeed
from handshaker_core.protocol.username import UsernameKeys, UsernameSealKey, normalise

from .target import Target, text

IDENTITY = IdentityKeyPair(bytes(range(32)))
STRANGER = IdentityKeyPair(bytes(range(1, 33)))
NAME_KEYS = UsernameKeys(bytes(32), UsernameSealKey(bytes(32)))


def certificate(number: int, identity: IdentityKeyPair = IDENTITY) -> DeviceCertificate:
    return DeviceCertificate.issue(
        identity,
        device_id=DeviceId(number.to_bytes(16, "big")),
        device_key=DeviceIdentityKeyPair(number.to_bytes(32, "big")).public,
        bundle_id=BundleId(bytes(16)),
        issued_at=1_800_000_000,
    )


def device_list(count: int) -> DeviceList:
    certificates = tuple(certificate(number) for number in range(1, count + 1))
    return DeviceList.issue(IDENTITY, sequence=3, issued_at=1_800_000_000, certificates=certificates)


@cache
def address() -> ContactAddress:
    return ContactAddress.create(
        IDENTITY,
        send_id=SendId(bytes(16)),
        send_secret=SendSecret(bytes(32)),
        bundle_id=BundleId(bytes(16)),
        issued_at=1_800_000_000,
    )


def seal_and_open(data: bytes) -> ContactAddress:
    """What somebody who knows the name can put behind it: the record itself is always well-formed."""
    padded = (data + b"\x80").ljust(SEALED_ADDRESS_SIZE - 29, b"\x00")[: SEALED_ADDRESS_SIZE - 29]
    sealed = AESGCM(NAME_KEYS.seal_key.raw).encrypt(bytes(12), padded, _sealed_associated_data(NAME_KEYS))
    return open_address(b"\x01" + bytes(12) + sealed, NAME_KEYS)


TARGETS = [
    Target(
        "device-certificate",
        DeviceCertificate.decode,
        (MalformedDevice, BadKey, BadSignature),
        ("protocol.device.DeviceCertificate.decode",),
        lambda: [certificate(7).encode()],
        DeviceCertificate.encode,
    ),
    Target(
        "device-list",
        DeviceList.decode,
        (MalformedDevice, BadKey, BadSignature, WrongIdentity),
        ("protocol.device.DeviceList.decode",),
        lambda: [device_list(1).encode(), device_list(8).encode()],
        DeviceList.encode,
    ),
    Target(
        "contact-address",
        ContactAddress.decode,
        (MalformedAddress, BadKey, BadSignature),
        ("protocol.address.ContactAddress.decode",),
        lambda: [address().encode()],
        ContactAddress.encode,
    ),
    Target(
        "contact-link",
        lambda data: parse_link(text(data)),
        (InvalidLink, MalformedAddress, BadKey, BadSignature),
        ("protocol.address.parse_link",),
        lambda: [
            make_link(address(), base).encode()
            for base in ("https://chat.example", "http://[::1]:8080", "http://abcdefgh.onion")
        ],
    ),
    Target(
        "sealed-address",
        lambda data: open_address(data, NAME_KEYS),
        (SealedAddressError, MalformedAddress, BadKey, BadSignature),
        ("protocol.address.open_address",),
        lambda: [seal_address(address(), NAME_KEYS, bytes)],
    ),
    Target(
        "sealed-address-content",
        seal_and_open,
        (SealedAddressError, MalformedAddress, BadKey, BadSignature),
        ("protocol.address.open_address",),
        lambda: [address().encode()],
    ),
    Target(
        "username",
        lambda data: normalise(text(data)),
        (InvalidUsername,),
        ("protocol.username.normalise",),
        lambda: [b"alice.42", b" ALICE_9.000000042 ", "ａlice.４２".encode()],  # noqa: RUF001 - wide letters, on purpose
    ),
    Target(
        "recovery-phrase",
        lambda data: phrase.decode(text(data)),
        (InvalidPhrase,),
        ("protocol.phrase.decode",),
        lambda: [" ".join(phrase.encode(RootSeed(bytes(range(number, number + 32))))).encode() for number in range(3)],
    ),
]
