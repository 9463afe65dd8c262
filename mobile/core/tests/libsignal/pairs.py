"""A session between our code and libsignal, begun by either."""

import uuid
from dataclasses import dataclass
from itertools import count

from peers.libsignal import Address, Libsignal, Message, Person

from libsignal.ours import Ours, Session

_numbers = count(1)


def new_address() -> Address:
    return Address(str(uuid.uuid4()))


def new_people(libsignal: Libsignal) -> tuple[Ours, Person]:
    """Two people who have never met."""
    return Ours(new_address()), libsignal.person(f"theirs-{next(_numbers)}", new_address())


@dataclass
class Pair:
    """A running session; messages go straight to the other side unless they are taken here.

    A state of ours is replaced only by what succeeded, as the client does it.
    """

    ours: Ours
    theirs: Person
    session: Session

    def send(self, plaintext: bytes) -> Message:
        """Our next message."""
        self.session, message = self.session.encrypt(plaintext)
        return message

    def receive(self, message: Message) -> bytes:
        self.session, plaintext = self.session.decrypt(message)
        return plaintext

    def they_send(self, plaintext: bytes) -> Message:
        return self.theirs.encrypt(self.ours.address, plaintext)

    def they_receive(self, message: Message) -> bytes:
        return self.theirs.decrypt(self.ours.address, message)

    def check(self) -> None:
        """The positive control: a message each way."""
        assert self.they_receive(self.send(b"from us")) == b"from us"
        assert self.receive(self.they_send(b"from them")) == b"from them"


def we_begin(libsignal: Libsignal, *, one_time: bool = True) -> Pair:
    """A session that our first message has begun; nobody has answered yet."""
    ours, theirs = new_people(libsignal)
    pair = Pair(ours, theirs, ours.start(theirs.bundle(one_time=one_time)))
    assert pair.they_receive(pair.send(b"first")) == b"first"
    return pair


def they_begin(libsignal: Libsignal, *, one_time: bool = True) -> Pair:
    """A session that libsignal's first message has begun; nobody has answered yet."""
    ours, theirs = new_people(libsignal)
    theirs.start(ours.address, ours.bundle(one_time=one_time))
    session, plaintext = ours.accept(theirs.encrypt(ours.address, b"first"))
    assert plaintext == b"first"
    return Pair(ours, theirs, session)


def flipped(data: bytes, position: int, bit: int = 0) -> bytes:
    """A copy with one bit flipped; positions wrap."""
    changed = bytearray(data)
    changed[position % len(data)] ^= 1 << bit
    return bytes(changed)
