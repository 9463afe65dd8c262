"""Contact addresses: signed, sealed behind a username at one size, and carried by links."""

import base64
from dataclasses import replace

import pytest
from handshaker_core.errors import BadSignature, HandshakerError, InvalidLink, MalformedAddress, SealedAddressError
from handshaker_core.protocol.address import (
    ADDRESS_SIZE,
    SEALED_ADDRESS_SIZE,
    BundleId,
    ContactAddress,
    SendId,
    SendSecret,
    make_link,
    open_address,
    parse_link,
    seal_address,
)
from handshaker_core.protocol.keys import IdentityKeyPair
from handshaker_core.protocol.username import UsernameKeys, UsernameSealKey
from hypothesis import given, settings
from hypothesis import strategies as st

from .parties import flip

IDENTITY = IdentityKeyPair.generate()
KEYS = UsernameKeys(b"l" * 32, UsernameSealKey(b"k" * 32))


def address(issued_at: int = 1_790_000_000) -> ContactAddress:
    return ContactAddress.create(
        IDENTITY,
        send_id=SendId(b"s" * 16),
        send_secret=SendSecret(b"t" * 32),
        bundle_id=BundleId(b"b" * 16),
        issued_at=issued_at,
    )


ADDRESS = address()
LINK = make_link(ADDRESS, "https://chat.example")
FRAGMENT = LINK.partition("#")[2]


def test_encoding_is_canonical_and_documented() -> None:
    encoded = ADDRESS.encode()
    assert len(encoded) == ADDRESS_SIZE == 169
    content = b"\x01" + b"s" * 16 + b"t" * 32 + b"b" * 16 + IDENTITY.public.raw + (1_790_000_000).to_bytes(8, "big")
    assert encoded == content + ADDRESS.signature
    assert ContactAddress.decode(encoded) == ADDRESS


@settings(max_examples=100, deadline=None)
@given(st.integers(0, ADDRESS_SIZE - 1), st.integers(0, 7))
def test_every_altered_bit_is_refused(position: int, bit: int) -> None:
    with pytest.raises(HandshakerError):
        ContactAddress.decode(flip(ADDRESS.encode(), position, bit))
    assert ContactAddress.decode(ADDRESS.encode()) == ADDRESS


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_no_address(data: bytes) -> None:
    with pytest.raises(HandshakerError):
        ContactAddress.decode(data)
    with pytest.raises(HandshakerError):
        ContactAddress.decode(data.ljust(ADDRESS_SIZE, b"\x01")[:ADDRESS_SIZE])


def test_an_address_under_another_identity_is_refused() -> None:
    mallory = IdentityKeyPair.generate()
    with pytest.raises(BadSignature):
        ContactAddress.decode(replace(ADDRESS, identity_key=mallory.public).encode())


def test_wrong_ids_and_times_are_not_signed() -> None:
    good = {"send_id": SendId(bytes(16)), "send_secret": SendSecret(bytes(32)), "bundle_id": BundleId(bytes(16))}
    assert ContactAddress.create(IDENTITY, **good, issued_at=0)
    for bad in ({"send_id": SendId(bytes(15))}, {"bundle_id": BundleId(bytes(17))}):
        with pytest.raises(MalformedAddress):
            ContactAddress.create(IDENTITY, **{**good, **bad}, issued_at=0)
    for issued_at in (-1, 2**64):
        with pytest.raises(MalformedAddress):
            ContactAddress.create(IDENTITY, **good, issued_at=issued_at)


def test_repr_tells_nothing() -> None:
    assert repr(ADDRESS) == "ContactAddress(<redacted>)"
    assert repr(KEYS) == "UsernameKeys(<redacted>)"


def test_sealed_addresses_have_one_size_and_open_with_the_name_alone() -> None:
    sealed = seal_address(ADDRESS, KEYS)
    assert len(sealed) == SEALED_ADDRESS_SIZE == 512
    assert open_address(sealed, KEYS) == ADDRESS
    assert seal_address(ADDRESS, KEYS) != sealed
    for part in (b"s" * 16, b"t" * 16, IDENTITY.public.raw):
        assert part not in sealed
    wrong_key, wrong_hash = UsernameSealKey(b"K" * 32), b"L" * 32
    for keys in (UsernameKeys(KEYS.lookup_hash, wrong_key), UsernameKeys(wrong_hash, KEYS.seal_key)):
        with pytest.raises(SealedAddressError):
            open_address(sealed, keys)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, SEALED_ADDRESS_SIZE - 1), st.integers(0, 7), st.integers(0, SEALED_ADDRESS_SIZE - 1))
def test_altered_sealed_addresses_are_refused(position: int, bit: int, cut: int) -> None:
    sealed = seal_address(ADDRESS, KEYS)
    for bad in (flip(sealed, position, bit), sealed[:cut], sealed + b"\0"):
        with pytest.raises(SealedAddressError):
            open_address(bad, KEYS)


@pytest.mark.parametrize(
    "base",
    [
        "https://chat.example",
        "https://chat.example:8443",
        "https://[2001:db8::1]:8443",
        "http://127.0.0.1:8080",
        "http://localhost:8080",
        "http://[::1]:8080",
        "http://" + "a" * 56 + ".onion",
    ],
)
def test_links_survive(base: str) -> None:
    link = make_link(ADDRESS, base)
    assert link.startswith(base + "/c#")
    assert parse_link(link) == (base, ADDRESS)
    assert parse_link(f"  {link}\n") == (base, ADDRESS)
    assert make_link(ADDRESS, base + "/") == link


@pytest.mark.parametrize(
    "link",
    [
        "",
        "alice.42",
        "https://chat.example/c",
        "https://chat.example/c#",
        f"https://chat.example/#{FRAGMENT}",
        f"https://chat.example/d#{FRAGMENT}",
        f"https://chat.example/x/c#{FRAGMENT}",
        f"https://chat.example/c?x=1#{FRAGMENT}",
        f"https://chat.example/c/#{FRAGMENT}",
        f"https://user@chat.example/c#{FRAGMENT}",
        f"https://chat.example:notaport/c#{FRAGMENT}",
        f"https://chat.example:99999/c#{FRAGMENT}",
        f"https:///c#{FRAGMENT}",
        f"https://CHAT.example/c#{FRAGMENT}",
        f"https://chat.exämple/c#{FRAGMENT}",
        f"http://chat.example/c#{FRAGMENT}",
        f"http://onion/c#{FRAGMENT}",
        f"ftp://chat.example/c#{FRAGMENT}",
        f"chat.example/c#{FRAGMENT}",
        f"https://chat.example/c#{FRAGMENT}=",
        f"https://chat.example/c#{FRAGMENT}#",
        f"https://chat.example/c#{FRAGMENT[:-1]}-",
        f"https://chat.example/c#{FRAGMENT[:4]} {FRAGMENT[4:]}",
        f"https://chat.example/c#{FRAGMENT[:-1]}",
        f"https://chat.example/c#{FRAGMENT}A",
    ],
)
def test_other_texts_are_no_links(link: str) -> None:
    assert parse_link(LINK)
    with pytest.raises((InvalidLink, MalformedAddress, BadSignature)):
        parse_link(link)


def test_one_address_has_one_link() -> None:
    """Unused bits of the last character must be zero."""
    last = FRAGMENT[-1]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = FRAGMENT[:-1] + alphabet[alphabet.index(last) ^ 1]
    pad = "=" * (-len(twin) % 4)
    assert base64.urlsafe_b64decode(twin + pad) == base64.urlsafe_b64decode(FRAGMENT + pad)
    with pytest.raises(InvalidLink):
        parse_link(f"https://chat.example/c#{twin}")


@pytest.mark.parametrize("base", ["", "chat.example", "http://chat.example", "https://chat.example/x", "https://a b"])
def test_links_are_not_made_for_other_bases(base: str) -> None:
    with pytest.raises(InvalidLink):
        make_link(ADDRESS, base)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60))
def test_arbitrary_text_raises_only_documented_errors(text: str) -> None:
    for link in (text, f"https://{text}/c#{FRAGMENT}", f"https://chat.example/c#{text}"):
        try:
            base, parsed = parse_link(link)
        except HandshakerError:
            continue
        assert make_link(parsed, base) == link.strip()
