"""Sessions: what the client uses. PQXDH, the Double Ratchet, sealing and frames put together.

Every function takes a session and returns a new one; an exception means that the one passed in is still current. The
client commits a new session in the transaction that stores the message. While the peer has not answered, each message
of the initiator is a sealed initial frame that carries the handshake, so that any one of them is enough to start.
"""

from dataclasses import dataclass, replace
from typing import Self

from handshaker_core.errors import ContentTooLarge, MalformedFrame, MalformedState, UnsupportedVersion, WrongIdentity
from handshaker_core.protocol import double_ratchet, pqxdh
from handshaker_core.protocol.bundle import VerifiedBundle
from handshaker_core.protocol.curve25519 import KEY_SIZE
from handshaker_core.protocol.double_ratchet import DoubleRatchetState
from handshaker_core.protocol.frame import (
    MAX_PLAINTEXT_INITIAL,
    MAX_PLAINTEXT_RATCHET_LARGE,
    MAX_PLAINTEXT_RATCHET_SMALL,
    Frame,
    FrameSize,
    FrameType,
    prefix,
)
from handshaker_core.protocol.keys import IdentityKeyPair, IdentityPublicKey
from handshaker_core.protocol.labels import Label
from handshaker_core.protocol.padding import PADDING_OVERHEAD, pad, unpad
from handshaker_core.protocol.pqxdh import (
    ASSOCIATED_DATA_SIZE,
    HANDSHAKE_ID_SIZE,
    HANDSHAKE_SIZE,
    ConsumedPreKeys,
    Handshake,
    PreKeyLookup,
)
from handshaker_core.protocol.profile import HANDSHAKER_V1 as PROFILE
from handshaker_core.protocol.randomness import Randomness, system_randomness
from handshaker_core.protocol.seal import SEAL_PUBLIC_SIZE, SealKeyPair, SealPublicKey
from handshaker_core.protocol.wire import Reader, u8, u32

_STATE_VERSION = 1


@dataclass(frozen=True, slots=True)
class Pending:
    """What an initiator repeats until the first answer: the handshake, sealed anew to the peer's key each time."""

    handshake: Handshake
    seal_key: SealPublicKey


@dataclass(frozen=True, slots=True, repr=False)
class SessionState:
    """One side of a session with one device of a contact.

    Attributes:
        local_identity: own identity key.
        peer_identity: the contact's identity key.
        handshake_id: names the session, 32 bytes, equal on both sides.
        associated_data, pending, ratchet: internal; clients use the functions of this module and `to_bytes`.
    """

    local_identity: IdentityPublicKey
    peer_identity: IdentityPublicKey
    handshake_id: bytes
    associated_data: bytes
    pending: Pending | None
    ratchet: DoubleRatchetState

    def __repr__(self) -> str:
        return "SessionState(<redacted>)"

    @property
    def awaiting_answer(self) -> bool:
        """Whether this side initiated and has decrypted nothing yet."""
        return self.pending is not None

    def to_bytes(self) -> bytes:
        """Versioned bytes for the encrypted store; secret."""
        pending = self.pending
        ratchet = self.ratchet.to_bytes()
        return b"".join(
            (
                u8(_STATE_VERSION),
                u8(PROFILE.suite),
                self.local_identity.raw,
                self.peer_identity.raw,
                self.handshake_id,
                self.associated_data,
                u8(0) if pending is None else u8(1) + pending.handshake.encode() + pending.seal_key.raw,
                u32(len(ratchet)),
                ratchet,
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Raises: MalformedState, UnsupportedVersion, BadKey."""
        reader = Reader(data, MalformedState)
        if (reader.u8(), reader.u8()) != (_STATE_VERSION, PROFILE.suite):
            raise UnsupportedVersion
        local, peer = IdentityPublicKey(reader.take(KEY_SIZE)), IdentityPublicKey(reader.take(KEY_SIZE))
        handshake_id, associated_data = reader.take(HANDSHAKE_ID_SIZE), reader.take(ASSOCIATED_DATA_SIZE)
        pending = None
        if reader.flag():
            handshake = Handshake.decode(reader.take(HANDSHAKE_SIZE))
            pending = Pending(handshake, SealPublicKey(reader.take(SEAL_PUBLIC_SIZE)))
        ratchet = DoubleRatchetState.from_bytes(reader.take(reader.u32()))
        reader.end()
        return cls(local, peer, handshake_id, associated_data, pending, ratchet)


@dataclass(frozen=True, slots=True, repr=False)
class InitialMessage:
    """An opened sealed initial frame: who claims to write, and the first message, neither of them proven yet.

    `handshake_id` says which session it belongs to: if there is one, use `decrypt_initial`, otherwise `accept`, which
    also take the inner `message`.
    """

    handshake: Handshake
    message: bytes

    def __repr__(self) -> str:
        return "InitialMessage(<redacted>)"

    @property
    def handshake_id(self) -> bytes:
        """The session's name (32 bytes)."""
        return self.handshake.handshake_id

    @property
    def claimed_identity(self) -> IdentityPublicKey:
        """The identity the message claims; true only once `accept` or `decrypt_initial` has succeeded."""
        return self.handshake.identity_key


@dataclass(frozen=True, slots=True, repr=False)
class Accepted:
    """A new session of a responder, to be committed together with `consumed` and the plaintext."""

    session: SessionState
    plaintext: bytes
    consumed: ConsumedPreKeys

    def __repr__(self) -> str:
        return "Accepted(<redacted>)"


def max_plaintext(session: SessionState, size: FrameSize = FrameSize.LARGE) -> int:
    """How many content bytes the session's next frame of that size holds (0: it cannot be of that size)."""
    if session.awaiting_answer:
        return MAX_PLAINTEXT_INITIAL if size is FrameSize.LARGE else 0
    return MAX_PLAINTEXT_RATCHET_LARGE if size is FrameSize.LARGE else MAX_PLAINTEXT_RATCHET_SMALL


def initiate(
    identity: IdentityKeyPair, verified: VerifiedBundle, *, rng: Randomness = system_randomness
) -> tuple[SessionState, Handshake]:
    """Start a session with the device whose bundle was verified; nothing is sent before the first `encrypt`.

    Returns:
        The session, and the handshake its first frames will carry, which tells what was used: without a one-time key
        (`last_resort`, or no `one_time_prekey_id`) the first message is protected less against later theft of keys.

    Raises:
        UnsupportedVersion, LowOrderPoint.
    """
    agreement, handshake = pqxdh.initiate(PROFILE, identity, verified, rng)
    session = SessionState(
        local_identity=identity.public,
        peer_identity=verified.bundle.identity_key,
        handshake_id=handshake.handshake_id,
        associated_data=agreement.associated_data,
        pending=Pending(handshake, verified.bundle.seal_key),
        ratchet=double_ratchet.initiate(PROFILE, agreement.secret, agreement.ratchet_key, rng),
    )
    return session, handshake


def encrypt(
    session: SessionState, plaintext: bytes, *, size: FrameSize | None = None, rng: Randomness = system_randomness
) -> tuple[SessionState, bytes]:
    """Encrypt content into one frame.

    Args:
        session: the current session.
        plaintext: content, of at most `max_plaintext(session, size)` bytes.
        size: None takes the smallest frame that fits.
        rng: for a new ratchet key, when one is due.

    Returns:
        The new session, which must be stored before the frame is sent, and the frame.

    Raises:
        ContentTooLarge, NoSendingChain, ChainExhausted.
    """
    if size is None:
        fits_small = len(plaintext) <= max_plaintext(session, FrameSize.SMALL) and not session.awaiting_answer
        size = FrameSize.SMALL if fits_small else FrameSize.LARGE
    maximum = max_plaintext(session, size)
    if len(plaintext) > maximum or maximum == 0:
        raise ContentTooLarge(maximum=maximum, actual=len(plaintext))
    frame_type = FrameType.RATCHET if session.pending is None else FrameType.SEALED_INITIAL
    padded = pad(plaintext, maximum + PADDING_OVERHEAD)
    associated_data = session.associated_data + prefix(frame_type)
    ratchet, message = double_ratchet.encrypt(PROFILE, session.ratchet, padded, associated_data, rng)
    if session.pending is None:
        body = message
    else:
        info = _seal_info(session.peer_identity)
        body = session.pending.seal_key.seal(session.pending.handshake.encode() + message, info)
    return replace(session, ratchet=ratchet), Frame(frame_type, body).encode()


def decrypt(session: SessionState, frame: bytes) -> tuple[SessionState, bytes]:
    """Decrypt a ratchet frame; the frame's first byte pair tells, see `frame.Frame.decode`.

    Returns:
        The new session and the content, to be committed together before the frame is acknowledged.

    Raises:
        MalformedFrame, UnsupportedVersion, BadKey: not a ratchet frame.
        UndecryptableMessage, DuplicateMessage, TooManySkipped, PaddingError: see `errors`.
    """
    parsed = Frame.decode(frame)
    if parsed.type is not FrameType.RATCHET:
        raise MalformedFrame
    return _decrypt(session, parsed.body, FrameType.RATCHET)


def open_initial(identity: IdentityPublicKey, seal: SealKeyPair, frame: bytes) -> InitialMessage:
    """Open a sealed initial frame with the device's seal key. It changes and proves nothing; see `InitialMessage`.

    Raises:
        MalformedFrame, UnsupportedVersion, BadKey: not a sealed initial frame.
        UndecryptableMessage: sealed to another device, or altered.
    """
    parsed = Frame.decode(frame)
    if parsed.type is not FrameType.SEALED_INITIAL:
        raise MalformedFrame
    opened = seal.open(parsed.body, _seal_info(identity))
    return InitialMessage(Handshake.decode(opened[:HANDSHAKE_SIZE]), opened[HANDSHAKE_SIZE:])


def accept(identity: IdentityKeyPair, prekeys: PreKeyLookup, initial: InitialMessage) -> Accepted:
    """Start the responder's session from an initial message whose `handshake_id` is not known yet.

    Raises:
        UnsupportedVersion, UnknownPreKey, ReplayedHandshake: see `pqxdh.respond`.
        UndecryptableMessage, TooManySkipped, PaddingError: the first message does not decrypt; nothing was consumed.
    """
    handshake = initial.handshake
    response = pqxdh.respond(PROFILE, identity, prekeys, handshake)
    session = SessionState(
        local_identity=identity.public,
        peer_identity=handshake.identity_key,
        handshake_id=handshake.handshake_id,
        associated_data=response.agreement.associated_data,
        pending=None,
        ratchet=double_ratchet.respond(response.agreement.secret, response.ratchet_pair),
    )
    session, plaintext = _decrypt(session, initial.message, FrameType.SEALED_INITIAL)
    return Accepted(session, plaintext, response.consumed)


def decrypt_initial(session: SessionState, initial: InitialMessage) -> tuple[SessionState, bytes]:
    """Decrypt a further initial message of a session that `accept` started, found by its `handshake_id`.

    Raises:
        WrongIdentity: the message belongs to another session.
        UndecryptableMessage, DuplicateMessage, TooManySkipped, PaddingError: see `errors`.
    """
    if initial.handshake_id != session.handshake_id:
        raise WrongIdentity("The initial message belongs to another session.")
    return _decrypt(session, initial.message, FrameType.SEALED_INITIAL)


def _decrypt(session: SessionState, message: bytes, frame_type: FrameType) -> tuple[SessionState, bytes]:
    associated_data = session.associated_data + prefix(frame_type)
    ratchet, padded = double_ratchet.decrypt(PROFILE, session.ratchet, message, associated_data)
    return replace(session, ratchet=ratchet, pending=None), unpad(padded)


def _seal_info(recipient: IdentityPublicKey) -> bytes:
    return Label.SEALED_INITIAL.value + prefix(FrameType.SEALED_INITIAL) + recipient.raw
