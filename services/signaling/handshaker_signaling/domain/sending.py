"""Frames in our care: from the moment their sender proved its right until it is told what became of them.

The process of the sender answers for a frame. It delivers it here, forwards it to the process that holds the
recipient, or stores it; and it stores whatever is not acknowledged in time.
"""

from collections import deque
from enum import IntEnum
from typing import TypeAlias

from handshaker_common.ids import RecvId
from handshaker_proto.blobstore.v1 import frames_pb2
from handshaker_proto.signaling.v1 import socket_pb2

from handshaker_signaling.domain.capabilities import Mailbox, Submission
from handshaker_signaling.domain.connection import ACKNOWLEDGED, NOT_HERE, Delivery, ForwardOutcome, Socket
from handshaker_signaling.domain.effects import Effects, Forward, Process, Removal, Stored
from handshaker_signaling.domain.limits import Limits
from handshaker_signaling.domain.routes import Routes
from handshaker_signaling.domain.subscriptions import Subscriptions

LIVE_ONLY = socket_pb2.DELIVERY_POLICY_LIVE_ONLY
EPHEMERAL = socket_pb2.DELIVERY_POLICY_EPHEMERAL
UNSTORED = frozenset({LIVE_ONLY, EPHEMERAL})
Result = socket_pb2.SendResult
ResultValue: TypeAlias = socket_pb2.SendResult.Outcome.ValueType
PutOutcome: TypeAlias = frames_pb2.PutFramesResponse.Outcome.ValueType
Put = frames_pb2.PutFramesResponse

RESULT_OF_PUT: dict[PutOutcome, ResultValue] = {
    Put.OUTCOME_STORED: Result.OUTCOME_STORED,
    Put.OUTCOME_QUOTA: Result.OUTCOME_QUOTA,
    Put.OUTCOME_REFUSED: Result.OUTCOME_REFUSED,
    Put.OUTCOME_NO_RETENTION: Result.OUTCOME_NO_RETENTION,
}


class Stage(IntEnum):
    """Where a frame is."""

    ROUTING = 1  # its recipient's lease is being looked up
    LIVE = 2  # on its way to the recipient
    STORING = 3  # on its way to the store
    STORED = 4  # in the store, or perhaps there
    DONE = 5


# As names of this module, because looking members up in an enum or a message class costs more than comparing them.
ROUTING, LIVE, STORING, STORED, DONE = Stage
DELIVERED, UNAVAILABLE = Result.OUTCOME_DELIVERED, Result.OUTCOME_UNAVAILABLE
PUT_STORED = Put.OUTCOME_STORED


class Pending:
    """One frame in our care. `sockets` are those that wait to be told."""

    __slots__ = (
        "acknowledged",
        "at",
        "frame",
        "frame_id",
        "policy",
        "recv_id",
        "silent",
        "sockets",
        "stage",
        "tried",
        "ttl_hours",
        "wake_id",
    )

    def __init__(self, mailbox: Mailbox, send: Submission, default_ttl_hours: int) -> None:
        self.at = send.at
        self.recv_id = mailbox.recv_id
        self.wake_id = mailbox.wake_id
        self.frame_id = send.frame_id
        self.frame = send.frame
        self.policy = send.policy
        self.ttl_hours = send.ttl_hours or default_ttl_hours
        self.stage = ROUTING
        self.acknowledged = False  # while it was on its way to the store
        self.silent = False  # the recipient had it and did not acknowledge in time
        self.tried: Process | None = None  # was thought to hold the recipient, and did not
        self.sockets: list[Socket] = []


class Sending:
    """All frames in our care, by mailbox and frame id, so that the same frame sent twice is cared for once."""

    __slots__ = (
        "_effects",
        "_forwards",
        "_limits",
        "_me",
        "_pending",
        "_reference",
        "_refused",
        "_routes",
        "_routing",
        "_subscriptions",
        "_timers",
        "counts",
    )

    def __init__(self, me: Process, limits: Limits, effects: Effects, subscriptions: Subscriptions) -> None:
        self._me = me
        self._limits = limits
        self._effects = effects
        self._subscriptions = subscriptions
        self._routes = Routes(limits)
        self._routing: dict[bytes, list[Pending]] = {}
        self._pending: dict[bytes, Pending] = {}
        self._timers: deque[tuple[float, Pending]] = deque()
        self._refused: deque[Pending] = deque()
        self._forwards: dict[Process, dict[int, Pending]] = {}
        self._reference = 0
        self.counts: dict[int, int] = dict.fromkeys(Result.Outcome.values(), 0)

    def __len__(self) -> int:
        return len(self._pending)

    def start(self, now: float, mailbox: Mailbox, send: Submission) -> None:
        """Takes a frame into care."""
        pending = Pending(mailbox, send, self._limits.default_ttl_hours)
        if pending.policy != EPHEMERAL:
            socket = send.socket
            known = self._pending.setdefault(pending.recv_id + pending.frame_id, pending)
            if known is not pending:
                if socket not in known.sockets:
                    known.sockets.append(socket)
                return
            pending.sockets.append(socket)
            if len(self._pending) > self._limits.most_pending:
                self._finish(pending, UNAVAILABLE)
                return
        self._timers.append((now + self._limits.acknowledge_seconds, pending))
        if not self._deliver_here(pending):
            self._send_elsewhere(now, pending)

    def _deliver_here(self, pending: Pending) -> bool:
        """Delivers to a subscriber of this process; True where there is one, be its window full or not."""
        subscription = self._subscriptions.by_mailbox.get(pending.recv_id)
        if subscription is None:
            return False
        size = len(pending.frame)
        socket = subscription.socket
        if socket.room_for(size):
            pending.stage = LIVE
            socket.deliver(Delivery(pending.recv_id, pending.frame_id, size, pending=pending), pending.frame)
        else:
            self._away(pending)
        return True

    def _send_elsewhere(self, now: float, pending: Pending) -> None:
        """Forwards to the holder of the lease, once that is known.

        That nobody holds it is believed from memory only for frames that may be stored: others would be lost by it.
        """
        recv_id = pending.recv_id
        route = self._routes.find(now, recv_id)
        if route is not None and (route[0] is not None or pending.policy not in UNSTORED):
            self._forward(route[0], pending)
        elif not self._subscriptions.leases_trusted:
            self._away(pending)
        elif recv_id in self._routing:
            self._routing[recv_id].append(pending)
        else:
            self._routing[recv_id] = [pending]
            self._effects.look_up.append(recv_id)

    def _forward(self, holder: Process | None, pending: Pending) -> None:
        if holder is None or holder in {self._me, pending.tried}:
            self._away(pending)
            return
        pending.stage = LIVE
        reference = self._reference = self._reference + 1
        self._forwards.setdefault(holder, {})[reference] = pending
        self._effects.forward.append(Forward(holder, reference, pending.recv_id, pending.frame_id, pending.frame))

    def _away(self, pending: Pending) -> None:
        """Nobody is there, or nobody answered: the frame's policy decides."""
        if pending.policy == EPHEMERAL:
            pending.stage = DONE
            pending.frame = b""
        elif pending.policy == LIVE_ONLY:
            self._finish(pending, Result.OUTCOME_OFFLINE)
        else:
            pending.stage = STORING
            self._effects.put.append(pending)

    def _finish(self, pending: Pending, outcome: ResultValue, stage: Stage = DONE) -> None:
        """Tells those who wait, and lets go of the frame."""
        pending.stage = stage
        pending.frame = b""
        del self._pending[pending.recv_id + pending.frame_id]
        self.counts[outcome] += 1
        frame_id = pending.frame_id
        for socket in pending.sockets:
            socket.result(frame_id, outcome)
        pending.sockets = []

    # --- what becomes of it ---

    def acknowledged(self, pending: Pending, *, removed: bool = False) -> None:
        """The recipient has it; `removed` where its removal from the store is under way already."""
        if pending.stage is LIVE:
            if pending.policy == EPHEMERAL:
                pending.stage = DONE
                pending.frame = b""
            else:
                self._finish(pending, DELIVERED)
        elif pending.stage is STORING:
            pending.acknowledged = True
        elif pending.stage is STORED:
            pending.stage = DONE
            if not removed:
                self._effects.remove.append(Removal(pending.recv_id, pending.frame_id, 0))

    def undelivered(self, pending: Pending) -> None:
        """The recipient's socket or process has gone."""
        if pending.stage is LIVE:
            self._away(pending)

    def put_done(self, pending: Pending, outcome: PutOutcome | None) -> None:
        """The store's answer; None where there was none, which leaves open what it has done."""
        if pending.acknowledged:
            if outcome is None or outcome == PUT_STORED:
                self._effects.remove.append(Removal(pending.recv_id, pending.frame_id, 0))
            self._finish(pending, DELIVERED)
        elif outcome is None:
            self._finish(pending, UNAVAILABLE, STORED)
        elif outcome == PUT_STORED:
            self._effects.check.append(Stored(pending.recv_id, pending.wake_id, pending.silent))
            self._finish(pending, Result.OUTCOME_STORED, STORED)
        elif outcome == Put.OUTCOME_REFUSED:
            # Deleted a moment ago. The answer waits its time as for a mailbox that never was.
            pending.stage = DONE
            self._refused.append(pending)
        else:
            self._finish(pending, RESULT_OF_PUT.get(outcome, UNAVAILABLE))

    def checked(self, now: float, stored: Stored, holder: Process | None) -> None:
        """The lease as it stands after a commit: its holder is told to read, or the device is woken."""
        self._routes.learn(now, stored.recv_id, holder)
        wake = stored.silent
        if holder is not None and holder != self._me:
            self._effects.poke.append((holder, stored.recv_id))
        elif not self._subscriptions.poke(stored.recv_id):
            wake = True
        if wake and stored.wake_id:
            self._effects.wake.append(stored.wake_id)

    def unchecked(self, stored: Stored) -> None:
        """The lease could not be looked at: everything is done that may help, and the look is taken later."""
        if not self._subscriptions.poke(stored.recv_id):
            self._subscriptions.check_later(stored)
        if stored.wake_id:
            self._effects.wake.append(stored.wake_id)

    def route_found(self, now: float, recv_id: RecvId, holder: Process | None) -> None:
        """The lease of a mailbox, looked up for frames that wait."""
        self._routes.learn(now, recv_id, holder)
        holder = self._routes.reachable(now, holder)
        for pending in self._routing.pop(recv_id, ()):
            if pending.stage is ROUTING and not self._deliver_here(pending):
                self._forward(holder, pending)

    def route_unknown(self, recv_id: RecvId) -> None:
        """The lease could not be looked up."""
        for pending in self._routing.pop(recv_id, ()):
            if pending.stage is ROUTING and not self._deliver_here(pending):
                self._away(pending)

    def forward_answered(self, now: float, holder: Process, reference: int, outcome: ForwardOutcome) -> None:
        """Another process tells what became of a frame. One that has not got the recipient is not asked again."""
        pending = self._forwards.get(holder, {}).pop(reference, None)
        if pending is None:
            return
        if outcome == ACKNOWLEDGED:
            self.acknowledged(pending)
            return
        if outcome == NOT_HERE:
            self._routes.forget(pending.recv_id)
            if pending.stage is LIVE and pending.tried is None:
                pending.tried = holder
                pending.stage = ROUTING
                self._send_elsewhere(now, pending)
                return
        self.undelivered(pending)

    def awaits(self, holder: Process) -> bool:
        """Whether the process still has frames in our care."""
        return bool(self._forwards.get(holder))

    def link_lost(self, now: float, holder: Process) -> None:
        """Another process cannot be reached: what it has of ours counts as undelivered."""
        self._routes.avoid(now, holder)
        for pending in self._forwards.pop(holder, {}).values():
            self._routes.forget(pending.recv_id)
            self.undelivered(pending)

    # --- time ---

    def tick(self, now: float) -> None:
        """Stores what was not acknowledged in time, and answers what was refused."""
        refused = self._refused
        while refused and refused[0].at + self._limits.refusal_seconds <= now:
            self._finish(refused.popleft(), Result.OUTCOME_REFUSED)
        timers = self._timers
        while timers and timers[0][0] <= now:
            pending = timers.popleft()[1]
            if pending.stage is LIVE:
                pending.silent = True
                self._away(pending)
            elif pending.stage is ROUTING:
                self._away(pending)

    def hurry(self) -> None:
        """Stores everything that is on its way, because this process is about to stop."""
        for pending in list(self._pending.values()):
            if pending.stage in {ROUTING, LIVE}:
                self._away(pending)
