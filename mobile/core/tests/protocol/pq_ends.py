"""Two ends of the post-quantum ratchet, for tests: over a toy message layer, or over the real Double Ratchet."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from handshaker_core.errors import UndecryptableMessage
from handshaker_core.protocol import double_ratchet, pq_ratchet
from handshaker_core.protocol.double_ratchet import DoubleRatchetState
from handshaker_core.protocol.keys import RatchetKeyPair, SharedSecret
from handshaker_core.protocol.pq_ratchet import PQ_HEADER_SIZE, PqHeader, PqRatchetState, Role, Trigger
from handshaker_core.protocol.profile import HANDSHAKER_V1 as PROFILE

QUICK = Trigger(messages=4, seconds=1_000)
START = 1_800_000_000.0


@dataclass
class ToyEnd:
    """Seals header and content with AES-GCM under the epoch's key alone: the ratchet, and nothing that could hide it."""

    state: PqRatchetState
    trigger: Trigger = QUICK
    now: float = START
    sent: int = 0

    def send(self, content: bytes = b"") -> bytes:
        self.state, header, salt = pq_ratchet.send(self.state, self.now, os.urandom, trigger=self.trigger)
        self.sent += 1
        nonce = self.sent.to_bytes(12, "big")
        bound = bytes([self.state.role]) + header.encode()
        return header.encode() + nonce + AESGCM(salt.raw).encrypt(nonce, content, bound)

    def receive(self, message: bytes, *, nothing_missing: bool = False) -> bytes:
        header, nonce, sealed = split_toy(message)
        salt = pq_ratchet.salt_for(self.state, header)
        try:
            bound = bytes([self.state.role.other]) + header.encode()
            content = AESGCM(salt.raw).decrypt(nonce, sealed, bound)
        except (InvalidTag, ValueError):
            raise UndecryptableMessage from None
        self.state = pq_ratchet.absorb(self.state, header, self.now, nothing_missing=nothing_missing)
        return content

    def restart(self) -> None:
        self.state = PqRatchetState.from_bytes(self.state.to_bytes())


def split_toy(message: bytes) -> tuple[PqHeader, bytes, bytes]:
    header = PqHeader.decode(message[:PQ_HEADER_SIZE])
    return header, message[PQ_HEADER_SIZE : PQ_HEADER_SIZE + 12], message[PQ_HEADER_SIZE + 12 :]


def toy_ends(trigger: Trigger = QUICK) -> tuple[ToyEnd, ToyEnd]:
    """An initiator and a responder of the same session."""
    secret = SharedSecret(os.urandom(32))
    return (
        ToyEnd(pq_ratchet.start(secret, Role.INITIATOR, START), trigger),
        ToyEnd(pq_ratchet.start(secret, Role.RESPONDER, START), trigger),
    )


def alternate(a: ToyEnd, b: ToyEnd, until: Callable[[], bool], limit: int = 400) -> int:
    """The two write in turn, and everything arrives, until something is true. Returns: messages each has sent."""
    for count in range(limit):
        if until():
            return count
        b.receive(a.send())
        a.receive(b.send())
    raise AssertionError("it never came to that")


@dataclass
class Committed:
    """What a device's store holds of a session: both ratchets, always of the same moment."""

    ratchet: DoubleRatchetState
    pq: PqRatchetState


@dataclass
class End:
    """One side on the real Double Ratchet. A step is tried on copies; `commit` is what a transaction does."""

    committed: Committed
    now: float = START
    trigger: Trigger = QUICK
    associated_data: bytes = field(default=b"both identities")

    def send(self, content: bytes) -> tuple[Committed, bytes]:
        pq, header, salt = pq_ratchet.send(self.committed.pq, self.now, os.urandom, trigger=self.trigger)
        ratchet, message, _ = double_ratchet.encrypt(
            PROFILE,
            self.committed.ratchet,
            content,
            self.associated_data + bytes([pq.role]),
            os.urandom,
            salt=salt.raw,
            post_quantum=header.encode(),
        )
        return Committed(ratchet, pq), message

    def receive(self, message: bytes) -> tuple[Committed, bytes]:
        parsed = double_ratchet.parse(PROFILE, message)
        header = PqHeader.decode(parsed.header.post_quantum)
        salt = pq_ratchet.salt_for(self.committed.pq, header)
        sender = self.committed.pq.role.other
        ratchet, content, _ = double_ratchet.decrypt(
            PROFILE, self.committed.ratchet, parsed, self.associated_data + bytes([sender]), salt=salt.raw
        )
        pq = pq_ratchet.absorb(self.committed.pq, header, self.now, nothing_missing=not len(ratchet.skipped))
        return Committed(ratchet, pq), content

    def commit(self, stepped: Committed) -> None:
        self.committed = stepped

    def restart(self) -> None:
        ratchet, pq = self.committed.ratchet.to_bytes(), self.committed.pq.to_bytes()
        self.committed = Committed(DoubleRatchetState.from_bytes(ratchet), PqRatchetState.from_bytes(pq))


def real_ends(trigger: Trigger = QUICK) -> tuple[End, End]:
    """An initiator and a responder; the responder has decrypted a first message, so that both may write."""
    secret, pair = SharedSecret(os.urandom(32)), RatchetKeyPair.generate(os.urandom)
    initiator = Committed(
        double_ratchet.initiate(PROFILE, secret, pair.public, os.urandom),
        pq_ratchet.start(secret, Role.INITIATOR, START),
    )
    responder = Committed(double_ratchet.respond(secret, pair), pq_ratchet.start(secret, Role.RESPONDER, START))
    a, b = End(initiator, trigger=trigger), End(responder, trigger=trigger)
    stepped, message = a.send(b"first")
    a.commit(stepped)
    b.commit(b.receive(message)[0])
    return a, b
