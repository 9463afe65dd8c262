"""What our steps cost: mean microseconds of processor time a step, of all threads."""

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass

from handshaker_core.protocol import session as sessions
from handshaker_core.protocol.bundle import PreKeyBundle, verify_bundle
from handshaker_core.protocol.frame import FrameSize
from handshaker_core.protocol.sealed_sender import Envelope
from handshaker_core.protocol.session import SessionState

from crypto_bench.device import Device

NOW = 1_800_000_000.0
WARM_UP = 50


def timed(count: int, step: Callable[[int], None]) -> float:
    """Mean of `count` steps in microseconds."""
    gc.collect()
    started = time.process_time_ns()
    for number in range(count):
        step(number)
    return (time.process_time_ns() - started) / 1000 / count


@dataclass
class Side:
    """A device with its session, which is replaced after every step.

    Attributes:
        stored: keep the session's bytes, as for a database, instead of the object.
    """

    device: Device
    kept: SessionState | bytes
    stored: bool

    @property
    def session(self) -> SessionState:
        """The current session."""
        return SessionState.from_bytes(self.kept) if isinstance(self.kept, bytes) else self.kept

    def keep(self, session: SessionState) -> None:
        """Replace it."""
        self.kept = session.to_bytes() if self.stored else session

    def compose(self, plaintext: bytes) -> Envelope:
        """The ratchet's step; nothing is sealed."""
        stepped, envelope, _ = sessions.compose(self.session, plaintext, now=NOW)
        self.keep(stepped)
        return envelope

    def decrypt(self, envelope: Envelope) -> bytes:
        """The ratchet's step for an opened envelope."""
        stepped, plaintext = sessions.decrypt(self.session, envelope, now=NOW)
        self.keep(stepped)
        return plaintext


def connected(*, stored: bool) -> tuple[Side, Side]:
    """Two people of whom each has had messages from the other."""
    alice, bob = Device.create(), Device.create()
    first = Side(alice, begin(alice, bob.bundle()), stored=False)
    accepted = sessions.accept(bob.local, bob, first.compose(b"first"), now=NOW)
    a, b = Side(alice, first.session, stored), Side(bob, accepted.session, stored)
    for side in (a, b):
        side.keep(side.session)
    for _ in range(WARM_UP):
        a.decrypt(b.compose(bytes(16)))
        b.decrypt(a.compose(bytes(16)))
    return a, b


def begin(device: Device, bundle: PreKeyBundle) -> SessionState:
    """Verify a peer's bundle and agree on a session."""
    verified = verify_bundle(bundle, bundle.certificate.identity, bundle.certificate.bundle_id)
    return sessions.initiate(device.local, verified, now=NOW)[0]


def set_up(count: int, size: int, *, stored: bool) -> dict[str, float]:
    """From a bundle that was fetched and read to the first message, and from that message to its content."""
    pairs = [(Device.create(), Device.create()) for _ in range(count)]
    bundles = [peer.bundle() for _, peer in pairs]
    sides: list[Side] = []
    envelopes = []

    def initiator(number: int) -> None:
        device = pairs[number][0]
        side = Side(device, begin(device, bundles[number]), stored)
        envelopes.append(side.compose(bytes(size)))
        sides.append(side)

    def responder(number: int) -> None:
        device = pairs[number][1]
        accepted = sessions.accept(device.local, device, envelopes[number], now=NOW)
        Side(device, accepted.session, stored).keep(accepted.session)

    return {"initiator": timed(count, initiator), "responder": timed(count, responder)}


def one_way(count: int, size: int, *, stored: bool) -> dict[str, float]:
    """Many messages in one direction."""
    alice, bob = connected(stored=stored)
    envelopes: list[Envelope] = []
    encrypt = timed(count, lambda _: envelopes.append(alice.compose(bytes(size))))
    return {"encrypt": encrypt, "decrypt": timed(count, lambda number: _discard(bob.decrypt(envelopes[number])))}


def ping_pong(count: int, size: int, *, stored: bool) -> dict[str, float]:
    """Every message in the other direction than the one before."""
    sides = connected(stored=stored)

    def step(number: int) -> None:
        sender, receiver = sides[number % 2], sides[1 - number % 2]
        receiver.decrypt(sender.compose(bytes(size)))

    return {"both": timed(count, step)}


def sealed(count: int, size: int, *, stored: bool) -> dict[str, float]:
    """The envelope alone, around a ratchet message."""
    alice, bob = connected(stored=stored)
    envelope, session = alice.compose(bytes(size)), alice.session
    frames: list[bytes] = []
    seal = timed(count, lambda _: frames.append(envelope.seal(session.peer_seal_key, session.peer.device_key)))
    opened = timed(count, lambda number: _discard(sessions.open_frame(bob.device.local, frames[number])))
    return {"seal": seal, "open": opened}


def whole(count: int, size: int, *, stored: bool) -> dict[str, float]:
    """All of a message, in alternating directions: encrypt, seal, open, decrypt."""
    sides = connected(stored=stored)

    def step(number: int) -> None:
        sender, receiver = sides[number % 2], sides[1 - number % 2]
        session = sender.session
        frame = sender.compose(bytes(size)).seal(session.peer_seal_key, session.peer.device_key)
        receiver.decrypt(sessions.open_frame(receiver.device.local, frame))

    return {"both": timed(count, step)}


def sizes() -> dict[str, int]:
    """Bytes on the wire of a first and an ordinary message, and how much content fits into either frame."""
    return {
        "first": int(FrameSize.LARGE),
        "ordinary": int(FrameSize.SMALL),
        "content_of_small": sessions.MAX_PLAINTEXT_RATCHET_SMALL,
        "content_of_large": sessions.MAX_PLAINTEXT_RATCHET_LARGE,
        "content_of_first": sessions.MAX_PLAINTEXT_INITIAL,
    }


def _discard(_: object) -> None:
    return
