"""The quota of a mailbox, kept without writing a count anywhere and without counting at every frame.

A count at rest would tell a thief how busy each mailbox is, and counting at every frame would cost more than storing
it. So a process that has counted a mailbox remembers how many frames it may add before it must count again: at most
`MOST_CLAIMED`. One process is exact, because all that it adds goes through here, one transaction at a time. With P
processes a mailbox can exceed its quota by `MOST_CLAIMED` x (P - 1) frames at the most: each of the others may still
hold one such allowance from before the mailbox filled up.
"""

from handshaker_common.ids import RecvId

MOST_CLAIMED = 32
# To be counted: the allowance that `claim` returns for a mailbox about which not enough is known.
COUNT = -1


class Headroom:
    """How many frames this process may still add to each mailbox that it has counted."""

    def __init__(self, *, most_mailboxes: int = 100_000) -> None:
        self._most_mailboxes = most_mailboxes
        self._places: dict[RecvId, int] = {}

    def claim(self, mailbox: RecvId, frames: int) -> int:
        """Sets places aside for `frames`. Returns their number, or COUNT where the mailbox must be counted first.

        What was set aside is not given back when storing fails: a transaction that seemed to fail may have committed.
        """
        left = self._places.pop(mailbox, 0) - frames
        if left < 0:
            return COUNT
        if left > 0:
            self._places[mailbox] = left
        return frames

    def learn(self, mailbox: RecvId, free: int) -> None:
        """Remembers that a count, and what was stored with it, left `free` places."""
        if free <= 0:
            return
        if len(self._places) >= self._most_mailboxes:
            self._places.clear()  # each costs one count again
        self._places[mailbox] = min(free, MOST_CLAIMED)
