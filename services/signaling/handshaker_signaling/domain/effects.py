"""What the relay wants done. Each kind is a list that whoever does it takes whole."""

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple, NewType

from handshaker_common.ids import RecvId, SendId, WakeId

if TYPE_CHECKING:
    from handshaker_signaling.domain.connection import Attachment, InboundLink
    from handshaker_signaling.domain.sending import Pending
    from handshaker_signaling.domain.subscriptions import Read, Subscription

# One life of one signaling process: a random name, "@" and the address where its peers reach it.
Process = NewType("Process", bytes)


class LeaseKind(IntEnum):
    """What to do with the lease of a mailbox."""

    CLAIM = 1  # take it, whoever has it; answered with the previous holder
    RENEW = 2  # prolong it if it is ours or nobody's; answered with the holder
    CHECK = 3  # answered with the holder
    RELEASE = 4  # give it up if it is ours; not answered


class LeaseRequest(NamedTuple):
    """One step on one lease. Requests are carried out in their order."""

    kind: LeaseKind
    recv_id: RecvId
    subscription: "Subscription | None"


class Forward(NamedTuple):
    """A frame for the process that holds the recipient's subscription."""

    holder: Process
    reference: int
    recv_id: RecvId
    frame_id: bytes
    frame: bytes


class Removal(NamedTuple):
    """A stored frame that its recipient has; `partition_day` is 0 where it is not known."""

    recv_id: RecvId
    frame_id: bytes
    partition_day: int


class Stored(NamedTuple):
    """Something was committed for this mailbox: its lease is to be looked at, afresh."""

    recv_id: RecvId
    wake_id: WakeId
    # The holder did not acknowledge in time, so its device may be asleep although its socket stands.
    silent: bool


class Effects:
    """All that waits to be done."""

    __slots__ = (
        "attachments",
        "check",
        "displace",
        "forward",
        "leases",
        "links",
        "look_up",
        "poke",
        "put",
        "read",
        "remove",
        "resolve",
        "unfinished",
        "wake",
    )

    def __init__(self) -> None:
        self.attachments: list[Attachment] = []  # have output
        self.links: list[InboundLink] = []  # have results
        self.resolve: list[SendId] = []
        self.look_up: list[RecvId] = []
        self.check: list[Stored] = []
        self.leases: list[LeaseRequest] = []
        self.read: list[Read] = []
        self.put: list[Pending] = []
        self.remove: list[Removal] = []
        self.forward: list[Forward] = []
        self.poke: list[tuple[Process, RecvId]] = []
        self.displace: list[tuple[Process, RecvId]] = []
        self.wake: list[WakeId] = []
        self.unfinished = False  # call `Relay.work` soon
