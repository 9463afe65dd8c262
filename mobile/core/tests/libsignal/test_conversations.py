"""Long conversations over a bad network: loss, duplication and reordering in both directions."""

import random
from dataclasses import dataclass, field

import pytest
from handshaker_core.errors import DuplicateMessage
from peers.libsignal import Libsignal, LibsignalError, Message

from libsignal.pairs import Pair, they_begin, we_begin

TURNS = 1_500
LOSS, DUPLICATION, DELIVERY = 0.15, 0.1, 0.6
WINDOW = 6
MAX_CHAINS_BEHIND = 4
"""libsignal keeps five receiving chains; what is older counts as lost."""


@dataclass
class Direction:
    """Messages on their way to one side, each with its text and the chain it was sent in."""

    waiting: list[tuple[Message, bytes, bytes]] = field(default_factory=list)
    chains: list[bytes] = field(default_factory=list)
    delivered: int = 0
    repeated: int = 0

    def put(self, message: Message, text: bytes, chain: bytes) -> None:
        if chain not in self.chains:
            self.chains.append(chain)
        self.waiting.append((message, text, chain))

    def take(self, chance: random.Random) -> tuple[Message, bytes] | None:
        """Some message among the oldest, unless it is lost."""
        message, text, chain = self.waiting.pop(chance.randrange(min(WINDOW, len(self.waiting))))
        too_old = len(self.chains) - 1 - self.chains.index(chain) >= MAX_CHAINS_BEHIND
        return None if too_old or chance.random() < LOSS else (message, text)


class Network:
    """Carries the messages of a pair, badly."""

    def __init__(self, pair: Pair, seed: int) -> None:
        self.pair, self.chance = pair, random.Random(seed)
        self.to_us, self.to_them = Direction(), Direction()

    def turn(self, number: int) -> None:
        """One side sends; then a few messages arrive on both sides."""
        text = b"message %d" % number + b"." * self.chance.randrange(200)
        if self.chance.random() < 0.5:
            message = self.pair.send(text)
            self.to_them.put(message, text, self.pair.session.ratchet.ratchet.own.public.raw)
        else:
            message = self.pair.they_send(text)
            self.to_us.put(message, text, ratchet_key(message))
        while self.to_us.waiting and self.chance.random() < DELIVERY:
            self.deliver_to_us()
        while self.to_them.waiting and self.chance.random() < DELIVERY:
            self.deliver_to_them()

    def deliver_to_us(self) -> None:
        if (taken := self.to_us.take(self.chance)) is None:
            return
        assert self.pair.receive(taken[0]) == taken[1]
        self.to_us.delivered += 1
        if self.chance.random() < DUPLICATION:
            self.to_us.repeated += 1
            with pytest.raises(DuplicateMessage):
                self.pair.receive(taken[0])

    def deliver_to_them(self) -> None:
        if (taken := self.to_them.take(self.chance)) is None:
            return
        assert self.pair.they_receive(taken[0]) == taken[1]
        self.to_them.delivered += 1
        if self.chance.random() < DUPLICATION:
            self.to_them.repeated += 1
            with pytest.raises(LibsignalError) as refused:
                self.pair.they_receive(taken[0])
            assert refused.value.code == "DuplicatedMessage"


def ratchet_key(message: Message) -> bytes:
    """The place of the 32 bytes is the same in every ordinary message: after version, tag, length and type."""
    return message.data[4:36]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("begin", [we_begin, they_begin])
def test_conversation_over_a_bad_network(libsignal: Libsignal, begin: type[Pair], seed: int) -> None:
    pair = begin(libsignal)
    pair.check()
    network = Network(pair, seed)
    for number in range(TURNS):
        network.turn(number)
    for direction in (network.to_us, network.to_them):
        assert direction.delivered > TURNS // 4
        assert direction.repeated > 20
        assert len(direction.chains) > TURNS // 20, "the Diffie-Hellman ratchet turned"
    pair.check()


def test_thousand_messages_that_arrive_in_reverse(libsignal: Libsignal) -> None:
    pair = we_begin(libsignal)
    pair.check()
    sent = [(pair.send(b"%d" % number), b"%d" % number) for number in range(1_000)]
    received = [(pair.they_send(b"%d" % number), b"%d" % number) for number in range(1_000)]
    for message, text in reversed(sent):
        assert pair.they_receive(message) == text
    for message, text in reversed(received):
        assert pair.receive(message) == text
    pair.check()
