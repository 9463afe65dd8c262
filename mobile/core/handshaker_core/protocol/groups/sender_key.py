"""Sender keys (Signal's design): a chain per sending device that every reader holds, each message signed.

Nothing is changed in place: a function that raises leaves the caller with the state it had.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from handshaker_core.errors import DuplicateMessage, MalformedState, TooManySkipped
from handshaker_core.protocol.curve25519 import KEY_SIZE
from handshaker_core.protocol.groups.errors import ConflictingSenderKey, UnknownSenderKey
from handshaker_core.protocol.groups.ids import HASH_SIZE, EntryHash
from handshaker_core.protocol.groups.sender_chain import (
    SenderChain,
    SenderChainKey,
    SenderMessageKey,
    SenderSignatureKey,
)
from handshaker_core.protocol.groups.sender_key_profile import (
    SenderKeyDistribution,
    SenderKeyHeader,
    SenderKeyMessage,
    SenderKeyProfile,
)
from handshaker_core.protocol.randomness import Randomness
from handshaker_core.protocol.wire import Reader, u8, u16, u32

MAX_FORWARD_JUMP = 25_000
"""How far one message may be ahead in its chain; only the chain's owner can make a recipient go that far."""

MAX_STORED = 2_000
"""Message keys kept for one sending device, over all its chains; beyond it the oldest are dropped."""

MAX_CHAINS = 5
"""Chains kept for one sending device, so that late messages of earlier ones can be read."""

_STATE_VERSION = 1


@dataclass(frozen=True, slots=True)
class SendingSenderKey:
    """The own chain.

    Attributes:
        distribution_id: our group id; elsewhere a UUID.
        epoch, head: sequence and hash of the log's last entry when the chain was made.
    """

    distribution_id: bytes
    chain_id: int
    epoch: int
    head: EntryHash
    chain: SenderChain
    signature_key: SenderSignatureKey

    @classmethod
    def create(cls, distribution_id: bytes, epoch: int, head: EntryHash, rng: Randomness) -> Self:
        """A new chain at iteration 0."""
        chain_id = int.from_bytes(rng(4), "big") >> 1 or 1  # 31 bits, as other implementations expect; never 0
        chain = SenderChain(SenderChainKey(rng(SenderChainKey.SIZE)))
        return cls(distribution_id, chain_id, epoch, head, chain, SenderSignatureKey.generate(rng))

    def to_bytes(self) -> bytes:
        """Versioned bytes for the encrypted store; secret."""
        return b"".join(
            (
                u8(_STATE_VERSION),
                u8(len(self.distribution_id)) + self.distribution_id,
                u32(self.chain_id) + u32(self.epoch) + self.head,
                self.chain.key.raw + u32(self.chain.iteration),
                self.signature_key.raw,
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Raises: MalformedState."""
        reader = Reader(data, MalformedState)
        if reader.u8() != _STATE_VERSION:
            raise MalformedState
        distribution_id, chain_id, epoch = reader.take(reader.u8()), reader.u32(), reader.u32()
        head = EntryHash(reader.take(HASH_SIZE))
        chain = SenderChain(SenderChainKey(reader.take(SenderChainKey.SIZE)), reader.u32())
        key = SenderSignatureKey(reader.take(SenderSignatureKey.SIZE))
        reader.end()
        return cls(distribution_id, chain_id, epoch, head, chain, key)


@dataclass(frozen=True, slots=True)
class ReceivingChain:
    """A chain of somebody else.

    Attributes:
        signature_key: public, 32 bytes.
        chain: where the next message in order is.
        skipped: keys of messages that have not arrived, by iteration, oldest first.
    """

    chain_id: int
    epoch: int
    head: EntryHash
    signature_key: bytes
    chain: SenderChain
    skipped: Mapping[int, SenderMessageKey] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class SenderKeyRecord:
    """All chains that one device gave us for one group, oldest first, at most 5."""

    chains: tuple[ReceivingChain, ...] = ()

    def find(self, chain_id: int) -> ReceivingChain:
        """Raises: UnknownSenderKey."""
        found = next((chain for chain in self.chains if chain.chain_id == chain_id), None)
        if found is None:
            raise UnknownSenderKey
        return found

    def to_bytes(self) -> bytes:
        """Versioned bytes for the encrypted store; secret."""
        return u8(_STATE_VERSION) + u8(len(self.chains)) + b"".join(_encode_chain(chain) for chain in self.chains)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Raises: MalformedState."""
        reader = Reader(data, MalformedState)
        if reader.u8() != _STATE_VERSION:
            raise MalformedState
        record = cls(tuple(_decode_chain(reader) for _ in range(reader.u8())))
        reader.end()
        ids = {chain.chain_id for chain in record.chains}
        if len(record.chains) > MAX_CHAINS or len(ids) != len(record.chains) or _stored(record.chains) > MAX_STORED:
            raise MalformedState
        return record


def distribution(profile: SenderKeyProfile, key: SendingSenderKey) -> SenderKeyDistribution:
    """What lets a device read from the next message on."""
    public = profile.signatures.public(key.signature_key)
    return SenderKeyDistribution(key.distribution_id, key.chain_id, key.epoch, key.head, key.chain, public)


def process(record: SenderKeyRecord, received: SenderKeyDistribution) -> SenderKeyRecord:
    """Take up a chain. One that is known stays as it is: a repeated distribution neither rewinds nor skips.

    Raises:
        ConflictingSenderKey: another key under a known id.
    """
    for known in record.chains:
        if known.chain_id == received.chain_id:
            if known.signature_key != received.signature_key:
                raise ConflictingSenderKey
            return record
    new = ReceivingChain(received.chain_id, received.epoch, received.head, received.signature_key, received.chain)
    return SenderKeyRecord((*record.chains, new)[-MAX_CHAINS:])


def encrypt(
    profile: SenderKeyProfile, key: SendingSenderKey, epoch: int, plaintext: bytes, associated_data: bytes
) -> tuple[SendingSenderKey, bytes]:
    """Encrypt and sign one message for everybody who holds the chain.

    Args:
        profile: algorithms and formats.
        key: the current state; must not be used again once the result is.
        epoch: sequence of the log's last entry.
        plaintext: any bytes.
        associated_data: signed and authenticated with the message.

    Returns:
        The new state, to be stored before the message leaves, and the message.

    Raises:
        ChainExhausted.
    """
    chain, message_key = key.chain.step()
    header = SenderKeyHeader(key.distribution_id, key.chain_id, epoch, key.chain.iteration)
    authenticated = associated_data + profile.framing.authenticated(header)
    ciphertext = profile.aead.seal(_material(profile, message_key), plaintext, authenticated)
    signed = profile.framing.signed(header, ciphertext)
    signature = profile.signatures.sign(key.signature_key, associated_data, signed)
    return replace(key, chain=chain), signed + signature


def decrypt(
    profile: SenderKeyProfile, record: SenderKeyRecord, message: SenderKeyMessage, associated_data: bytes
) -> tuple[SenderKeyRecord, bytes]:
    """Verify and decrypt one message; in any order, each once.

    The signature comes first, so that only the sender can make the chain move.

    Returns:
        The new record, and the plaintext.

    Raises:
        UnknownSenderKey: no such chain.
        BadSignature: altered, forged, of another sender, or with other associated data.
        DuplicateMessage: received before, or its key was dropped as one of the oldest.
        TooManySkipped: more than MAX_FORWARD_JUMP messages before it are missing; only a new chain helps.
        UndecryptableMessage: signed by the sender, but not encrypted with this chain.
    """
    known = record.find(message.header.chain_id)
    profile.signatures.verify(known.signature_key, associated_data, message.signed, message.signature)
    advanced, message_key = _advance(known, message.header.iteration)
    authenticated = associated_data + message.authenticated
    plaintext = profile.aead.open(_material(profile, message_key), message.ciphertext, authenticated)
    chains = tuple(advanced if chain is known else chain for chain in record.chains)
    return SenderKeyRecord(_bounded(chains)), plaintext


def _advance(known: ReceivingChain, iteration: int) -> tuple[ReceivingChain, SenderMessageKey]:
    """Find the message's key, keeping the keys that are passed."""
    chain = known.chain
    if iteration < chain.iteration:
        skipped = dict(known.skipped)
        message_key = skipped.pop(iteration, None)
        if message_key is None:
            raise DuplicateMessage
        return replace(known, skipped=skipped), message_key
    if iteration > chain.iteration + MAX_FORWARD_JUMP:
        raise TooManySkipped
    passed: dict[int, SenderMessageKey] = {}
    chain = chain.forward(max(0, iteration - chain.iteration - MAX_STORED))
    while chain.iteration < iteration:
        number = chain.iteration
        chain, passed[number] = chain.step()
    chain, message_key = chain.step()
    return replace(known, chain=chain, skipped={**known.skipped, **passed} if passed else known.skipped), message_key


def _bounded(chains: tuple[ReceivingChain, ...]) -> tuple[ReceivingChain, ...]:
    """Drop the oldest keys of the oldest chains beyond the bound."""
    excess = _stored(chains) - MAX_STORED
    if excess <= 0:
        return chains
    kept = []
    for chain in chains:
        drop = min(excess, len(chain.skipped))
        excess -= drop
        kept.append(replace(chain, skipped=dict(list(chain.skipped.items())[drop:])) if drop else chain)
    return tuple(kept)


def _stored(chains: tuple[ReceivingChain, ...]) -> int:
    return sum(len(chain.skipped) for chain in chains)


def _material(profile: SenderKeyProfile, key: SenderMessageKey) -> bytes:
    return HKDF(SHA256(), profile.aead.material_size, None, profile.message_key_info).derive(key.raw)


def _encode_chain(chain: ReceivingChain) -> bytes:
    head = u32(chain.chain_id) + u32(chain.epoch) + chain.head + chain.signature_key
    position = chain.chain.key.raw + u32(chain.chain.iteration) + u16(len(chain.skipped))
    return head + position + b"".join(u32(number) + key.raw for number, key in chain.skipped.items())


def _decode_chain(reader: Reader) -> ReceivingChain:
    chain_id, epoch, head = reader.u32(), reader.u32(), EntryHash(reader.take(HASH_SIZE))
    signature_key = reader.take(KEY_SIZE)
    chain = SenderChain(SenderChainKey(reader.take(SenderChainKey.SIZE)), reader.u32())
    skipped: dict[int, SenderMessageKey] = {}
    for _ in range(reader.u16()):
        number = reader.u32()
        if number in skipped or number >= chain.iteration:
            raise MalformedState
        skipped[number] = SenderMessageKey(reader.take(SenderMessageKey.SIZE))
    return ReceivingChain(chain_id, epoch, head, signature_key, chain, skipped)
