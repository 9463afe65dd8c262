"""Messages of a group: sender keys used only as the membership log allows.

Everything that is sent or read is checked against a `GroupView`. The caller commits the returned state together with what
it queues or shows, before anything leaves or is acknowledged.
"""

from dataclasses import dataclass, replace

from handshaker_core.protocol.groups import sender_key
from handshaker_core.protocol.groups.errors import (
    ForkedHistory,
    MissingEntries,
    RotationDue,
    StaleEpoch,
    WrongGroup,
)
from handshaker_core.protocol.groups.ids import EntryHash, GroupDevice
from handshaker_core.protocol.groups.rotation import OwnSenderKey, RotationReason, outstanding, rotation_due
from handshaker_core.protocol.groups.sender_key import SenderKeyRecord, SendingSenderKey
from handshaker_core.protocol.groups.sender_key_profile import HANDSHAKER_GROUP_V1
from handshaker_core.protocol.groups.view import GroupView
from handshaker_core.protocol.randomness import Randomness, system_randomness

PROFILE = HANDSHAKER_GROUP_V1


@dataclass(frozen=True, slots=True, repr=False)
class Distribution:
    """A sender key for one device, to be sent inside the session with it and nowhere else.

    Attributes:
        content: the distribution message, 205 bytes; secret.
    """

    recipient: GroupDevice
    content: bytes


@dataclass(frozen=True, slots=True)
class Distributed:
    """What has to be committed, queued and told before the next message.

    Attributes:
        own: the sender key to encrypt with.
        distributions: for every device that does not hold it yet.
        rotated: why the key is a new one; None if it is the one before.
    """

    own: OwnSenderKey
    distributions: tuple[Distribution, ...]
    rotated: RotationReason | None


def distribute(
    view: GroupView, own: OwnSenderKey | None, *, now: float, rng: Randomness = system_randomness
) -> Distributed:
    """Make sure that there is a sender key which may be used, and that every reader is given it.

    Args:
        view: the membership.
        own: the current sender key; None before the first message.
        now: seconds since 1970.
        rng: for a new key.

    Raises:
        NotAMember, RevokedDevice: this device is not, or no longer, in the group.
        MissingEntries, GroupForked: there is no membership in force.
    """
    state = view.check_member(view.own)
    reason = rotation_due(view, own, now)
    if own is None or reason is not None:
        key = SendingSenderKey.create(state.group_id, state.epoch, state.head, rng)
        own = OwnSenderKey(key, created_at=int(now))
    recipients = sorted(outstanding(view, own), key=GroupDevice.encode)
    content = _distribution(view, own) if recipients else b""
    distributions = tuple(Distribution(recipient, content) for recipient in recipients)
    return Distributed(replace(own, holders=own.holders | frozenset(recipients)), distributions, reason)


def distribute_again(view: GroupView, own: OwnSenderKey, recipient: GroupDevice) -> Distribution:
    """For a device that lost the key it was given: as a newcomer it reads from the next message on.

    Raises:
        NotAMember, RevokedDevice: it may not have it.
        RotationDue: it was not given the key before; see `distribute`.
        MissingEntries, GroupForked: there is no membership in force.
    """
    view.check_member(recipient)
    if recipient not in own.holders:
        raise RotationDue
    return Distribution(recipient, _distribution(view, own))


def encrypt(view: GroupView, own: OwnSenderKey, plaintext: bytes, *, now: float) -> tuple[OwnSenderKey, bytes]:
    """Encrypt one message for all readers; 125 bytes longer than the plaintext, which is padded already.

    Returns:
        The new state, which must be stored before the message leaves, and the message.

    Raises:
        RotationDue: `distribute` comes first.
        NotAMember, RevokedDevice: this device is not, or no longer, in the group.
        MissingEntries, GroupForked: there is no membership in force.
    """
    state = view.check_member(view.own)
    if rotation_due(view, own, now) is not None or outstanding(view, own):
        raise RotationDue
    associated_data = _associated_data(view.own, state.head)
    key, message = sender_key.encrypt(PROFILE, own.key, state.epoch, plaintext, associated_data)
    return replace(own, key=key), message


def accept_distribution(
    view: GroupView, record: SenderKeyRecord, sender: GroupDevice, content: bytes
) -> SenderKeyRecord:
    """Take up a sender key that came inside the session with `sender`.

    Args:
        view: the membership.
        record: what is held of that device in this group.
        sender: whom the session authenticated; a key of anybody else is refused by its signature.
        content: the distribution message.

    Raises:
        MalformedSenderKey, UnsupportedVersion, BadKey, LowOrderPoint: not one.
        BadSignature: altered, or somebody else's key.
        WrongGroup: of another group.
        NotAMember, RevokedDevice: the sender is not, or no longer, in the group.
        MissingEntries: made on entries that are not here yet; keep it and try again.
        ForkedHistory: made on another history.
        StaleEpoch: made before somebody left.
        ConflictingSenderKey: another key under a known id.
        GroupForked: there is no membership in force.
    """
    received = PROFILE.framing.decode_distribution(content, sender.encode())
    _check_epoch(view, sender, received.distribution_id, received.epoch)
    if view.log.head_at(received.epoch) != received.head:
        raise ForkedHistory
    return sender_key.process(record, received)


def decrypt(
    view: GroupView, record: SenderKeyRecord, sender: GroupDevice, message: bytes
) -> tuple[SenderKeyRecord, bytes]:
    """Read one message.

    Args:
        view: the membership.
        record: what is held of the sending device in this group.
        sender: whom the message's envelope names.
        message: of any age, in any order, each once.

    Returns:
        The new record and the plaintext, to be committed together.

    Raises:
        MalformedFrame, UnsupportedVersion: not a group message.
        WrongGroup: of another group.
        NotAMember, RevokedDevice: the sender is not, or no longer, in the group.
        MissingEntries, UnknownSenderKey: something it depends on is not here yet; keep it and try again.
        StaleEpoch: encrypted before somebody left; the sender has to send it again.
        ForkedHistory: the sender's key was made on another history.
        BadSignature: altered, forged, of another sender, or written on another history.
        DuplicateMessage, TooManySkipped, ChainExhausted, UndecryptableMessage: see `sender_key.decrypt`.
        GroupForked: there is no membership in force.
    """
    parsed = PROFILE.framing.split(message)
    header = parsed.header
    _check_epoch(view, sender, header.distribution_id, header.epoch)
    chain = record.find(header.chain_id)
    if chain.epoch < view.log.state.readers_left:
        raise StaleEpoch
    if view.log.head_at(chain.epoch) != chain.head:
        raise ForkedHistory
    associated_data = _associated_data(sender, view.log.head_at(header.epoch))
    return sender_key.decrypt(PROFILE, record, parsed, associated_data)


def forget_stale(view: GroupView, record: SenderKeyRecord) -> SenderKeyRecord:
    """The record without chains that no message may use any more, so that their keys are gone.

    Raises:
        MissingEntries, GroupForked: there is no membership in force.
    """
    readers_left = view.log.state.readers_left
    return SenderKeyRecord(tuple(chain for chain in record.chains if chain.epoch >= readers_left))


def _check_epoch(view: GroupView, sender: GroupDevice, distribution_id: bytes, epoch: int) -> None:
    """The sender may speak, and did so with a membership that nobody has left since."""
    if distribution_id != view.log.group_id:
        raise WrongGroup
    state = view.check_member(sender)
    if epoch > state.epoch:
        raise MissingEntries
    if epoch < max(state.readers_left, state.member(sender.identity).joined):
        raise StaleEpoch


def _distribution(view: GroupView, own: OwnSenderKey) -> bytes:
    distribution = sender_key.distribution(PROFILE, own.key)
    return PROFILE.framing.encode_distribution(distribution, own.key.signature_key, view.own.encode())


def _associated_data(sender: GroupDevice, head: EntryHash) -> bytes:
    """Sender (80) || hash of the last entry that the sender knew (32)."""
    return sender.encode() + head
