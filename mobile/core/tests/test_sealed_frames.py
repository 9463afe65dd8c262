"""What the client does with envelopes that lie: shown as unreadable with their reason, nothing moved, the next is read."""

import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from core_world import START, Party
from handshaker_core.client.events import FrameUnreadable
from handshaker_core.client.unit import Unit
from handshaker_core.credentials import FrameId
from handshaker_core.model import Direction, MessageKind
from handshaker_core.net.relay import IncomingFrame
from handshaker_core.protocol import session as protocol
from handshaker_core.protocol.address import BundleId
from handshaker_core.protocol.device import DeviceCertificate, DeviceId, DeviceList
from handshaker_core.protocol.keys import DeviceIdentityKeyPair
from handshaker_core.protocol.sealed_sender import Envelope
from handshaker_core.store import contacts, devices, messages, sessions
from test_request_rules import connect


class World:
    """a and b are connected; m is not, and has everything that a stranger can have."""

    def __init__(self, folder: Path) -> None:
        self.a, self.b, self.m = (Party(folder / name / "db") for name in "abm")
        connect(self.a, self.b)
        self.a.send("taken apart")
        (template,) = self.a.due()
        self.template = template
        self.envelope = protocol.open_frame(self.b.keys.local, template.frame)

    def close(self) -> None:
        for party in (self.a, self.b, self.m):
            party.close()

    def deliver(self, frame: bytes) -> None:
        """Into the mailbox that a writes to."""
        recv_id = self.b.mailboxes()[self.template.send_id]
        self.b.take(IncomingFrame(1, recv_id, FrameId(secrets.token_bytes(16)), frame))

    def sealed(self, envelope: Envelope) -> bytes:
        return envelope.seal(self.b.keys.seal.public, self.b.keys.device_identity.public)

    def honest(self, text: str) -> None:
        self.a.send(text)
        self.deliver(self.a.due()[-1].frame)
        assert self.b.texts(Direction.INCOMING)[-1] == text

    def sessions_of_b(self) -> list[bytes]:
        contact = self.b.contact()
        assert contact is not None
        return [session.to_bytes() for session in self.b.do(lambda u: sessions.of_contact(u.c, contact))]

    def list_without_a(self) -> None:
        """b is told that a has another device now, and no longer the one that writes."""
        key, identity = DeviceIdentityKeyPair.generate(), self.a.keys.identity
        other = DeviceCertificate.issue(
            identity,
            device_id=DeviceId(secrets.token_bytes(16)),
            device_key=key.public,
            bundle_id=BundleId(secrets.token_bytes(16)),
            issued_at=int(START),
        )
        self.set_list(DeviceList.issue(identity, sequence=7, issued_at=int(START), certificates=(other,)))

    def set_list(self, listed: DeviceList) -> None:
        def store(u: Unit) -> None:
            contact = contacts.by_identity(u.c, self.a.keys.identity_key)
            assert contact is not None
            devices.set_list(u.c, contact, listed)

        self.b.do(store)


def strangers_first_message(world: World) -> bytes:
    """m asks b, and sends the request where only a may write."""
    world.m.ask(world.b)
    return world.m.due()[-1].frame


LIES: dict[str, tuple[str, Callable[[World], bytes]]] = {
    "another person's certificate": (
        "wrong_identity",
        lambda w: w.sealed(replace(w.envelope, sender=w.m.keys.certificate)),
    ),
    "another person's request": ("wrong_identity", strangers_first_message),
    "altered message inside": (
        "undecryptable_message",
        lambda w: w.sealed(replace(w.envelope, message=w.envelope.message[:-1] + b"\x00")),
    ),
    "sealed to another device": (
        "undecryptable_message",
        lambda w: w.envelope.seal(w.m.keys.seal.public, w.m.keys.device_identity.public),
    ),
    "not sealed": ("undecryptable_message", lambda w: b"\x01" + w.envelope.message.ljust(2_047, b"\x00")),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_shown_with_its_reason_and_moves_nothing(tmp_path: Path, lie: str) -> None:
    reason, tell = LIES[lie]
    world = World(tmp_path)
    world.honest("before")
    forged, before = tell(world), world.sessions_of_b()
    world.b.events.clear()
    world.deliver(forged)
    (event,) = world.b.events
    assert isinstance(event, FrameUnreadable)
    assert event.reason == reason
    assert event.contact is not None
    assert world.sessions_of_b() == before
    contact = world.b.contact()
    assert contact is not None
    history = world.b.do(lambda u: messages.history(u.c, contact, None, 100, None))
    assert [message.kind for message in history].count(MessageKind.UNREADABLE) == 1
    world.honest("after")
    world.close()


def test_a_device_that_is_not_in_the_newest_list_is_refused_until_it_is(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.honest("before")
    world.list_without_a()
    before = world.sessions_of_b()
    world.b.events.clear()
    world.deliver(world.template.frame)
    (event,) = world.b.events
    assert isinstance(event, FrameUnreadable)
    assert event.reason == "unlisted_device"
    assert world.sessions_of_b() == before
    own = world.a.do(lambda u: devices.own_list(u.c))
    world.set_list(own)
    world.honest("listed again")
    world.close()
