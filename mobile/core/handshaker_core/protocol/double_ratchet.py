"""The Double Ratchet (Signal, revision 4, section 3) as functions from state to state.

Nothing is changed in place: a function that raises leaves the caller with the state it had, so that a forged, repeated
or misdirected message can be tried without harm.
"""

from dataclasses import dataclass
from typing import Self

from handshaker_core.errors import DuplicateMessage, MalformedState, TooManySkipped
from handshaker_core.protocol.curve25519 import KEY_SIZE
from handshaker_core.protocol.diffie_hellman_ratchet import DiffieHellmanRatchet
from handshaker_core.protocol.header import Header
from handshaker_core.protocol.kdf_chain import KdfChain, message_key_material
from handshaker_core.protocol.keys import (
    ChainKey,
    MessageKey,
    RatchetKeyPair,
    RootKey,
    SharedSecret,
    X25519PrivateKey,
    X25519PublicKey,
)
from handshaker_core.protocol.profile import Profile
from handshaker_core.protocol.randomness import Randomness
from handshaker_core.protocol.skipped_keys import SkippedMessageKeys
from handshaker_core.protocol.symmetric_ratchet import SymmetricRatchet
from handshaker_core.protocol.wire import Reader, u8, u32

MAX_SKIP = 25_000
"""How far one message may be ahead in its chain.

Frames that are dropped when nobody is there (presence, typing) use message numbers too, and a gap beyond this bound ends
the session for good, so the bound is large. It costs the victim of a forger about a tenth of a second a frame. Keys of
the newest `MAX_STORED` messages of a gap are kept.
"""

MAX_RETIRED = 16
"""The peer's earlier ratchet keys that are remembered, to tell a repeated message from an altered one."""

_STATE_VERSION = 1


@dataclass(frozen=True, slots=True)
class DoubleRatchetState:
    """One side of a session's ratchet.

    Attributes:
        ratchet: the Diffie-Hellman ratchet with its chains.
        skipped: keys of messages that have not arrived.
        retired: the peer's earlier ratchet keys, newest last.
    """

    ratchet: DiffieHellmanRatchet
    skipped: SkippedMessageKeys
    retired: tuple[bytes, ...] = ()

    def to_bytes(self) -> bytes:
        """Versioned bytes for the encrypted store; secret."""
        ratchet, chains = self.ratchet, self.ratchet.chains
        return b"".join(
            (
                u8(_STATE_VERSION),
                ratchet.root.raw,
                ratchet.own.private.raw,
                ratchet.own.public.raw,
                u8(0) if ratchet.remote is None else u8(1) + ratchet.remote.raw,
                _encode_chain(chains.sending),
                _encode_chain(chains.receiving),
                u32(chains.previous_sending_length),
                u8(len(self.retired)) + b"".join(self.retired),
                self.skipped.encode(),
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Raises: MalformedState, BadKey."""
        reader = Reader(data, MalformedState)
        if reader.u8() != _STATE_VERSION:
            raise MalformedState
        root = RootKey(reader.take(RootKey.SIZE))
        private = X25519PrivateKey(reader.take(KEY_SIZE))
        own = RatchetKeyPair(private, X25519PublicKey(reader.take(KEY_SIZE)))
        remote = X25519PublicKey(reader.take(KEY_SIZE)) if reader.flag() else None
        chains = SymmetricRatchet(_decode_chain(reader), _decode_chain(reader), reader.u32())
        retired = tuple(reader.take(KEY_SIZE) for _ in range(reader.u8()))
        if len(retired) > MAX_RETIRED:
            raise MalformedState
        skipped = SkippedMessageKeys.decode(reader)
        reader.end()
        return cls(DiffieHellmanRatchet(root, own, remote, chains), skipped, retired)


def initiate(profile: Profile, secret: SharedSecret, remote: X25519PublicKey, rng: Randomness) -> DoubleRatchetState:
    """RatchetInitAlice, section 3.3: the side that knows the peer's ratchet key and sends first."""
    own = RatchetKeyPair.generate(rng)
    ratchet = DiffieHellmanRatchet(RootKey(secret.raw), own, remote, SymmetricRatchet())
    return DoubleRatchetState(ratchet.start_sending(profile, own), SkippedMessageKeys())


def respond(secret: SharedSecret, own: RatchetKeyPair) -> DoubleRatchetState:
    """RatchetInitBob, section 3.3: the side whose ratchet key the peer knows; it must receive first."""
    ratchet = DiffieHellmanRatchet(RootKey(secret.raw), own, None, SymmetricRatchet())
    return DoubleRatchetState(ratchet, SkippedMessageKeys())


def encrypt(
    profile: Profile,
    state: DoubleRatchetState,
    plaintext: bytes,
    associated_data: bytes,
    rng: Randomness,
    *,
    salt: bytes | None = None,
    post_quantum: bytes = b"",
) -> tuple[DoubleRatchetState, bytes, MessageKey]:
    """RatchetEncrypt, section 3.4.

    Args:
        profile: algorithms and formats.
        state: the current state; must not be used again once the result is.
        plaintext: any bytes, already padded.
        associated_data: authenticated with the message, before the header.
        rng: for a new ratchet key, when one is due.
        salt: the key of the post-quantum ratchet for this message (32 bytes); None where there is none.
        post_quantum: the post-quantum ratchet's encoded header.

    Returns:
        The new state; the message: encoded header and ciphertext; and its key, from which secrets can be exported.

    Raises:
        NoSendingChain, ChainExhausted.
    """
    ratchet = state.ratchet.prepare_sending(profile, rng)
    chains, number, key = ratchet.chains.next_sending()
    ratchet = DiffieHellmanRatchet(ratchet.root, ratchet.own, ratchet.remote, chains)
    header = Header(ratchet.own.public, chains.previous_sending_length, number, post_quantum)
    encoded = profile.framing.encode_header(header)
    material = message_key_material(key, salt, profile.message_key_info, profile.aead.material_size)
    ciphertext = profile.aead.seal(material, plaintext, associated_data + encoded)
    return DoubleRatchetState(ratchet, state.skipped, state.retired), encoded + ciphertext, key


@dataclass(frozen=True, slots=True)
class Parsed:
    """A message in its parts: the header, its bytes as they came, and the ciphertext."""

    header: Header
    encoded_header: bytes
    ciphertext: bytes


def parse(profile: Profile, message: bytes) -> Parsed:
    """Take a message apart; nothing of it is authentic yet. Raises: MalformedFrame, BadKey."""
    return Parsed(*profile.framing.split(message))


def decrypt(
    profile: Profile, state: DoubleRatchetState, message: Parsed, associated_data: bytes, *, salt: bytes | None = None
) -> tuple[DoubleRatchetState, bytes, MessageKey]:
    """RatchetDecrypt, section 3.5. On any exception the state that was passed in is still the current one.

    Args:
        profile: algorithms and formats.
        state: the current state.
        message: from `parse`.
        associated_data: authenticated with the message, before the header.
        salt: the key of the post-quantum ratchet that the message's header names.

    Returns:
        The new state, the plaintext, and the message's key.

    Raises:
        UndecryptableMessage: altered, forged or of another session.
        DuplicateMessage: received before, or its key was dropped as one of the oldest.
        TooManySkipped: more than MAX_SKIP messages before it are missing; only a new session helps.
    """
    header = message.header
    key = state.skipped.get(header.ratchet_key, header.number)
    if key is None:
        advanced, key = _advance(profile, state, header)
    else:
        skipped = state.skipped.without(header.ratchet_key, header.number)
        advanced = DoubleRatchetState(state.ratchet, skipped, state.retired)
    material = message_key_material(key, salt, profile.message_key_info, profile.aead.material_size)
    plaintext = profile.aead.open(material, message.ciphertext, associated_data + message.encoded_header)
    return advanced, plaintext, key


def _advance(profile: Profile, state: DoubleRatchetState, header: Header) -> tuple[DoubleRatchetState, MessageKey]:
    """Move the receiving side to the header's message, keeping the keys it passes."""
    ratchet, skipped, retired = state.ratchet, state.skipped, state.retired
    if header.ratchet_key.raw in retired:
        raise DuplicateMessage
    receiving = ratchet.chains.receiving
    known = header.ratchet_key == ratchet.remote
    start = receiving.length if known and receiving is not None else 0
    if header.number < start:
        raise DuplicateMessage
    if header.number > start + MAX_SKIP:
        raise TooManySkipped
    if not known:
        if ratchet.remote is not None and receiving is not None:
            # An honest peer whose earlier messages expired must not be locked out for good: a finished chain with a
            # gap beyond the bound is given up, and the conversation goes on.
            missing = header.previous_chain_length - receiving.length
            until = header.previous_chain_length if missing <= MAX_SKIP else receiving.length
            _, passed = ratchet.chains.skip_receiving(until)
            skipped = skipped.with_added(ratchet.remote, passed)
            retired = (*retired, ratchet.remote.raw)[-MAX_RETIRED:]
        ratchet = ratchet.receive_key(profile, header.ratchet_key)
    chains, passed = ratchet.chains.skip_receiving(header.number)
    skipped = skipped.with_added(header.ratchet_key, passed)
    chains, key = chains.next_receiving()
    ratchet = DiffieHellmanRatchet(ratchet.root, ratchet.own, ratchet.remote, chains)
    return DoubleRatchetState(ratchet, skipped, retired), key


def _encode_chain(chain: KdfChain | None) -> bytes:
    return u8(0) if chain is None else u8(1) + chain.key.raw + u32(chain.length)


def _decode_chain(reader: Reader) -> KdfChain | None:
    if not reader.flag():
        return None
    return KdfChain(ChainKey(reader.take(ChainKey.SIZE)), reader.u32())
