"""Sealed sender: every lie in or about an envelope is refused between two honest ones, and changes nothing."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from handshaker_core.errors import ProtocolError
from handshaker_core.protocol import sealed_sender
from handshaker_core.protocol import session as sessions
from handshaker_core.protocol.device import DeviceCertificate, DeviceList
from handshaker_core.protocol.frame import Frame, FrameSize
from handshaker_core.protocol.randomness import system_randomness
from handshaker_core.protocol.seal import SealKeyPair
from handshaker_core.protocol.sealed_sender import (
    OPENING_SIZE,
    Envelope,
    EnvelopeKind,
    check_sender,
    verified_certificate,
)
from handshaker_core.protocol.wire import u8

from .parties import NOW, Device, Side, connect, flip, initiate


class World:
    """Alice and Bob in a session, Alice's second device in another with Bob, and Mallory in one of her own."""

    def __init__(self) -> None:
        self.a, self.b = connect()
        alice, bob = self.a.device, self.b.device
        self.desk = Device.create(0, identity=alice.identity)
        self.desk_side = initiate(self.desk, bob)
        self.desk_peer = Side(bob, bob.accept(self.desk_side.send(b"from the desk")).session)
        self.mallory = Device.create(0)
        self.mallory_side = initiate(self.mallory, bob)
        self.devices = DeviceList.issue(
            alice.identity, sequence=1, issued_at=int(NOW), certificates=(alice.certificate,)
        )

    def take(self, frame: bytes) -> bytes:
        """What Bob's client does with a frame in the mailbox that Alice writes to."""
        envelope = self.b.device.open(frame)
        check_sender(envelope.sender, self.a.device.identity.public, self.devices)
        self.b.session, content = sessions.decrypt(self.b.session, envelope, now=NOW)
        return content

    def honest(self) -> None:
        """A positive control."""
        assert self.take(self.a.send(b"honest")) == b"honest"

    def envelope(self) -> Envelope:
        """An honest envelope that did not arrive, with the session as it was before."""
        return self.b.device.open(sessions.encrypt(self.a.session, b"stolen", now=NOW)[1])

    def sealed(self, envelope: Envelope) -> bytes:
        """Sealed for Bob, which anybody can do."""
        return envelope.seal(self.b.device.keys.seal.public, self.b.device.key.public)

    def raw(self, plaintext: bytes) -> bytes:
        """Any bytes, sealed for Bob."""
        info = b"handshaker/v1/sealed-sender" + b"\x01" + self.b.device.key.public.raw
        return Frame(self.b.device.keys.seal.public.seal(plaintext, info)).encode()

    def altered_certificate(self, position: int) -> bytes:
        """The honest envelope with a bit of its certificate flipped, sealed as it should be."""
        envelope = self.envelope()
        return self.raw(u8(EnvelopeKind.RATCHET) + flip(envelope.sender.encode(), position) + envelope.message)

    def earlier_protocol(self) -> bytes:
        """A ratchet message that is not sealed, as the first draft of version 1 had it."""
        return (b"\x01\x02" + self.envelope().message).ljust(FrameSize.SMALL, b"\0")


LIES: dict[str, tuple[str, Callable[[World], bytes]]] = {
    "certificate of another person": (
        "wrong_identity",
        lambda w: w.sealed(replace(w.envelope(), sender=w.mallory.certificate)),
    ),
    "another person's own message": ("wrong_identity", lambda w: w.mallory_side.send(b"i am alice")),
    "device that is not in the newest list": ("unlisted_device", lambda w: w.desk_side.send(b"from the desk")),
    "certificate with another key for a listed device": (
        "unlisted_device",
        lambda w: w.sealed(
            replace(
                w.envelope(),
                sender=DeviceCertificate.issue(
                    w.a.device.identity,
                    device_id=w.a.device.certificate.device_id,
                    device_key=w.desk.key.public,
                    bundle_id=w.a.device.certificate.bundle_id,
                    issued_at=1,
                ),
            )
        ),
    ),
    "altered certificate": ("bad_signature", lambda w: w.altered_certificate(100)),
    "altered signature": ("bad_signature", lambda w: w.altered_certificate(-1)),
    "altered version of the certificate": ("malformed_device", lambda w: w.altered_certificate(0)),
    "altered envelope": ("undecryptable_message", lambda w: flip(w.sealed(w.envelope()), 1_500)),
    "altered encapsulation": ("undecryptable_message", lambda w: flip(w.sealed(w.envelope()), 1)),
    "altered message inside": (
        "undecryptable_message",
        lambda w: w.sealed(replace(w.envelope(), message=flip(w.envelope().message, -1))),
    ),
    "envelope to another device": (
        "undecryptable_message",
        lambda w: w.envelope().seal(w.desk.keys.seal.public, w.desk.key.public),
    ),
    "right seal key, another device in the info": (
        "undecryptable_message",
        lambda w: w.envelope().seal(w.b.device.keys.seal.public, w.desk.key.public),
    ),
    "no envelope at all": (
        "undecryptable_message",
        lambda w: b"\x01" + w.envelope().message.ljust(FrameSize.SMALL - 1, b"\0"),
    ),
    "frame of the earlier protocol": ("undecryptable_message", lambda w: w.earlier_protocol()),
    "version to come": ("unsupported_version", lambda w: b"\x02" + w.sealed(w.envelope())[1:]),
    "unknown kind": (
        "malformed_frame",
        lambda w: w.raw(b"\x03" + w.a.device.certificate.encode() + w.envelope().message),
    ),
    "empty envelope": ("malformed_frame", lambda w: w.raw(bytes(FrameSize.SMALL - 1 - 1_136))),
    "ratchet message as a first one": (
        "malformed_frame",
        lambda w: w.raw(u8(EnvelopeKind.INITIAL) + w.a.device.certificate.encode() + w.envelope().message),
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_refused_for_its_reason_and_changes_nothing(lie: str) -> None:
    reason, tell = LIES[lie]
    world = World()
    world.honest()
    before = world.b.session.to_bytes()
    with pytest.raises(ProtocolError) as caught:
        world.take(tell(world))
    assert caught.value.reason == reason
    assert world.b.session.to_bytes() == before
    world.honest()


def test_right_certificate_and_another_sessions_peer() -> None:
    """Alice's desk is listed by now; its message under the phone's certificate, and the other way round, is refused."""
    world = World()
    phone = world.a.device.certificate
    world.devices = DeviceList.issue(
        world.a.device.identity, sequence=2, issued_at=int(NOW), certificates=(phone, world.desk.certificate)
    )
    world.honest()
    before = world.b.session.to_bytes()
    own = world.desk_side.send(b"from the desk")
    with pytest.raises(ProtocolError) as caught:
        world.take(own)
    assert caught.value.reason == "wrong_device"
    stolen = replace(world.b.device.open(own), sender=phone)
    with pytest.raises(ProtocolError) as caught:
        world.take(world.sealed(stolen))
    assert caught.value.reason == "wrong_device"  # the handshake that comes with it names another session
    with pytest.raises(ProtocolError) as caught:
        world.take(world.sealed(replace(stolen, opening=None, message=stolen.message + bytes(OPENING_SIZE))))
    assert caught.value.reason == "undecryptable_message"
    assert world.b.session.to_bytes() == before
    assert world.desk_peer.receive(own) == b"from the desk"
    world.honest()


def test_a_first_message_under_another_certificate_or_opening_starts_nothing() -> None:
    """Mallory puts her certificate on Alice's first message, or her opening, or another key to answer to."""
    alice, bob, mallory = Device.create(0), Device.create(3), Device.create(0)
    frame = initiate(alice, bob).send(b"hello")
    own_frame = initiate(mallory, bob).send(b"from mallory")
    envelope, own = bob.open(frame), bob.open(own_frame)
    assert envelope.opening is not None
    forged_key = replace(envelope.opening, seal_key=mallory.keys.seal.public)
    for forged in (
        replace(envelope, sender=mallory.certificate),
        replace(own, sender=alice.certificate),
        replace(envelope, opening=own.opening),
        replace(envelope, opening=forged_key),
    ):
        with pytest.raises(ProtocolError) as caught:
            sessions.accept(bob.local, bob, forged, now=NOW)
        assert caught.value.reason == "undecryptable_message"
    assert (len(bob.ec), len(bob.kem)) == (3, 3)
    assert bob.accept(frame).plaintext == b"hello"
    assert bob.accept(own_frame).session.peer == mallory.certificate


@pytest.mark.parametrize("size", FrameSize)
def test_a_frame_shows_nobody_and_two_have_nothing_in_common(size: FrameSize) -> None:
    a, b = connect()
    one = sessions.encrypt(a.session, b"x", now=NOW, size=size)[1]
    other = sessions.encrypt(a.session, b"x", now=NOW, size=size)[1]
    assert len(one) == len(other) == size
    for device in (a.device, b.device):
        shown = (device.identity.public, device.identity.public.x25519, device.key.public, device.key.public.x25519)
        assert not any(public.raw in one for public in shown)
        assert bytes(device.certificate.device_id) not in one
    assert a.session.ratchet.ratchet.own.public.raw not in one
    pieces = [{frame[at : at + 16] for at in range(1, size - 16, 16)} for frame in (one, other)]
    assert not pieces[0] & pieces[1]


def test_earlier_seal_keys_open_as_long_as_they_are_kept() -> None:
    a, b = connect()
    frame = a.send(b"sealed to the old key")
    fresh = SealKeyPair.generate(system_randomness)
    both = replace(b.device.local, seal_keys=(fresh, b.device.keys.seal))
    with pytest.raises(ProtocolError) as caught:
        sessions.open_frame(replace(both, seal_keys=(fresh,)), frame)
    assert caught.value.reason == "undecryptable_message"
    assert sessions.decrypt(b.session, sessions.open_frame(both, frame), now=NOW)[1] == b"sealed to the old key"
    renewed = replace(a.session, peer_seal_key=fresh.public)
    frame = sessions.encrypt(renewed, b"to the new one", now=NOW)[1]
    assert sessions.decrypt(b.session, sessions.open_frame(both, frame), now=NOW)[1] == b"to the new one"


def test_a_local_device_has_the_certificate_of_its_own_key() -> None:
    one, other = Device.create(0), Device.create(0)
    with pytest.raises(ProtocolError) as caught:
        sessions.LocalDevice(one.key, other.certificate, (one.keys.seal,))
    assert caught.value.reason == "wrong_device"
    assert sessions.LocalDevice(one.key, one.certificate, (one.keys.seal,)).certificate == one.certificate


def test_verified_certificates_are_remembered_within_a_bound_and_refused_ones_are_not() -> None:
    good = Device.create(0).certificate.encode()
    assert verified_certificate(good) is verified_certificate(good)
    for _ in range(2):
        with pytest.raises(ProtocolError):
            verified_certificate(flip(good, 60))
    assert verified_certificate.cache_info().maxsize == sealed_sender.CACHED
