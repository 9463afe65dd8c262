"""What can be wrong with a group's log or messages. Nothing that raises has changed a state."""

from handshaker_core.errors import ProtocolError


class GroupError(ProtocolError):
    """Root of what is about groups alone."""

    reason = "group_error"
    sentence = "The data breaks a rule of groups."


class MalformedGroupEntry(GroupError):
    """Bytes that are not an entry of a membership log."""

    reason = "malformed_group_entry"
    sentence = "An entry of the group's log is damaged or of a newer version."


class MalformedSenderKey(GroupError):
    """Bytes that are not a sender key distribution message."""

    reason = "malformed_sender_key"
    sentence = "A member's key for the group is damaged or of a newer version."


class WrongGroup(GroupError):
    """An entry, a key or a message of another group."""

    reason = "wrong_group"
    sentence = "The data belongs to another group."


class BrokenChain(GroupError):
    """An entry that does not continue the history it is applied to."""

    reason = "broken_chain"
    sentence = "A change of the group does not continue its history."


class StaleEntry(GroupError):
    """An entry at a place in the history that is taken already."""

    reason = "stale_entry"
    sentence = "A change of the group was made on a history that has moved on."


class NotAllowed(GroupError):
    """A change that the actor's role does not allow, or that nobody may make."""

    reason = "not_allowed"
    sentence = "The change of the group was made by somebody whose role does not allow it."


class NotAMember(GroupError):
    """The actor, sender or subject is not, or no longer, in the group."""

    reason = "not_a_member"
    sentence = "This person is not, or no longer, a member of the group."


class AlreadyMember(GroupError):
    """An added person is in the group."""

    reason = "already_member"
    sentence = "This person is a member of the group already."


class LastOwner(GroupError):
    """The only owner would leave or step down."""

    reason = "last_owner"
    sentence = "The only owner of a group must make somebody else owner first."


class NothingToChange(GroupError):
    """A change to what is the case already, or to an older device list."""

    reason = "nothing_to_change"
    sentence = "The change of the group changes nothing."


class RevokedDevice(GroupError):
    """Signed or sent by a device that is not in its person's newest device list."""

    reason = "revoked_device"
    sentence = "The data comes from a device that its owner has removed."


class GroupFull(GroupError):
    """No more members, or no more changes, fit into the group."""

    reason = "group_full"
    sentence = "The group is full: it has its largest number of members or of changes."


class TooManyBranches(GroupError):
    """More conflicting entries than are kept; those that are known stay."""

    reason = "too_many_branches"
    sentence = "The group's history has more conflicting changes than this client keeps."


class MissingEntries(GroupError):
    """Something refers to entries that have not arrived; try again when they have."""

    reason = "missing_entries"
    sentence = "Changes of the group that this depends on have not arrived yet."


class GroupForked(GroupError):
    """The history has two valid continuations; nothing is sent or read until an owner has chosen one."""

    reason = "group_forked"
    sentence = "The group has two conflicting histories; an owner has to choose one of them."


class ForkedHistory(GroupError):
    """A sender key made on another history than this client's."""

    reason = "forked_history"
    sentence = "A member has another history of the group than this device."


class StaleEpoch(GroupError):
    """Encrypted for a membership that somebody has left since; its sender has to send again."""

    reason = "stale_epoch"
    sentence = "The message was encrypted before somebody left the group, and has to be sent again."


class UnknownSenderKey(GroupError):
    """No chain of that sender fits; its distribution message may still be on its way."""

    reason = "unknown_sender_key"
    sentence = "The sender's key for the group has not arrived yet."


class ConflictingSenderKey(GroupError):
    """A second, different sender key under the id of one that is known."""

    reason = "conflicting_sender_key"
    sentence = "A member sent two different keys under one name."


class RotationDue(GroupError):
    """The sender key must be replaced, or given to more devices, before anything else is sent with it."""

    reason = "rotation_due"
    sentence = "The key for the group has to be renewed or distributed before the next message."
