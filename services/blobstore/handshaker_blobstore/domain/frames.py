"""Stored frames: their sizes, how long they are kept, how much one answer carries."""

from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple, NewType

from handshaker_common.ids import ID_BYTES, RecvId, SendId

from handshaker_blobstore.errors import Malformed

FrameId = NewType("FrameId", bytes)
Day = NewType("Day", int)
Hour = NewType("Hour", int)

FRAME_SIZES = frozenset({2_048, 16_384})
SHORTEST_TTL_HOURS = 1
LONGEST_TTL_HOURS = 14 * 24
HOURS_PER_DAY = 24
SECONDS_PER_HOUR = 3_600
MOST_ITEMS = 512
LARGEST_SEQUENCE = 2**63 - 1
LARGEST_DAY = 2**31 - 1
# 32 frames of 16 KiB: a page of at most 512 KiB.
MOST_FRAMES_PER_PAGE = 32
# One answer of at most 8 MiB, whatever is in the mailboxes.
MOST_FRAMES_PER_ANSWER = 512


class Outcome(Enum):
    """What became of a frame."""

    STORED = "stored"
    QUOTA = "quota"
    REFUSED = "refused"
    NO_RETENTION = "no_retention"


class Put(NamedTuple):
    """A frame to store."""

    recv_id: RecvId
    frame_id: FrameId
    frame: bytes
    ttl_hours: int


class Read(NamedTuple):
    """A question for the frames of a mailbox with a larger sequence number than `after`."""

    recv_id: RecvId
    after: int
    limit: int


class StoredFrame(NamedTuple):
    """A frame as it is handed to its recipient."""

    sequence: int
    frame_id: FrameId
    frame: bytes
    partition_day: Day


class Page(NamedTuple):
    """The next frames of a mailbox, in order; `more` says whether others follow, `unknown` that there is no mailbox."""

    frames: list[StoredFrame]
    more: bool
    unknown: bool = False


class Removal(NamedTuple):
    """A frame that its recipient has committed. `partition_day` is None where it is not known."""

    recv_id: RecvId
    frame_id: FrameId
    partition_day: Day | None


def this_hour(now: float) -> Hour:
    """The current hour since 1970-01-01. Frames whose `expiry_hour` is larger are alive."""
    return Hour(int(now // SECONDS_PER_HOUR))


def today(now: float) -> Day:
    """The current UTC day since 1970-01-01."""
    return Day(this_hour(now) // HOURS_PER_DAY)


def expiry_hour(now: float, ttl_hours: int) -> Hour:
    """The full hour at which a frame stored now may be dropped: never early, and at most an hour late.

    Hours outside 1 to 336 become the nearest of the two. Only the full hour is kept, so that it does not tell when
    the frame came.
    """
    ttl = min(max(ttl_hours, SHORTEST_TTL_HOURS), LONGEST_TTL_HOURS)
    return Hour(-int(-now // SECONDS_PER_HOUR) + ttl)


def expiry_hours(now: float, ttls: Iterable[int]) -> list[Hour]:
    """`expiry_hour` of each, worked out once for each different one."""
    hours: dict[int, Hour] = {}
    return [hours.get(ttl) or hours.setdefault(ttl, expiry_hour(now, ttl)) for ttl in ttls]


def partition_day(hour: Hour) -> Day:
    """The day on which a frame with this expiry hour dies, by which it is filed. Every frame of a past day is dead."""
    return Day(hour // HOURS_PER_DAY)


# One day more than the farthest expiry, so that midnight finds its new partition there already.
PARTITIONS_AHEAD = LONGEST_TTL_HOURS // HOURS_PER_DAY + 2


def partition_days(now: float) -> range:
    """The days that need a partition: today's and all that a frame stored now, or a day from now, can expire on."""
    first = today(now)
    return range(first, first + PARTITIONS_AHEAD + 1)


def page_limits(wanted: list[int]) -> list[int]:
    """How many frames each page of one answer may have; 0 asks for as many as fit.

    A page has at most 32 frames and an answer about 512 together, but every page may have at least one, so that
    each reader gets on.
    """
    share = max(1, min(MOST_FRAMES_PER_PAGE, MOST_FRAMES_PER_ANSWER // max(1, len(wanted))))
    return [min(limit, share) if limit else share for limit in wanted]


def check_put(put: Put) -> Put:
    """The put itself. Raises Malformed where an id has not 16 bytes or the frame neither of the two sizes."""
    if len(put.recv_id) != ID_BYTES or len(put.frame_id) != ID_BYTES:
        raise Malformed("A recv_id and a frame_id have exactly 16 bytes.")
    if len(put.frame) not in FRAME_SIZES:
        raise Malformed("A frame has exactly 2,048 or 16,384 bytes.")
    return put


def check_ids(*ids: RecvId | SendId | FrameId) -> None:
    """Raises Malformed where an id has not 16 bytes."""
    for each in ids:
        if len(each) != ID_BYTES:
            raise Malformed("An id has exactly 16 bytes.")


def check_cursor(after: int) -> int:
    """The cursor itself. Raises Malformed for a number that no frame has."""
    if after > LARGEST_SEQUENCE:
        raise Malformed("A sequence number is below 2^63.")
    return after


def check_day(day: int) -> Day | None:
    """The day, None for 0. Raises Malformed for a number that no day has."""
    if day > LARGEST_DAY:
        raise Malformed("A partition_day is below 2^31.")
    return Day(day) if day else None


def check_count(count: int) -> None:
    """Raises Malformed for a batch of nothing or of more than 512."""
    if not 1 <= count <= MOST_ITEMS:
        raise Malformed(f"A batch has 1 to {MOST_ITEMS} items.")
