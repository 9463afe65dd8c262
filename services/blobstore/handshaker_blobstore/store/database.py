"""How blobstore uses its connections."""

from collections.abc import Iterable

# The tables are queues: empty one moment, full the next, so statistics are always wrong. Every statement has one good
# plan, nested loops over index scans, and these settings leave no other, nor the cost of choosing it again.
QUEUE_PLANS = {
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "plan_cache_mode": "force_generic_plan",
}


def integers(values: Iterable[int]) -> str:
    """An array of integers in PostgreSQL's own notation, which the driver passes on four times faster than a list."""
    return "{" + ",".join(map(str, values)) + "}"


def lock_key(recv_id: bytes) -> int:
    """The advisory lock of a mailbox: ids are hashes, so half of one is as good as a hash of it."""
    return int.from_bytes(recv_id[:8], "big", signed=True)
