"""Sessions: what the client uses. PQXDH, the Double Ratchet, the post-quantum ratchet and sealed envelopes put together.

Every function takes a session and returns a new one; an exception means that the one passed in is still current. The
client commits a new session in the transaction that stores the message. While the peer has not answered, each message
of the initiator carries the handshake, so that any one of them is enough to start.
"""

from dataclasses import dataclass
from typing import Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from handshaker_core.errors import ContentTooLarge, MalformedFrame, MalformedState, UnsupportedVersion, WrongDevice
from handshaker_core.protocol import double_ratchet, pq_ratchet, pqxdh
from handshaker_core.protocol.bundle import VerifiedBundle
from handshaker_core.protocol.device import CERTIFICATE_SIZE, DeviceCertificate
from handshaker_core.protocol.double_ratchet import DoubleRatchetState
from handshaker_core.protocol.frame import FrameSize
from handshaker_core.protocol.header import HEADER_SIZE
from handshaker_core.protocol.keys import (
    DeviceIdentityKeyPair,
    ExportedSecret,
    IdentityPublicKey,
    MessageKey,
)
from handshaker_core.protocol.labels import Label
from handshaker_core.protocol.padding import PADDING_OVERHEAD, pad, unpad
from handshaker_core.protocol.party import HANDSHAKE_ID_SIZE, PARTY_SIZE, name_handshake, parties, party
from handshaker_core.protocol.pq_ratchet import PQ_HEADER_SIZE, PqHeader, PqMessageSalt, PqRatchetState, Role
from handshaker_core.protocol.pqxdh import ConsumedPreKeys, Handshake, Offer, PreKeyLookup
from handshaker_core.protocol.profile import HANDSHAKER_V1 as PROFILE
from handshaker_core.protocol.randomness import Randomness, system_randomness
from handshaker_core.protocol.seal import SEAL_PUBLIC_SIZE, SealKeyPair, SealPublicKey
from handshaker_core.protocol.sealed_sender import (
    OPENING_SIZE,
    Envelope,
    EnvelopeKind,
    Opening,
    envelope_data,
    loaded_seal_key,
    message_size,
    verified_certificate,
)
from handshaker_core.protocol.wire import Reader, u8, u32

ASSOCIATED_DATA_SIZE = 1 + PARTY_SIZE + 33 + PARTY_SIZE + 33

_STATE_VERSION = 2
_RATCHET_OVERHEAD = HEADER_SIZE + PQ_HEADER_SIZE + PROFILE.aead.overhead + PADDING_OVERHEAD

MAX_PLAINTEXT_RATCHET_SMALL = message_size(EnvelopeKind.RATCHET, FrameSize.SMALL) - _RATCHET_OVERHEAD
"""Content bytes of a ratchet message in a small frame: 530."""

MAX_PLAINTEXT_RATCHET_LARGE = message_size(EnvelopeKind.RATCHET, FrameSize.LARGE) - _RATCHET_OVERHEAD
"""Content bytes of a ratchet message in a large frame: 14,866."""

MAX_PLAINTEXT_INITIAL = message_size(EnvelopeKind.INITIAL, FrameSize.LARGE) - _RATCHET_OVERHEAD
"""Content bytes of an initial message, which is always in a large frame: 12,036."""


@dataclass(frozen=True, slots=True, repr=False)
class LocalDevice:
    """What a device needs of its own to start sessions and to open frames.

    Attributes:
        key: IK of its sessions.
        certificate: the identity's word for it.
        seal_keys: the current one first, then earlier ones whose time of grace is not over.

    Raises:
        WrongDevice: the certificate is of another key.
    """

    key: DeviceIdentityKeyPair
    certificate: DeviceCertificate
    seal_keys: tuple[SealKeyPair, ...]

    def __post_init__(self) -> None:
        if self.certificate.device_key != self.key.public:
            raise WrongDevice("The certificate belongs to another device.")

    def __repr__(self) -> str:
        return "LocalDevice(<redacted>)"


@dataclass(frozen=True, slots=True, repr=False)
class SessionState:
    """One side of a session with one device of a contact.

    Attributes:
        local: own device, as the peer is told in every envelope.
        peer: the contact's device.
        peer_seal_key: what frames for it are sealed to.
        handshake_id: names the session, 32 bytes, equal on both sides.
        associated_data, pending, ratchet, pq: internal; clients use the functions of this module and `to_bytes`.
    """

    local: DeviceCertificate
    peer: DeviceCertificate
    peer_seal_key: SealPublicKey
    handshake_id: bytes
    associated_data: bytes
    pending: Opening | None
    ratchet: DoubleRatchetState
    pq: PqRatchetState

    def __repr__(self) -> str:
        return "SessionState(<redacted>)"

    @property
    def peer_identity(self) -> IdentityPublicKey:
        """The contact's identity key."""
        return self.peer.identity

    @property
    def awaiting_answer(self) -> bool:
        """Whether this side initiated and has decrypted nothing yet."""
        return self.pending is not None

    def to_bytes(self) -> bytes:
        """Versioned bytes for the encrypted store; secret."""
        ratchet, pq = self.ratchet.to_bytes(), self.pq.to_bytes()
        return b"".join(
            (
                u8(_STATE_VERSION),
                u8(PROFILE.suite),
                self.local.encode(),
                self.peer.encode(),
                self.peer_seal_key.raw,
                self.handshake_id,
                self.associated_data,
                u8(0) if self.pending is None else u8(1) + self.pending.encode(),
                u32(len(ratchet)),
                ratchet,
                u32(len(pq)),
                pq,
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Raises: MalformedState, MalformedFrame, UnsupportedVersion, BadKey, MalformedDevice, BadSignature."""
        reader = Reader(data, MalformedState)
        if (reader.u8(), reader.u8()) != (_STATE_VERSION, PROFILE.suite):
            raise UnsupportedVersion
        session = cls(
            local=verified_certificate(reader.take(CERTIFICATE_SIZE)),
            peer=verified_certificate(reader.take(CERTIFICATE_SIZE)),
            peer_seal_key=loaded_seal_key(reader.take(SEAL_PUBLIC_SIZE)),
            handshake_id=reader.take(HANDSHAKE_ID_SIZE),
            associated_data=reader.take(ASSOCIATED_DATA_SIZE),
            pending=Opening.decode(reader.take(OPENING_SIZE)) if reader.flag() else None,
            ratchet=DoubleRatchetState.from_bytes(reader.take(reader.u32())),
            pq=PqRatchetState.from_bytes(reader.take(reader.u32())),
        )
        reader.end()
        return session


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
    return max(0, message_size(_kind(session), size) - _RATCHET_OVERHEAD)


def initiate(
    local: LocalDevice, verified: VerifiedBundle, *, now: float, rng: Randomness = system_randomness
) -> tuple[SessionState, Handshake]:
    """Start a session with the device whose bundle was verified; nothing is sent before the first `encrypt`.

    Args:
        local: own device.
        verified: the peer's bundle.
        now: seconds since 1970.
        rng: randomness.

    Returns:
        The session, and the handshake its first frames will carry, which tells what was used: without a one-time key
        (`last_resort`, or no `one_time_prekey_id`) the first message is protected less against later theft of keys.

    Raises:
        LowOrderPoint.
    """
    bundle, seal_key = verified.bundle, local.seal_keys[0].public
    peer = bundle.certificate
    offer = Offer(peer.device_key.x25519, bundle.signed_prekey, bundle.one_time_prekey, bundle.kem_prekey)
    both = parties(local.certificate, seal_key, peer)
    agreement, handshake = pqxdh.initiate(PROFILE, local.key.x25519_private, offer, both, rng)
    opening = Opening(handshake, seal_key)
    session = SessionState(
        local=local.certificate,
        peer=peer,
        peer_seal_key=bundle.seal_key,
        handshake_id=name_handshake(local.certificate, opening),
        associated_data=agreement.associated_data,
        pending=opening,
        ratchet=double_ratchet.initiate(PROFILE, agreement.secret, agreement.ratchet_key, rng),
        pq=pq_ratchet.start(agreement.secret, Role.INITIATOR, now),
    )
    return session, handshake


def encrypt(
    session: SessionState,
    plaintext: bytes,
    *,
    now: float,
    size: FrameSize | None = None,
    rng: Randomness = system_randomness,
) -> tuple[SessionState, bytes]:
    """Encrypt content into one frame.

    Args:
        session: the current session.
        plaintext: content, of at most `max_plaintext(session, size)` bytes.
        now: seconds since 1970; decides when the post-quantum ratchet turns.
        size: None takes the smallest frame that fits.
        rng: for new ratchet keys, when they are due.

    Returns:
        The new session, which must be stored before the frame is sent, and the frame.

    Raises:
        ContentTooLarge, NoSendingChain, ChainExhausted.
    """
    stepped, frame, _ = encrypt_exporting(session, plaintext, now=now, size=size, rng=rng)
    return stepped, frame


def encrypt_exporting(
    session: SessionState,
    plaintext: bytes,
    *,
    now: float,
    size: FrameSize | None = None,
    rng: Randomness = system_randomness,
) -> tuple[SessionState, bytes, "MessageExporter"]:
    """`encrypt` that also returns what secrets can be exported with, the same as the peer's `decrypt_exporting`."""
    stepped, envelope, exporter = compose(session, plaintext, now=now, size=size, rng=rng)
    return stepped, envelope.seal(session.peer_seal_key, session.peer.device_key), exporter


def compose(
    session: SessionState,
    plaintext: bytes,
    *,
    now: float,
    size: FrameSize | None = None,
    rng: Randomness = system_randomness,
) -> tuple[SessionState, Envelope, "MessageExporter"]:
    """The first half of `encrypt`, before the envelope is sealed; never to be sent like this."""
    if size is None:
        fits_small = not session.awaiting_answer and len(plaintext) <= MAX_PLAINTEXT_RATCHET_SMALL
        size = FrameSize.SMALL if fits_small else FrameSize.LARGE
    maximum = max_plaintext(session, size)
    if len(plaintext) > maximum or maximum == 0:
        raise ContentTooLarge(maximum=maximum, actual=len(plaintext))
    padded = pad(plaintext, maximum + PADDING_OVERHEAD)
    pq, header, salt = pq_ratchet.send(session.pq, now, rng)
    associated_data = _associated_data(session, session.pq.role, _kind(session))
    ratchet, message, key = double_ratchet.encrypt(
        PROFILE, session.ratchet, padded, associated_data, rng, salt=salt.raw, post_quantum=header.encode()
    )
    stepped = _stepped(session, session.pending, ratchet, pq)
    return stepped, Envelope(session.local, session.pending, message), MessageExporter(key, salt)


def open_frame(local: LocalDevice, frame: bytes) -> Envelope:
    """Open a frame on the device it is for: who claims to write, and whether it is a first message.

    It changes and proves nothing. If `handshake_id` of an initial one is not known, `accept` comes next, and else
    `decrypt` with a session of the sender.

    Raises:
        See `Envelope.open`.
    """
    return Envelope.open(frame, local.seal_keys, local.key.public)


def handshake_id(envelope: Envelope) -> bytes | None:
    """Which session an initial message belongs to; None for a ratchet message, which names none."""
    return None if envelope.opening is None else name_handshake(envelope.sender, envelope.opening)


def accept(local: LocalDevice, prekeys: PreKeyLookup, envelope: Envelope, *, now: float) -> Accepted:
    """Start the responder's session from an initial message whose `handshake_id` is not known yet.

    Raises:
        MalformedFrame: not an initial message.
        UnsupportedVersion, UnknownPreKey, ReplayedHandshake: see `pqxdh.respond`.
        UndecryptableMessage, TooManySkipped, PaddingError: the first message does not decrypt; nothing was consumed.
    """
    opening, peer = envelope.opening, envelope.sender
    if opening is None:
        raise MalformedFrame
    both = parties(peer, opening.seal_key, local.certificate)
    response = pqxdh.respond(
        PROFILE,
        local.key.x25519_private,
        prekeys,
        opening.handshake,
        peer=peer.device_key.x25519,
        parties=both,
    )
    session = SessionState(
        local=local.certificate,
        peer=peer,
        peer_seal_key=opening.seal_key,
        handshake_id=name_handshake(peer, opening),
        associated_data=response.agreement.associated_data,
        pending=None,
        ratchet=double_ratchet.respond(response.agreement.secret, response.ratchet_pair),
        pq=pq_ratchet.start(response.agreement.secret, Role.RESPONDER, now),
    )
    session, plaintext = decrypt(session, envelope, now=now)
    return Accepted(session, plaintext, response.consumed)


def decrypt(session: SessionState, envelope: Envelope, *, now: float) -> tuple[SessionState, bytes]:
    """Decrypt a message of the session's peer.

    Returns:
        The new session and the content, to be committed together before the frame is acknowledged.

    Raises:
        WrongDevice: another sender than the session's peer, or an initial message of another session.
        MalformedFrame, BadKey: not a ratchet message.
        UndecryptableMessage, DuplicateMessage, TooManySkipped, PaddingError: see `errors`.
    """
    stepped, plaintext, _ = decrypt_exporting(session, envelope, now=now)
    return stepped, plaintext


def decrypt_exporting(
    session: SessionState, envelope: Envelope, *, now: float
) -> tuple[SessionState, bytes, "MessageExporter"]:
    """`decrypt` that also returns what secrets can be exported with, the same as the peer's `encrypt_exporting`."""
    if envelope.sender != session.peer and party(envelope.sender) != party(session.peer):
        raise WrongDevice
    if envelope.opening is not None and handshake_id(envelope) != session.handshake_id:
        raise WrongDevice("The first message belongs to another session.")
    message = double_ratchet.parse(PROFILE, envelope.message)
    header = PqHeader.decode(message.header.post_quantum)
    salt = pq_ratchet.salt_for(session.pq, header)
    associated_data = _associated_data(session, session.pq.role.other, envelope.kind)
    ratchet, padded, key = double_ratchet.decrypt(PROFILE, session.ratchet, message, associated_data, salt=salt.raw)
    plaintext = unpad(padded)
    pq = pq_ratchet.absorb(session.pq, header, now, nothing_missing=len(ratchet.skipped) == 0)
    return _stepped(session, None, ratchet, pq), plaintext, MessageExporter(key, salt)


@dataclass(frozen=True, slots=True, repr=False)
class MessageExporter:
    """Derives secrets that only the two ends of one message share, for uses outside the conversation."""

    key: MessageKey
    salt: PqMessageSalt

    def __repr__(self) -> str:
        return "MessageExporter(<redacted>)"

    def export(self, label: Label) -> ExportedSecret:
        """HKDF-SHA256 of the message key with that label (32 bytes); says nothing about the message's own AEAD key."""
        return ExportedSecret(HKDF(SHA256(), ExportedSecret.SIZE, self.salt.raw, label.value).derive(self.key.raw))


def _stepped(
    session: SessionState, pending: Opening | None, ratchet: DoubleRatchetState, pq: PqRatchetState
) -> SessionState:
    return SessionState(
        local=session.local,
        peer=session.peer,
        peer_seal_key=session.peer_seal_key,
        handshake_id=session.handshake_id,
        associated_data=session.associated_data,
        pending=pending,
        ratchet=ratchet,
        pq=pq,
    )


def _kind(session: SessionState) -> EnvelopeKind:
    return EnvelopeKind.RATCHET if session.pending is None else EnvelopeKind.INITIAL


def _associated_data(session: SessionState, sender: Role, kind: EnvelopeKind) -> bytes:
    # AD || sender's role || frame version || kind; the ratchet appends its header.
    return session.associated_data + u8(sender) + envelope_data(kind)
