"""A bundle from an untrusted server: every lie of it is refused, beside an honest one that is accepted."""

from dataclasses import replace

import pytest
from handshaker_core.errors import BadKey, BadSignature, LowOrderPoint, UnsupportedVersion, WrongDevice, WrongIdentity
from handshaker_core.protocol.bundle import PreKeyBundle, VerifiedBundle, verify_bundle
from handshaker_core.protocol.curve25519 import FIELD_PRIME
from handshaker_core.protocol.keys import KeyType, X25519PublicKey
from handshaker_core.protocol.labels import Label
from handshaker_core.protocol.prekeys import KemPreKeyPublic, OneTimePreKeyPublic, SignedPreKeyPublic, signed_content
from handshaker_core.protocol.seal import MLKEM768_PUBLIC_SIZE, SealPublicKey

from .parties import Device, flip


def check(bundle: PreKeyBundle, device: Device) -> VerifiedBundle:
    return verify_bundle(bundle, device.identity.public, device.certificate.bundle_id)


def test_bundle_of_another_device_of_the_same_person_is_refused() -> None:
    """The server may hold several bundles of one person; it must not choose which device is written to."""
    phone = Device.create()
    desk = Device.create(identity=phone.identity)
    with pytest.raises(WrongDevice):
        check(desk.fetch_bundle(), phone)
    with pytest.raises(BadSignature):
        check(replace(desk.fetch_bundle(), certificate=phone.certificate), phone)
    check(phone.fetch_bundle(), phone)
    check(desk.fetch_bundle(), desk)


def test_honest_bundles_verify_with_and_without_one_time_keys() -> None:
    for one_time in (0, 1):
        device = Device.create(one_time)
        bundle = device.fetch_bundle()
        assert verify_bundle(bundle, device.identity.public, device.certificate.bundle_id).bundle == bundle
        assert bundle.kem_prekey.last_resort is (one_time == 0)
        assert (bundle.one_time_prekey is None) is (one_time == 0)


def test_every_altered_signed_part_is_refused() -> None:
    device, mallory = Device.create(1), Device.create(1)
    good, other = device.fetch_bundle(), mallory.fetch_bundle()
    signed, kem = good.signed_prekey, good.kem_prekey
    lies = [
        replace(good, seal_key=other.seal_key),
        replace(good, seal_key_signature=flip(good.seal_key_signature, 0)),
        replace(good, seal_key_signature=signed.signature),
        replace(good, seal_key_signature=b""),
        replace(good, signed_prekey=other.signed_prekey),
        replace(good, signed_prekey=replace(signed, key_id=signed.key_id + 1)),
        replace(good, signed_prekey=replace(signed, public=other.signed_prekey.public)),
        replace(good, signed_prekey=replace(signed, signature=flip(signed.signature, 40))),
        replace(good, kem_prekey=other.kem_prekey),
        replace(good, kem_prekey=replace(kem, key_id=kem.key_id + 1)),
        replace(good, kem_prekey=replace(kem, last_resort=True)),
        replace(good, kem_prekey=replace(kem, public=other.kem_prekey.public)),
        replace(good, kem_prekey=replace(kem, signature=flip(kem.signature, 63))),
    ]
    for lie in lies:
        with pytest.raises(BadSignature):
            check(lie, device)
    check(good, device)


def test_last_resort_key_cannot_pass_as_a_one_time_key() -> None:
    device = Device.create(0)
    good = device.fetch_bundle()
    with pytest.raises(BadSignature):
        check(replace(good, kem_prekey=replace(good.kem_prekey, last_resort=False)), device)
    check(good, device)


def test_bundle_of_another_identity_or_suite_is_refused() -> None:
    device, mallory = Device.create(), Device.create()
    good = device.fetch_bundle()
    with pytest.raises(WrongIdentity):
        check(mallory.fetch_bundle(), device)
    with pytest.raises(BadSignature):
        check(replace(mallory.fetch_bundle(), certificate=device.certificate), device)
    for suite in (0, 2, 2**31):
        with pytest.raises(UnsupportedVersion):
            check(replace(good, suite=suite), device)
    check(good, device)


def test_signed_content_is_label_type_id_and_key() -> None:
    device = Device.create()
    signed = device.keys.signed_prekey.public
    content = b"\x02" + (7).to_bytes(4, "big") + signed.public.raw
    assert signed_content(KeyType.SIGNED_PREKEY, 7, signed.public.raw) == content
    assert signed.signature == device.key.sign(Label.PREKEY_SIGNATURE, content)


def test_malformed_public_keys_are_refused_on_arrival() -> None:
    device = Device.create()
    bundle = device.fetch_bundle()
    signed, kem, seal, one_time = bundle.signed_prekey, bundle.kem_prekey, bundle.seal_key, bundle.one_time_prekey
    assert one_time is not None
    assert SealPublicKey(seal.raw) == seal
    bad_seals = [b"", seal.raw[:-1], seal.raw + b"\0", b"\xff" * MLKEM768_PUBLIC_SIZE + seal.raw[-32:]]
    for raw in bad_seals:
        with pytest.raises(BadKey):
            SealPublicKey(raw)
    with pytest.raises(LowOrderPoint):
        SealPublicKey(seal.raw[:-32] + (FIELD_PRIME - 1).to_bytes(32, "little"))
    for public in (b"", kem.public[:-1], kem.public + b"\0", b"\xff" * len(kem.public)):
        with pytest.raises(BadKey):
            KemPreKeyPublic(kem.key_id, public, kem.signature, last_resort=False)
    for key_id in (0, -1, 2**32):
        with pytest.raises(BadKey):
            SignedPreKeyPublic(key_id, signed.public, signed.signature)
        with pytest.raises(BadKey):
            KemPreKeyPublic(key_id, kem.public, kem.signature, last_resort=False)
        with pytest.raises(BadKey):
            OneTimePreKeyPublic(key_id, one_time.public)
    with pytest.raises(BadKey):
        SignedPreKeyPublic(1, signed.public, signed.signature[:-1])
    with pytest.raises(LowOrderPoint):
        OneTimePreKeyPublic(1, X25519PublicKey(bytes(32)))
