"""The sparse post-quantum ratchet: every 50 messages or 7 days an ML-KEM-768 exchange leads to a new epoch.

It runs beside the Double Ratchet and gives every message key a salt that somebody who breaks Curve25519 does not know.
Like the rest of the protocol it is functions from state to state: the clock and randomness are passed in, and an
exception leaves the caller with the state it had. See docs/protocol/post-quantum-ratchet.md.

One exchange, from epoch e to e+1: the beginner sends chunks of an encapsulation key; the other side, once it has all of
them, sends chunks of the ciphertext and of a confirmation; the beginner, once it has all of those, sends in epoch e+1;
and the other side follows as soon as it has received a message of it.
"""

from dataclasses import dataclass, field, replace
from typing import Self, TypeAlias

from handshaker_core.errors import BadKey, DuplicateMessage, MalformedState, UndecryptableMessage
from handshaker_core.protocol.keys import SharedSecret
from handshaker_core.protocol.pq_chunks import (
    CHUNK_SIZE,
    PAYLOAD_SIZE,
    PQ_HEADER_SIZE,
    TURNS,
    ChunkKind,
    Collected,
    PqHeader,
    turn,
)
from handshaker_core.protocol.pq_epoch import (
    ENCAPSULATION_KEY_SIZE,
    MAX_EPOCH,
    EpochKeys,
    KeyPair,
    PqDecapsulationSeed,
    PqMessageSalt,
    Role,
    answer,
    begins_after,
    check_encapsulation_key,
    complete,
    first_epoch,
)
from handshaker_core.protocol.pq_past import PastEpochs
from handshaker_core.protocol.randomness import Randomness
from handshaker_core.protocol.wire import Reader, u8, u32, u64

__all__ = [
    "PQ_HEADER_SIZE",
    "STANDARD_TRIGGER",
    "PqHeader",
    "PqMessageSalt",
    "PqRatchetState",
    "Role",
    "Trigger",
    "absorb",
    "salt_for",
    "send",
    "start",
]

PAST_EPOCH_SECONDS = 30 * 24 * 3600
"""Earlier epochs are forgotten after this time; servers keep a frame for 14 days at the most."""

_STATE_VERSION = 1
_MAX_COUNT = 2**32 - 1
_MAX_SECONDS = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Trigger:
    """When a new epoch is begun: after so many messages (sent and received), or so many seconds."""

    messages: int
    seconds: int


STANDARD_TRIGGER = Trigger(messages=50, seconds=7 * 24 * 3600)


@dataclass(frozen=True, slots=True)
class Offering:
    """The beginner during an exchange: it sends its encapsulation key and collects the answer."""

    pair: KeyPair
    position: int = 0
    answer: Collected = field(default_factory=Collected, repr=False)


@dataclass(frozen=True, slots=True)
class Collecting:
    """The other side until it has answered: it collects the encapsulation key."""

    key: Collected = field(default_factory=Collected, repr=False)


@dataclass(frozen=True, slots=True)
class Answering:
    """The other side once it has encapsulated: it sends the answer, and understands both epochs."""

    key: bytes = field(repr=False)
    payload: bytes = field(repr=False)
    coming: EpochKeys
    position: int = 0


Exchange: TypeAlias = Offering | Collecting | Answering | None
"""None: this side begins the next exchange, and it is not due yet."""


@dataclass(frozen=True, slots=True)
class PqRatchetState:
    """One side of a session's post-quantum ratchet.

    Attributes:
        role: this side's.
        epoch: what this side sends in.
        keys: of that epoch.
        seen: messages sent and received since the epoch began.
        since: when it began, seconds since 1970 by this device's clock.
        exchange: how far the exchange for the next epoch is.
        past: what is left of earlier epochs.
    """

    role: Role
    epoch: int
    keys: EpochKeys
    seen: int
    since: int
    exchange: Exchange
    past: PastEpochs = field(default_factory=PastEpochs)

    def to_bytes(self) -> bytes:
        """Versioned bytes for the encrypted store; secret."""
        return b"".join(
            (
                u8(_STATE_VERSION) + u8(self.role) + u32(self.epoch) + self.keys.encode(),
                u32(self.seen) + u64(self.since) + self.past.encode() + _encode_exchange(self.exchange),
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Raises: MalformedState."""
        reader = Reader(data, MalformedState)
        if reader.u8() != _STATE_VERSION:
            raise MalformedState
        role, epoch, keys = _read_role(reader), reader.u32(), EpochKeys.read(reader)
        seen, since, past, exchange = reader.u32(), reader.u64(), PastEpochs.read(reader), _read_exchange(reader)
        reader.end()
        if len(past) > epoch or (begins_after(epoch) is role) != (exchange is None or isinstance(exchange, Offering)):
            raise MalformedState
        return cls(role, epoch, keys, seen, since, exchange, past)


def start(secret: SharedSecret, role: Role, now: float) -> PqRatchetState:
    """Epoch 0, from PQXDH's secret. `now` is seconds since 1970 by this device's clock."""
    return PqRatchetState(role, 0, first_epoch(secret), 0, _seconds(now), _first_exchange(role, 0))


def send(
    state: PqRatchetState, now: float, rng: Randomness, *, trigger: Trigger = STANDARD_TRIGGER
) -> tuple[PqRatchetState, PqHeader, PqMessageSalt]:
    """Step for one message to be sent; begins or answers an exchange when it is time.

    Args:
        state: the current state; must not be used again once the result is.
        now: seconds since 1970.
        rng: for a new key pair (encapsulation takes its randomness inside the library).
        trigger: when a new epoch is due.

    Returns:
        The new state, the header to authenticate and send, and the salt of the message's key.
    """
    state = _count(state, now)
    exchange = state.exchange
    if exchange is None and _is_due(state, now, trigger):
        exchange = Offering(KeyPair.generate(rng))
    elif isinstance(exchange, Collecting) and (public := exchange.key.payload) is not None:
        coming, payload = answer(state.keys.root, state.epoch + 1, public)
        exchange = Answering(public, payload, coming)
    header = PqHeader(state.epoch)
    if isinstance(exchange, Offering):
        header = PqHeader(state.epoch, ChunkKind.ENCAPSULATION_KEY, *turn(exchange.pair.public, exchange.position))
    elif isinstance(exchange, Answering):
        header = PqHeader(state.epoch, ChunkKind.CIPHERTEXT, *turn(exchange.payload, exchange.position))
    if isinstance(exchange, Offering | Answering):
        exchange = replace(exchange, position=(exchange.position + 1) % TURNS)
    stepped = PqRatchetState(state.role, state.epoch, state.keys, state.seen, state.since, exchange, state.past)
    return stepped, header, state.keys.salt(state.role)


def salt_for(state: PqRatchetState, header: PqHeader) -> PqMessageSalt:
    """The salt of a received message's key; nothing about the header is proven yet.

    Raises:
        UndecryptableMessage: of an epoch that does not exist yet.
        DuplicateMessage: of an epoch that is forgotten, so it was received before or is older than what is kept.
    """
    peer, behind = state.role.other, state.epoch - header.epoch
    if behind == 0:
        return state.keys.salt(peer)
    if behind > 0:
        if behind > len(state.past):
            raise DuplicateMessage
        return state.past.salt(behind)
    if behind == -1 and isinstance(state.exchange, Answering):
        return state.exchange.coming.salt(peer)
    raise UndecryptableMessage


def absorb(state: PqRatchetState, header: PqHeader, now: float, *, nothing_missing: bool = False) -> PqRatchetState:
    """Step for one received message, after it was decrypted with `salt_for` and its header thereby proven.

    What a peer sends against the rules is dropped, as if the message had carried nothing: whoever does that only keeps
    both from reaching the next epoch, which is also achieved by sending nothing at all, and messages go on.

    Args:
        state: the current state.
        header: of the message.
        now: seconds since 1970.
        nothing_missing: every message that the peer sent before the latest received one has arrived (the Double Ratchet
            keeps no skipped keys). Earlier epochs are then forgotten at once.

    Raises:
        UndecryptableMessage: of an epoch that does not exist yet; `salt_for` said so.
    """
    if header.epoch > state.epoch:
        if header.epoch != state.epoch + 1 or not isinstance(state.exchange, Answering):
            raise UndecryptableMessage
        state = _enter(state, state.exchange.coming, now)
    state = _count(state, now)
    if nothing_missing:
        # Epochs of one sender never go down, so nothing earlier than this message's can come any more.
        state = replace(state, past=state.past.newest(max(0, state.epoch - header.epoch)))
    if header.epoch != state.epoch:
        return state  # an exchange that is over
    match state.exchange, header.kind:
        case Offering() as offering, ChunkKind.CIPHERTEXT:
            return _take_answer(state, offering, header, now)
        case Collecting() as collecting, ChunkKind.ENCAPSULATION_KEY:
            return replace(state, exchange=_take_key(collecting, header))
        case Answering() as answering, ChunkKind.ENCAPSULATION_KEY if _contradicts(answering, header):
            # Another key in the same exchange: the peer cannot complete what was answered. It is nowhere in use yet.
            return replace(state, exchange=_take_key(Collecting(), header))
    return state


def _take_answer(state: PqRatchetState, offering: Offering, header: PqHeader, now: float) -> PqRatchetState:
    collected = offering.answer.with_chunk(header.index, header.chunk)
    payload = collected.payload
    if payload is None:
        return replace(state, exchange=replace(offering, answer=collected))
    coming = complete(state.keys.root, state.epoch + 1, offering.pair, payload)
    if coming is None:
        return replace(state, exchange=replace(offering, answer=Collected()))
    return _enter(state, coming, now)


def _take_key(collecting: Collecting, header: PqHeader) -> Collecting:
    collected = collecting.key.with_chunk(header.index, header.chunk)
    if collected is collecting.key:
        return collecting  # nothing new; a complete key was checked when it became complete
    public = collected.payload
    if public is not None:
        try:
            check_encapsulation_key(public)
        except BadKey:
            return Collecting()
    return Collecting(collected)


def _contradicts(answering: Answering, header: PqHeader) -> bool:
    begin = header.index * CHUNK_SIZE
    return answering.key[begin : begin + CHUNK_SIZE] != header.chunk


def _enter(state: PqRatchetState, keys: EpochKeys, now: float) -> PqRatchetState:
    """Leave the current epoch for the next one."""
    ended_at, epoch = _seconds(now), state.epoch + 1
    past = state.past.with_added(state.keys.salt(state.role.other), ended_at)
    return PqRatchetState(state.role, epoch, keys, 0, ended_at, _first_exchange(state.role, epoch), past)


def _first_exchange(role: Role, epoch: int) -> Exchange:
    return None if begins_after(epoch) is role else Collecting()


def _count(state: PqRatchetState, now: float) -> PqRatchetState:
    """Count a message and look at the clock.

    A clock that was set back is believed, or a date that was wrong for a while would put off everything by years.
    """
    seconds, since, past = _seconds(now), state.since, state.past
    if seconds < since:
        since, past = seconds, past.clock_set_back(seconds)
    past = past.without_older(seconds - PAST_EPOCH_SECONDS)
    seen = min(state.seen + 1, _MAX_COUNT)
    return PqRatchetState(state.role, state.epoch, state.keys, seen, since, state.exchange, past)


def _is_due(state: PqRatchetState, now: float, trigger: Trigger) -> bool:
    if state.epoch >= MAX_EPOCH:
        return False
    return state.seen > trigger.messages or _seconds(now) - state.since >= trigger.seconds


def _seconds(now: float) -> int:
    return min(max(0, int(now)), _MAX_SECONDS)


def _read_role(reader: Reader) -> Role:
    try:
        return Role(reader.u8())
    except ValueError:
        raise MalformedState from None


_IDLE, _OFFERING, _COLLECTING, _ANSWERING = range(4)


def _encode_exchange(exchange: Exchange) -> bytes:
    match exchange:
        case Offering(pair, position, collected):
            return u8(_OFFERING) + pair.seed.raw + pair.public + u8(position) + collected.encode()
        case Collecting(collected):
            return u8(_COLLECTING) + collected.encode()
        case Answering(key, payload, coming, position):
            return u8(_ANSWERING) + key + payload + coming.encode() + u8(position)
    return u8(_IDLE)


def _read_exchange(reader: Reader) -> Exchange:
    match reader.u8():
        case 0:
            return None
        case 1:
            seed = PqDecapsulationSeed(reader.take(PqDecapsulationSeed.SIZE))
            pair = KeyPair(seed, reader.take(ENCAPSULATION_KEY_SIZE))
            return Offering(pair, _read_position(reader), Collected.read(reader))
        case 2:
            return Collecting(Collected.read(reader))
        case 3:
            key, payload = reader.take(ENCAPSULATION_KEY_SIZE), reader.take(PAYLOAD_SIZE)
            coming = EpochKeys.read(reader)
            return Answering(key, payload, coming, _read_position(reader))
    raise MalformedState


def _read_position(reader: Reader) -> int:
    position = reader.u8()
    if position >= TURNS:
        raise MalformedState
    return position
