"""The live session: a key for a channel between two devices, agreed inside the conversation and never written down.

A pure state machine; the clock is passed in. One side offers, the other accepts; from the exported secrets of the two
messages that said so both derive the same keys. See docs/protocol/live-session.md.

idle -----offer()--------> offered --receive_accept()--> live
idle --receive_offer()--> accepting -----accept()------> live       each of them --end(), receive_end(), expire()--> ended

States are never stored: a restart of either client ends the session. An ended one can be followed by a new offer.
"""

from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto
from typing import NewType, TypeAlias

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from handshaker_core.errors import LiveSessionOpen, NoLiveSession
from handshaker_core.protocol.keys import ExportedSecret, SecretBytes
from handshaker_core.protocol.labels import Label
from handshaker_core.protocol.randomness import Randomness

LiveId = NewType("LiveId", bytes)
"""Names a live session (16 random bytes), chosen by who offers."""

LIVE_ID_SIZE = 16

OFFER_SECONDS = 120.0
"""How long an offer waits for its answer, on either side."""

LONGEST_SECONDS = 24 * 3600.0
"""A live session ends after this time, in case the other side is gone without a word."""


class LiveKey(SecretBytes):
    """Key of one direction of the channel."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class LiveKeys:
    """Both directions, as seen from this side."""

    sending: LiveKey
    receiving: LiveKey


class EndReason(StrEnum):
    """Why a live session is over."""

    ENDED_HERE = "ended_here"
    ENDED_BY_CONTACT = "ended_by_contact"
    NO_ANSWER = "no_answer"
    NOT_THERE = "not_there"
    """The contact's device is not connected."""
    TOO_LONG = "too_long"
    REPLACED = "replaced"
    """The contact offers a new one, so it does not have the old one any more."""
    SESSION_ENDED = "session_ended"
    """Together with the whole session of the conversation."""


class Phase(StrEnum):
    """Names of the states, for people and programs."""

    IDLE = "idle"
    OFFERED = "offered"
    ACCEPTING = "accepting"
    LIVE = "live"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing has been said."""

    phase = Phase.IDLE


@dataclass(frozen=True, slots=True)
class Offered:
    """Waits for the other side to accept."""

    phase = Phase.OFFERED
    live_id: LiveId
    offer_secret: ExportedSecret
    at: float


@dataclass(frozen=True, slots=True)
class Accepting:
    """The other side has offered; this one has to accept."""

    phase = Phase.ACCEPTING
    live_id: LiveId
    offer_secret: ExportedSecret
    at: float


@dataclass(frozen=True, slots=True)
class Live:
    """Both have said yes."""

    phase = Phase.LIVE
    live_id: LiveId
    keys: LiveKeys = field(repr=False)
    at: float


@dataclass(frozen=True, slots=True)
class Ended:
    """Over; nothing is left of its keys."""

    phase = Phase.ENDED
    reason: EndReason


LiveState: TypeAlias = Idle | Offered | Accepting | Live | Ended


class Reply(Enum):
    """What the caller has to send because of something it received."""

    NOTHING = auto()
    ACCEPT = auto()
    """Accept at once: both have offered, so both want it."""
    END = auto()
    """Tell the other side that the session it means is not there."""


def new_live_id(rng: Randomness) -> LiveId:
    """A fresh one."""
    return LiveId(rng(LIVE_ID_SIZE))


def offer(state: LiveState, live_id: LiveId, secret: ExportedSecret, now: float) -> Offered:
    """An offer was encrypted; `secret` was exported from its message.

    Raises:
        LiveSessionOpen: there is one, or one is being agreed.
    """
    check_may_offer(state)
    return Offered(live_id, secret, now)


def check_may_offer(state: LiveState) -> None:
    """Raises: LiveSessionOpen."""
    if not isinstance(state, Idle | Ended):
        raise LiveSessionOpen


def receive_offer(state: LiveState, live_id: LiveId, secret: ExportedSecret, now: float) -> tuple[LiveState, Reply]:
    """The other side offers; `secret` was exported from its message.

    Where both have offered, the one with the smaller id counts, and the side that offered the larger accepts at once. A
    live session is given up for a new offer: the other side does not have it any more, or it would not offer.
    """
    if isinstance(state, Offered):
        if state.live_id <= live_id:
            return state, Reply.NOTHING
        return Accepting(live_id, secret, now), Reply.ACCEPT
    return Accepting(live_id, secret, now), Reply.NOTHING


def accept(state: LiveState, secret: ExportedSecret, now: float) -> Live:
    """The acceptance was encrypted; `secret` was exported from its message.

    Raises:
        NoLiveSession: nobody has offered.
    """
    if not isinstance(state, Accepting):
        raise NoLiveSession
    offerer, accepter = _derive(state.live_id, state.offer_secret, secret)
    return Live(state.live_id, LiveKeys(sending=accepter, receiving=offerer), now)


def receive_accept(state: LiveState, live_id: LiveId, secret: ExportedSecret, now: float) -> tuple[LiveState, Reply]:
    """The other side has accepted; `secret` was exported from its message."""
    if isinstance(state, Offered) and state.live_id == live_id:
        offerer, accepter = _derive(live_id, state.offer_secret, secret)
        return Live(live_id, LiveKeys(sending=offerer, receiving=accepter), now), Reply.NOTHING
    return state, Reply.NOTHING if _is_about(state, live_id) else Reply.END


def end(state: LiveState, reason: EndReason = EndReason.ENDED_HERE) -> Ended:
    """End it from this side, at any stage; keys and secrets go. Raises: NoLiveSession."""
    if isinstance(state, Idle | Ended):
        raise NoLiveSession
    return Ended(reason)


def receive_end(state: LiveState, live_id: LiveId) -> LiveState:
    """The other side has ended it. What is said of another one changes nothing."""
    return Ended(EndReason.ENDED_BY_CONTACT) if _is_about(state, live_id) else state


def expire(state: LiveState, now: float) -> LiveState:
    """End what has waited or lasted too long; a clock that was set back ends it as well, since nobody knows how long."""
    match state:
        case Offered(at=at) | Accepting(at=at) if not 0 <= now - at < OFFER_SECONDS:
            return Ended(EndReason.NO_ANSWER)
        case Live(at=at) if not 0 <= now - at < LONGEST_SECONDS:
            return Ended(EndReason.TOO_LONG)
    return state


def _is_about(state: LiveState, live_id: LiveId) -> bool:
    return not isinstance(state, Idle | Ended) and state.live_id == live_id


def _derive(live_id: LiveId, offered: ExportedSecret, accepted: ExportedSecret) -> tuple[LiveKey, LiveKey]:
    """HKDF-SHA256(salt 0^32, offer's secret || acceptance's, LIVE_SESSION_KEY || live id, 64): offerer's, accepter's."""
    info = Label.LIVE_SESSION_KEY.value + live_id
    output = HKDF(SHA256(), 2 * LiveKey.SIZE, None, info).derive(offered.raw + accepted.raw)
    return LiveKey(output[: LiveKey.SIZE]), LiveKey(output[LiveKey.SIZE :])
