"""Identity keys, the map between the two forms of Curve25519, refusal of bad points, and redaction."""

import secrets

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey as PlainX25519
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey as PlainX25519Public
from handshaker_core.errors import BadKey, BadSignature, LowOrderPoint, MalformedState, ProtocolError
from handshaker_core.protocol import curve25519
from handshaker_core.protocol import session as sessions
from handshaker_core.protocol.bundle import generate_device_keys, generate_one_time
from handshaker_core.protocol.keys import (
    ChainKey,
    DeviceIdentityKeyPair,
    IdentityKeyPair,
    IdentityPublicKey,
    MessageKey,
    RatchetKeyPair,
    RootKey,
    X25519PrivateKey,
    X25519PublicKey,
)
from handshaker_core.protocol.labels import Label
from handshaker_core.protocol.prekeys import KemPreKey, LastResortKemPreKey, OneTimePreKey, SignedPreKey
from handshaker_core.protocol.randomness import system_randomness
from handshaker_core.protocol.seal import SealKeyPair
from handshaker_core.protocol.session import SessionState
from hypothesis import given
from hypothesis import strategies as st

from .parties import NOW, Device, connect, flip

P = curve25519.FIELD_PRIME
SEEDS = st.binary(min_size=32, max_size=32)


def little(value: int) -> bytes:
    return value.to_bytes(32, "little")


@given(SEEDS)
def test_x25519_public_from_seed_is_the_birational_image_of_the_ed25519_public(seed: bytes) -> None:
    pair = IdentityKeyPair(seed)
    assert pair.public.raw == Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    assert pair.public.x25519 == pair.x25519_private.public()
    u, y = int.from_bytes(pair.public.x25519.raw, "little"), int.from_bytes(pair.public.raw, "little") % 2**255
    assert (u * (1 - y) - (1 + y)) % P == 0
    assert (y * (u + 1) - (u - 1)) % P == 0


@given(SEEDS, SEEDS)
def test_agreement_through_the_map_is_symmetric_and_equals_plain_x25519(one: bytes, other: bytes) -> None:
    a, b = IdentityKeyPair(one), PlainX25519.from_private_bytes(other)
    theirs = X25519PublicKey(b.public_key().public_bytes_raw())
    assert a.x25519_private.agree(theirs) == b.exchange(PlainX25519Public.from_public_bytes(a.public.x25519.raw))


def test_signature_covers_label_and_content() -> None:
    pair = IdentityKeyPair.generate()
    signature = pair.sign(Label.PREKEY_SIGNATURE, b"content")
    pair.public.verify(Label.PREKEY_SIGNATURE, b"content", signature)
    for label, content, altered in (
        (Label.CONTACT_ADDRESS_SIGNATURE, b"content", signature),
        (Label.PREKEY_SIGNATURE, b"contenT", signature),
        (Label.PREKEY_SIGNATURE, b"content", flip(signature, 3)),
        (Label.PREKEY_SIGNATURE, b"content", signature[:-1]),
        (Label.PREKEY_SIGNATURE, b"content", b""),
    ):
        with pytest.raises(BadSignature):
            pair.public.verify(label, content, altered)
    with pytest.raises(BadSignature):
        IdentityKeyPair.generate().public.verify(Label.PREKEY_SIGNATURE, b"content", signature)


@pytest.mark.parametrize("u", sorted(curve25519.LOW_ORDER_U))
def test_every_low_order_point_is_refused_and_is_really_one(u: int) -> None:
    with pytest.raises(LowOrderPoint):
        X25519PublicKey(little(u))
    with pytest.raises(ValueError, match="Error computing shared key"):
        PlainX25519.generate().exchange(PlainX25519Public.from_public_bytes(little(u)))


@pytest.mark.parametrize("raw", [b"", bytes(31), b"\x09" + bytes(32), little(P), little(P + 1), little(2**255 + 9)])
def test_malformed_x25519_keys_are_refused(raw: bytes) -> None:
    with pytest.raises(BadKey):
        X25519PublicKey(raw)
    assert X25519PublicKey(little(9)).raw == little(9)


def test_low_order_identities_are_refused_beside_a_good_one() -> None:
    assert IdentityPublicKey(IdentityKeyPair.generate().public.raw)
    order_eight = [(u - 1) * pow(u + 1, -1, P) % P for u in curve25519.LOW_ORDER_U if u not in {0, P - 1}]
    for y in (1, P - 1, 0, *order_eight):
        for sign in (0, 1):
            with pytest.raises(LowOrderPoint):
                IdentityPublicKey(little(y | sign << 255))
    for raw in (b"", bytes(31), little(P), little(P + 2)):
        with pytest.raises(BadKey):
            IdentityPublicKey(raw)


def test_low_order_refusal_is_also_made_by_the_agreement_itself() -> None:
    forced = X25519PublicKey(little(9))
    object.__setattr__(forced, "raw", bytes(32))
    with pytest.raises(LowOrderPoint):
        X25519PrivateKey.generate(system_randomness).agree(forced)


@pytest.mark.parametrize("kind", [RootKey, ChainKey, MessageKey, X25519PrivateKey, IdentityKeyPair])
@pytest.mark.parametrize("size", [0, 31, 33])
def test_secrets_of_a_wrong_length_are_refused(kind: type[RootKey], size: int) -> None:
    assert kind(bytes(32))
    with pytest.raises(BadKey):
        kind(bytes(size))


def test_keys_of_different_roles_are_never_equal() -> None:
    assert RootKey(bytes(32)) == RootKey(bytes(32))
    assert RootKey(bytes(32)) != ChainKey(bytes(32))


def secret_holders() -> list[tuple[object, list[bytes]]]:
    """Objects that hold secrets, with the secrets they hold."""
    identity = IdentityKeyPair.generate()
    device_key = DeviceIdentityKeyPair.generate()
    device = generate_device_keys(device_key, signed_prekey_id=1, last_resort_id=1)
    one_time = generate_one_time(device_key, 1, 1)
    pair = RatchetKeyPair.generate(system_randomness)
    side, _ = connect()
    session, local = side.session, side.device.local
    ratchet = session.ratchet.ratchet
    sending = ratchet.chains.sending or ratchet.chains.receiving
    assert sending is not None
    return [
        (identity, [identity.seed, identity.x25519_private.raw]),
        (
            device,
            [device.seal.private.raw, device.signed_prekey.pair.private.raw, device.last_resort.seed.raw],
        ),
        (one_time, [one_time.ec[0].private.raw, one_time.kem[0].seed.raw]),
        (pair, [pair.private.raw]),
        (session, [ratchet.root.raw, ratchet.own.private.raw, sending.key.raw]),
        (session.ratchet, [ratchet.root.raw, ratchet.own.private.raw, sending.key.raw]),
        (RootKey(b"r" * 32), [b"r" * 32]),
        (device_key, [device_key.seed, device_key.x25519_private.raw]),
        (local, [local.key.seed, local.seal_keys[0].private.raw]),
        (sessions.encrypt_exporting(session, b"", now=NOW)[2], []),
    ]


def test_no_secret_in_a_repr() -> None:
    for holder, held in secret_holders():
        for text in (repr(holder), str(holder), f"{holder}"):
            assert "redacted" in text
            for secret in held:
                assert secret.hex() not in text
                assert repr(secret)[2:-1] not in text


def test_private_keys_survive_their_byte_form() -> None:
    device_key = DeviceIdentityKeyPair.generate()
    device = generate_device_keys(device_key, signed_prekey_id=2**32 - 1, last_resort_id=5)
    one_time = generate_one_time(device_key, 1, 3)
    assert SignedPreKey.from_bytes(device.signed_prekey.to_bytes()) == device.signed_prekey
    assert LastResortKemPreKey.from_bytes(device.last_resort.to_bytes()) == device.last_resort
    assert SealKeyPair.from_bytes(device.seal.to_bytes()) == device.seal
    assert OneTimePreKey.from_bytes(one_time.ec[0].to_bytes()) == one_time.ec[0]
    assert KemPreKey.from_bytes(one_time.kem[0].to_bytes()) == one_time.kem[0]
    assert KemPreKey.from_bytes(one_time.kem[0].to_bytes()).public == one_time.kem[0].public


def test_byte_forms_of_private_keys_are_strict() -> None:
    device = Device.create()
    stored = {
        SignedPreKey: device.keys.signed_prekey.to_bytes(),
        LastResortKemPreKey: device.keys.last_resort.to_bytes(),
        SealKeyPair: device.keys.seal.to_bytes(),
        OneTimePreKey: device.ec[1].to_bytes(),
        KemPreKey: device.kem[1].to_bytes(),
    }
    for kind, data in stored.items():
        assert kind.from_bytes(data).to_bytes() == data
        others = [other for other_kind, other in stored.items() if other_kind is not kind]
        no_id = data[:1] + bytes(4) + data[5:]
        damaged = [b"", data[:-1], data + b"\x00", *others]
        for bad in damaged if kind is SealKeyPair else [*damaged, no_id]:
            with pytest.raises(MalformedState):
                kind.from_bytes(bad)


@given(st.binary(max_size=400))
def test_parsers_of_stored_bytes_raise_only_protocol_errors(data: bytes) -> None:
    for kind in (SignedPreKey, OneTimePreKey, KemPreKey, LastResortKemPreKey, SealKeyPair, SessionState):
        with pytest.raises(ProtocolError):
            kind.from_bytes(data)


def test_generation_asks_the_given_randomness() -> None:
    fixed = {32: secrets.token_bytes(32), 64: secrets.token_bytes(64), 96: secrets.token_bytes(96)}
    identity = IdentityKeyPair.generate(fixed.__getitem__)
    assert identity.seed == fixed[32]
    keys = [generate_device_keys(identity, signed_prekey_id=1, last_resort_id=1, rng=fixed.__getitem__) for _ in "ab"]
    assert keys[0] == keys[1]
    assert keys[0] != generate_device_keys(identity, signed_prekey_id=1, last_resort_id=1)


def test_one_time_batches_have_consecutive_ids_within_range() -> None:
    identity = DeviceIdentityKeyPair.generate()
    batch = generate_one_time(identity, 3, 2**32 - 3)
    assert [key.key_id for key in batch.ec] == [key.key_id for key in batch.kem] == [2**32 - 3, 2**32 - 2, 2**32 - 1]
    for count, start in ((3, 2**32 - 2), (1, 0), (1, -1), (10**9, 2**32 - 1)):
        with pytest.raises(BadKey):
            generate_one_time(identity, count, start)
    with pytest.raises(ValueError, match="at least 1"):
        generate_one_time(identity, 0, 1)
