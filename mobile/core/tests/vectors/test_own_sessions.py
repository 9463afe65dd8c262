"""docs/protocol/vectors against a second implementation: key agreement, envelopes, a conversation, the ratchets."""

from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM1024PrivateKey

from .own import load, unhex
from .reference import hpke, session
from .reference.basics import (
    Refused,
    agree,
    ed25519_public,
    hkdf,
    sign,
    verify,
    x25519_image,
    x25519_private,
    x25519_public,
)
from .reference.people import Certificate, read_certificate
from .reference.post_quantum import Observer

ROLE = {"initiator": 1, "responder": 2}


def devices(vectors: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], Certificate, Certificate]:
    initiator, responder = unhex(vectors["initiator"]), unhex(vectors["responder"])
    return initiator, responder, read_certificate(initiator["certificate"]), read_certificate(responder["certificate"])


@pytest.mark.parametrize("side", ["initiator", "responder"])
def test_prekeys_are_signed_by_the_device_for_their_kind_and_id(side: str) -> None:
    device = unhex(load("pqxdh")[side])
    certificate = read_certificate(device["certificate"])
    assert ed25519_public(device["identity_seed"]) == certificate.identity
    assert ed25519_public(device["device_key_seed"]) == certificate.device_key
    assert hpke.public_key(device["seal_private"]) == device["seal_public"]
    signed = {
        (6, 0, device["seal_public"]): device["seal_signature"],
        (2, device["signed_prekey_id"], x25519_public(device["signed_prekey_private"])): device[
            "signed_prekey_signature"
        ],
        (4, device["kem_prekey_id"], session.kem_public(device["kem_prekey_seed"])): device["kem_prekey_signature"],
        (5, device["last_resort_id"], session.kem_public(device["last_resort_seed"])): device["last_resort_signature"],
    }
    for (kind, key_id, public), signature in signed.items():
        content = session.signed_prekey_content(kind, key_id, public)
        assert sign(device["device_key_seed"], "handshaker/v1/prekey-signature", content) == signature
        verify(certificate.device_key, "handshaker/v1/prekey-signature", content, signature)
        other = session.signed_prekey_content(kind ^ 1, key_id, public)
        with pytest.raises(Refused):
            verify(certificate.device_key, "handshaker/v1/prekey-signature", other, signature)


@pytest.mark.parametrize("number", [0, 1])
def test_both_sides_of_the_agreement(number: int) -> None:
    vectors = load("pqxdh")
    initiator, responder, alice, bob = devices(vectors)
    case = unhex(vectors["cases"][number])
    handshake = session.read_handshake(case["handshake"])
    assert (handshake.one_time_prekey_id != 0) == (not handshake.last_resort) == case["one_time_keys"]
    secret, kem_public = session.responder_secret(responder, alice, handshake)
    assert secret == case["secret"]
    kem_type = 5 if handshake.last_resort else 4
    ad = session.associated_data(alice, initiator["seal_public"], bob, kem_type, kem_public)
    assert ad == case["associated_data"]
    assert session.handshake_id(alice, case["handshake"], initiator["seal_public"]) == case["handshake_id"]
    # The initiator's side: the same from its private keys and the public ones of the bundle.
    base, prekey = case["base_private"], x25519_public(responder["signed_prekey_private"])
    assert x25519_public(base) == handshake.base_key
    agreements = [
        agree(x25519_private(initiator["device_key_seed"]), prekey),
        agree(base, x25519_image(bob.device_key)),
        agree(base, prekey),
    ]
    if case["one_time_keys"]:
        agreements.append(agree(base, x25519_public(responder["one_time_prekey_private"])))
    assert session.pqxdh_secret(agreements, case["kem_shared_secret"]) == case["secret"]


def test_the_last_resort_key_is_not_one_of_the_one_time_kind() -> None:
    vectors = load("pqxdh")
    responder = unhex(vectors["responder"])
    handshake = session.read_handshake(bytes.fromhex(vectors["cases"][1]["handshake"]))
    seed = responder["last_resort_seed"]
    assert (
        MLKEM1024PrivateKey.from_seed_bytes(seed).decapsulate(handshake.ciphertext).hex()
        == (vectors["cases"][1]["kem_shared_secret"])
    )


def test_a_conversation_from_both_sides() -> None:
    vectors = load("conversation")
    initiator, responder, alice, bob = devices(vectors)
    private = {"initiator": initiator, "responder": responder}
    certificates = {"initiator": initiator["certificate"], "responder": responder["certificate"]}
    steps = vectors["steps"]
    first = session.open_frame(bytes.fromhex(steps[0]["frame"]), responder["seal_private"], bob.device_key)
    handshake = session.read_handshake(first.handshake)
    assert x25519_public(bytes.fromhex(vectors["base_private"])) == handshake.base_key
    secret, kem_public = session.responder_secret(responder, alice, handshake)
    ad = session.associated_data(alice, first.seal_key, bob, 4, kem_public)
    prekey = responder["signed_prekey_private"]
    own = bytes.fromhex(vectors["first_ratchet_private"])
    sides = {
        "initiator": session.Side(1, secret, ad, own, x25519_public(prekey)),
        "responder": session.Side(2, secret, ad, prekey, None),
    }
    sent: list[tuple[str, session.Envelope, bytes]] = []
    for step in steps:
        if "deliver" in step:
            receiver, envelope, content = sent[step["deliver"]]
            assert sides[receiver].receive(envelope.message, envelope.kind) == content
            continue
        sender = step["sender"]
        receiver = "responder" if sender == "initiator" else "initiator"
        device_key = (bob if receiver == "responder" else alice).device_key
        frame, content = bytes.fromhex(step["frame"]), bytes.fromhex(step["content"])
        envelope = session.open_frame(frame, private[receiver]["seal_private"], device_key)
        assert envelope.certificate == certificates[sender]
        assert (envelope.handshake, envelope.seal_key) in {(first.handshake, initiator["seal_public"]), (b"", b"")}
        new = None if step["new_ratchet_private"] is None else bytes.fromhex(step["new_ratchet_private"])
        message, key = sides[sender].send(content, len(envelope.message), envelope.kind, new)
        assert message == envelope.message
        assert key.hex() == step["message_key"]
        salt = sides[sender].salts[ROLE[sender]]
        assert hkdf(salt, key, b"handshaker/v1/live-session-export", 32).hex() == step["live_session_export"]
        sent.append((receiver, envelope, content))
    assert len(sent) == 9


def test_an_altered_frame_or_another_recipient_opens_nothing() -> None:
    vectors = load("conversation")
    initiator, responder, alice, bob = devices(vectors)
    frame = bytes.fromhex(vectors["steps"][0]["frame"])
    assert session.open_frame(frame, responder["seal_private"], bob.device_key).kind == 1
    for altered in (frame[:5000] + bytes((frame[5000] ^ 1,)) + frame[5001:], frame[:40] + bytes(10) + frame[50:]):
        with pytest.raises(InvalidTag):
            session.open_frame(altered, responder["seal_private"], bob.device_key)
    for private, device in ((initiator["seal_private"], bob), (responder["seal_private"], alice)):
        with pytest.raises(InvalidTag):
            session.open_frame(frame, private, device.device_key)
    for bad in (frame[:-1], b"\x02" + frame[1:]):
        with pytest.raises(Refused):
            session.open_frame(bad, responder["seal_private"], bob.device_key)


def test_epochs_of_the_post_quantum_ratchet() -> None:
    vectors = load("post-quantum-ratchet")
    observer = Observer(bytes.fromhex(vectors["secret"]))
    for message in vectors["messages"]:
        seed = message["new_decapsulation_seed"]
        salt = observer.salt(
            message["sender"], bytes.fromhex(message["header"]), None if seed is None else bytes.fromhex(seed)
        )
        assert salt.hex() == message["salt"]
    assert len(observer.epochs) == 3


def test_live_session_keys() -> None:
    case = load("live-session")
    names = ("live_id", "offer_export", "acceptance_export", "offerer_key", "accepter_key")
    live_id, offer, acceptance, offerer, accepter = (bytes.fromhex(case[name]) for name in names)
    keys = hkdf(None, offer + acceptance, b"handshaker/v1/live-session-key" + live_id, 64)
    assert keys == offerer + accepter
