"""PQXDH: both sides agree, every substitution makes them disagree, one-time keys work once, replays are refused."""

from dataclasses import replace
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM1024PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from handshaker_core.errors import (
    LowOrderPoint,
    MalformedFrame,
    ProtocolError,
    ReplayedHandshake,
    UnknownPreKey,
    UnsupportedVersion,
)
from handshaker_core.protocol import pqxdh
from handshaker_core.protocol.bundle import VerifiedBundle, verify_bundle
from handshaker_core.protocol.keys import RatchetKeyPair
from handshaker_core.protocol.labels import Label
from handshaker_core.protocol.pqxdh import ConsumedPreKeys, Handshake, LastResortUse, Offer
from handshaker_core.protocol.profile import HANDSHAKER_V1, Parties
from handshaker_core.protocol.randomness import system_randomness

from .parties import Device, flip

PARTIES = Parties(b"initiator", b"responder")


def agree(alice: Device, bob: Device) -> tuple[pqxdh.Agreement, Handshake]:
    return initiate(alice, bob.verified_bundle())


def initiate(alice: Device, verified: VerifiedBundle) -> tuple[pqxdh.Agreement, Handshake]:
    bundle = verified.bundle
    peer = bundle.certificate.device_key.x25519
    offer = Offer(peer, bundle.signed_prekey, bundle.one_time_prekey, bundle.kem_prekey)
    return pqxdh.initiate(HANDSHAKER_V1, alice.key.x25519_private, offer, PARTIES, system_randomness)


def respond(bob: Device, handshake: Handshake, alice: Device, parties: Parties = PARTIES) -> pqxdh.Response:
    peer = alice.key.public.x25519
    return pqxdh.respond(HANDSHAKER_V1, bob.key.x25519_private, bob, handshake, peer=peer, parties=parties)


@pytest.mark.parametrize("one_time", [0, 1])
def test_both_sides_agree_and_the_responder_reports_what_was_used(one_time: int) -> None:
    alice, bob = Device.create(), Device.create(one_time)
    agreement, handshake = agree(alice, bob)
    response = respond(bob, Handshake.decode(handshake.encode()), alice)
    assert response.agreement == agreement
    assert response.ratchet_pair.public == agreement.ratchet_key == bob.keys.signed_prekey.pair.public
    use = LastResortUse(9, 7, handshake.base_key.raw)
    expected = ConsumedPreKeys(1, 1, None) if one_time else ConsumedPreKeys(None, None, use)
    assert response.consumed == expected


@pytest.mark.parametrize("one_time", [0, 1])
def test_the_secret_is_the_documented_formula(one_time: int) -> None:
    """Recomputed from the private keys with the library's primitives alone."""
    alice, bob = Device.create(), Device.create(one_time)
    agreement, handshake = agree(alice, bob)
    identity, signed = bob.key.x25519_private, bob.keys.signed_prekey.pair.private
    kem_private = bob.kem[1] if one_time else bob.keys.last_resort
    kem_key = MLKEM1024PrivateKey.from_seed_bytes(kem_private.seed.raw)
    agreements = [
        signed.agree(alice.key.public.x25519),
        identity.agree(handshake.base_key),
        signed.agree(handshake.base_key),
    ]
    if one_time:
        agreements.append(bob.ec[1].private.agree(handshake.base_key))
    material = b"\xff" * 32 + b"".join(agreements) + kem_key.decapsulate(handshake.kem_ciphertext)
    assert agreement.secret.raw == HKDF(SHA256(), 32, bytes(32), Label.PQXDH.value).derive(material)
    kem_type = b"\x04" if one_time else b"\x05"
    kem_hash = sha256(kem_key.public_key().public_bytes_raw()).digest()
    assert agreement.associated_data == b"\x01" + b"initiator" + b"responder" + kem_type + kem_hash


def test_any_substitution_in_the_handshake_changes_the_agreement() -> None:
    alice, bob, mallory = Device.create(), Device.create(2), Device.create()
    agreement, handshake = agree(alice, bob)
    other_base = RatchetKeyPair.generate(system_randomness).public
    for altered in (
        replace(handshake, base_key=other_base),
        replace(handshake, kem_prekey_id=2),
        replace(handshake, one_time_prekey_id=2),
        replace(handshake, one_time_prekey_id=None),
        replace(handshake, kem_ciphertext=flip(handshake.kem_ciphertext, 100)),
    ):
        assert respond(bob, altered, alice).agreement.secret != agreement.secret
    assert respond(bob, handshake, mallory).agreement.secret != agreement.secret
    for parties in (Parties(b"x", PARTIES.responder), Parties(PARTIES.initiator, b"x")):
        assert respond(bob, handshake, alice, parties).agreement.associated_data != agreement.associated_data
    assert respond(bob, handshake, alice).agreement == agreement


def test_unknown_prekeys_and_foreign_suites_are_refused() -> None:
    alice, bob = Device.create(), Device.create()
    _, handshake = agree(alice, bob)
    for altered in (
        replace(handshake, signed_prekey_id=8),
        replace(handshake, signed_prekey_id=0),
        replace(handshake, kem_prekey_id=2),
        replace(handshake, kem_prekey_id=9),
        replace(handshake, last_resort=True),
        replace(handshake, one_time_prekey_id=5),
    ):
        with pytest.raises(UnknownPreKey):
            respond(bob, altered, alice)
    with pytest.raises(UnsupportedVersion):
        respond(bob, replace(handshake, suite=2), alice)
    respond(bob, handshake, alice)


def test_unsigned_one_time_key_of_the_server_only_breaks_the_session() -> None:
    """The server may swap an unsigned one-time key: agreement fails, and nothing weaker is agreed on."""
    alice, bob, mallory = Device.create(), Device.create(), Device.create()
    honest = bob.fetch_bundle()
    swapped = verify_bundle(
        replace(honest, one_time_prekey=mallory.ec[1].public), bob.identity.public, bob.certificate.bundle_id
    )
    agreement, handshake = initiate(alice, swapped)
    assert respond(bob, handshake, alice).agreement.secret != agreement.secret


def test_last_resort_replay_is_refused_and_another_caller_is_not() -> None:
    alice, carol, bob = Device.create(), Device.create(), Device.create(0)
    _, handshake = agree(alice, bob)
    use = respond(bob, handshake, alice).consumed.last_resort_use
    assert use is not None
    respond(bob, handshake, alice)  # nothing was committed, so nothing is remembered
    bob.uses.add(use)
    with pytest.raises(ReplayedHandshake):
        respond(bob, handshake, alice)
    agreement, fresh = agree(carol, bob)
    assert respond(bob, fresh, carol).agreement == agreement


def test_handshake_layout_is_fixed_and_strict() -> None:
    alice, bob = Device.create(), Device.create()
    _, handshake = agree(alice, bob)
    encoded = handshake.encode()
    assert len(encoded) == pqxdh.HANDSHAKE_SIZE == 1_614
    ids = (7).to_bytes(4, "big") + (1).to_bytes(4, "big") + b"\x00" + (1).to_bytes(4, "big")
    expected = b"\x01" + handshake.base_key.raw + ids + handshake.kem_ciphertext
    assert encoded == expected
    assert Handshake.decode(encoded) == handshake
    flag = encoded.index(ids) + 8
    for bad in (b"", encoded[:-1], encoded + b"\x00", encoded[:flag] + b"\x02" + encoded[flag + 1 :]):
        with pytest.raises(MalformedFrame):
            Handshake.decode(bad)
    with pytest.raises(LowOrderPoint):
        Handshake.decode(encoded[:1] + bytes(32) + encoded[33:])
    with pytest.raises(ProtocolError):
        Handshake.decode(encoded[:1] + b"\xff" * 32 + encoded[33:])


def test_malformed_kem_bytes_are_refused() -> None:
    with pytest.raises(ProtocolError):
        HANDSHAKER_V1.kem.encapsulate(b"\xff" * 1568)
    with pytest.raises(MalformedFrame):
        HANDSHAKER_V1.kem.decapsulate(bytes(64), b"short")
