"""Which mailbox stands behind a send id, as far as we know, and whether a secret opens it."""

import hashlib
import hmac
from collections import OrderedDict
from typing import NamedTuple

from handshaker_common.ids import RecvId, SendId, WakeId

from handshaker_signaling.domain.connection import Socket
from handshaker_signaling.domain.effects import Effects
from handshaker_signaling.domain.limits import Limits


class Mailbox(NamedTuple):
    """What the store says about a send id; `wake_id` is empty where nobody is to be woken."""

    recv_id: RecvId
    send_secret_hash: bytes
    wake_id: WakeId


class Submission(NamedTuple):
    """A send as it came in at the time `at`, of the right form but not yet judged."""

    at: float
    socket: Socket
    send_secret: bytes
    frame_id: bytes
    frame: bytes
    policy: int
    ttl_hours: int


def opens(mailbox: Mailbox, send_secret: bytes) -> bool:
    """Whether the secret is the mailbox's, compared in constant time."""
    return hmac.compare_digest(hashlib.sha256(send_secret).digest(), mailbox.send_secret_hash)


class Capabilities:
    """A bounded cache of mailboxes, the least recently used dropped first, and the sends that wait for an answer."""

    __slots__ = ("_effects", "_known", "_limits", "_unresolved", "waiting")

    def __init__(self, limits: Limits, effects: Effects) -> None:
        self._limits = limits
        self._effects = effects
        self._known: OrderedDict[bytes, tuple[float, Mailbox | None]] = OrderedDict()
        self._unresolved: dict[bytes, list[Submission]] = {}
        self.waiting = 0

    def find(self, now: float, send_id: bytes) -> tuple[float, Mailbox | None] | None:
        """The remembered answer with the time until which it holds; None where the store must be asked."""
        answer = self._known.get(send_id)
        if answer is None:
            return None
        if answer[0] <= now:
            del self._known[send_id]
            return None
        self._known.move_to_end(send_id)
        return answer

    def wait(self, send_id: SendId, send: Submission) -> bool:
        """Keeps a send until its mailbox is known; False where too many wait already."""
        if self.waiting >= self._limits.most_unresolved:
            return False
        self.waiting += 1
        waiting = self._unresolved.get(send_id)
        if waiting is None:
            self._unresolved[send_id] = [send]
            self._effects.resolve.append(send_id)
        else:
            waiting.append(send)
        return True

    def learn(self, now: float, send_id: bytes, mailbox: Mailbox | None) -> list[Submission]:
        """Remembers the store's answer; returns the sends that waited for it."""
        limits = self._limits
        keep = limits.no_capability_seconds if mailbox is None else limits.capability_seconds
        self._known[send_id] = (now + keep, mailbox)
        self._known.move_to_end(send_id)
        if len(self._known) > limits.capabilities:
            self._known.popitem(last=False)
        return self.give_up(send_id)

    def give_up(self, send_id: bytes) -> list[Submission]:
        """The sends that waited for an answer, without one."""
        waiting = self._unresolved.pop(send_id, [])
        self.waiting -= len(waiting)
        return waiting
