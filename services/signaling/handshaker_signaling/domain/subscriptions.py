"""Who receives for which mailbox here: claiming the lease, reading what is stored, sweeping, being displaced.

Nothing stored is missed, because a subscriber first claims the lease and then reads, while whoever stores first
commits and then looks at the lease: one of the two sees the other. Where leases cannot be trusted, the sweep finds it.
"""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from handshaker_common.ids import RecvId
from handshaker_proto.blobstore.v1 import frames_pb2
from handshaker_proto.signaling.v1 import socket_pb2

from handshaker_signaling.domain.connection import Delivery, Socket
from handshaker_signaling.domain.effects import Effects, LeaseKind, LeaseRequest, Process, Removal, Stored
from handshaker_signaling.domain.limits import Limits
from handshaker_signaling.domain.ring import Ring

State = socket_pb2.SubscriptionEvent


class Subscription:
    """One mailbox received on one socket.

    `cursor` is the sequence number up to which the store has been read. It returns to 0 whenever a reading is done:
    sequence numbers become visible in the order of commits, not in their own, and what was acknowledged is gone.
    """

    __slots__ = (
        "active",
        "again",
        "claimed",
        "cursor",
        "drained",
        "ended",
        "reading",
        "recv_id",
        "removing",
        "socket",
        "starved",
    )

    def __init__(self, recv_id: RecvId, socket: Socket) -> None:
        self.recv_id = recv_id
        self.socket = socket
        self.cursor = 0
        self.active = False  # the client has been told so
        self.drained = False  # the client has been told so
        self.ended = False
        self.claimed = False  # the lease was ours when we last heard of it
        self.reading = False  # a page is on its way
        self.again = False  # something was stored meanwhile: read once more
        self.starved = False  # waits in its socket's `starved` for room in the window
        self.removing: set[bytes] = set()  # acknowledged, but perhaps still in the store


class Read(NamedTuple):
    """A page to read: frames after `after`, at most `limit` of them."""

    subscription: Subscription
    after: int
    limit: int


class Subscriptions:
    """All subscriptions of this process, at most one for a mailbox."""

    __slots__ = ("_effects", "_limits", "_me", "_renewals", "_sweeps", "_unchecked", "by_mailbox", "leases_trusted")

    def __init__(self, me: Process, limits: Limits, effects: Effects) -> None:
        self._me = me
        self._limits = limits
        self._effects = effects
        self._renewals = Ring()
        self._sweeps = Ring()
        # Stored while leases could not be looked at; what falls out of it is found by the holder's sweep.
        self._unchecked: deque[Stored] = deque(maxlen=limits.most_unchecked)
        self.by_mailbox: dict[bytes, Subscription] = {}
        self.leases_trusted = True

    def begin(self, recv_id: RecvId, socket: Socket) -> None:
        """Subscribes a socket whose right to receive has been proven; displaces whoever was subscribed here."""
        old = self.by_mailbox.get(recv_id)
        if old is not None:
            self._forget(old)
            if old.socket is not socket:
                old.socket.event(recv_id, State.STATE_DISPLACED)
        subscription = Subscription(recv_id, socket)
        self.by_mailbox[recv_id] = socket.subscriptions[recv_id] = subscription
        self._renewals.add(subscription)
        self._sweeps.add(subscription)
        self._effects.leases.append(LeaseRequest(LeaseKind.CLAIM, recv_id, subscription))

    def end(self, subscription: Subscription) -> None:
        """Ends a subscription and gives its lease up."""
        if not subscription.ended:
            self._forget(subscription)
            self._effects.leases.append(LeaseRequest(LeaseKind.RELEASE, subscription.recv_id, None))

    def _forget(self, subscription: Subscription) -> None:
        subscription.ended = True
        self._renewals.discard(subscription)
        self._sweeps.discard(subscription)
        del self.by_mailbox[subscription.recv_id]
        del subscription.socket.subscriptions[subscription.recv_id]

    # --- leases ---

    def lease_answered(self, request: LeaseRequest, holder: Process | None) -> None:
        """Takes the answer to a request: the holder before a CLAIM, after a RENEW, or found by a CHECK."""
        subscription = request.subscription
        if subscription is None or subscription.ended:
            return
        if request.kind is LeaseKind.CLAIM:
            subscription.claimed = True
            if holder is not None and holder != self._me:
                self._effects.displace.append((holder, subscription.recv_id))
            if subscription.active:
                self.poke(subscription.recv_id)
            else:
                self._read(subscription)
        elif holder == self._me:
            subscription.claimed = True
        elif holder is not None:
            self._forget(subscription)
            subscription.socket.event(subscription.recv_id, State.STATE_DISPLACED)

    def lease_unanswered(self, request: LeaseRequest) -> None:
        """Redis could not be asked: the subscription goes on without its lease."""
        subscription = request.subscription
        if subscription is None or subscription.ended:
            return
        if request.kind is LeaseKind.CLAIM and not subscription.active:
            self._read(subscription)

    def leases_lost(self) -> None:
        """Redis does not answer."""
        self.leases_trusted = False

    def leases_back(self) -> None:
        """Redis answers again, perhaps with nothing left in it: every lease is taken or renewed at once.

        So do the others; whoever holds what was stored meanwhile is told when the leases are looked at again.
        """
        self.leases_trusted = True
        for subscription in self._renewals.all():
            self._renew(subscription)
        self._effects.check.extend(self._unchecked)
        self._unchecked.clear()

    def check_later(self, stored: Stored) -> None:
        """Something was stored, and the lease could not be looked at."""
        self._unchecked.append(stored)

    def _renew(self, subscription: Subscription) -> None:
        kind = LeaseKind.RENEW if subscription.claimed else LeaseKind.CLAIM
        self._effects.leases.append(LeaseRequest(kind, subscription.recv_id, subscription))

    def suspect(self, recv_ids: Iterable[bytes]) -> None:
        """Another process says that it has taken these leases over; the leases themselves decide."""
        for recv_id in recv_ids:
            subscription = self.by_mailbox.get(recv_id)
            if subscription is not None:
                self._effects.leases.append(LeaseRequest(LeaseKind.CHECK, subscription.recv_id, subscription))

    # --- stored frames ---

    def poke(self, recv_id: bytes) -> bool:
        """Something was stored for the mailbox; whether it is subscribed here."""
        subscription = self.by_mailbox.get(recv_id)
        if subscription is None:
            return False
        if subscription.reading or subscription.starved or not subscription.active:
            subscription.again = True
        else:
            self._read(subscription)
        return True

    def _read(self, subscription: Subscription) -> None:
        """Asks for the next page, or waits for room in the window first."""
        if subscription.reading:
            subscription.again = True
            return
        socket = subscription.socket
        room = self._room(socket)
        if room <= 0 and subscription.active:
            self._starve(subscription)
            return
        limit = max(1, min(self._limits.page_frames, room))
        if subscription.cursor == 0:
            # A reading from the beginning meets again what is in the window already.
            limit += sum(delivery.recv_id == subscription.recv_id for delivery in socket.window.values())
        subscription.reading = True
        socket.reads += 1
        self._effects.read.append(Read(subscription, subscription.cursor, limit))

    def _room(self, socket: Socket) -> int:
        """Frames that the window would take if every page that is on its way came full."""
        limits = self._limits
        room = min(limits.window_deliveries - len(socket.window), (limits.window_bytes - socket.window_bytes) // 2_048)
        return room - socket.reads * limits.page_frames

    def _starve(self, subscription: Subscription) -> None:
        subscription.starved = True
        subscription.socket.starved.append(subscription)

    def page_read(self, subscription: Subscription, page: frames_pb2.ReadFramesResponse.Page | None) -> None:
        """Takes a page of stored frames; None where the store could not answer."""
        subscription.reading = False
        subscription.socket.reads -= 1
        if not subscription.ended:
            self._take_page(subscription, page)
        if subscription.socket.starved:
            self.feed(subscription.socket)

    def _take_page(self, subscription: Subscription, page: frames_pb2.ReadFramesResponse.Page | None) -> None:
        socket, recv_id = subscription.socket, subscription.recv_id
        if page is None or page.unknown:
            self._page_missing(subscription, unknown=page is not None)
            return
        if not subscription.active:
            subscription.active = True
            socket.authenticated = True
            socket.event(recv_id, State.STATE_ACTIVE)
        if not self._deliver_page(subscription, page):
            self._starve(subscription)
        elif page.more and page.frames:
            self._read(subscription)
        else:
            self._page_was_last(subscription)

    def _page_missing(self, subscription: Subscription, *, unknown: bool) -> None:
        """There is no such mailbox, or the store could not be asked; the sweep asks again for what is active."""
        if subscription.active and not unknown:
            return
        if not unknown:
            # Whether there is such a mailbox is not the client's fault to be unknown.
            subscription.socket.authenticated = True
        self.end(subscription)
        state = State.STATE_REFUSED if unknown else State.STATE_UNAVAILABLE
        subscription.socket.event(subscription.recv_id, state)

    def _deliver_page(self, subscription: Subscription, page: frames_pb2.ReadFramesResponse.Page) -> bool:
        """Delivers what is not on its way already; False where the window was full before the end."""
        socket, recv_id = subscription.socket, subscription.recv_id
        on_its_way = {d.frame_id: d for d in socket.window.values() if d.recv_id == recv_id}
        for stored in page.frames:
            frame_id = stored.frame_id
            delivery = on_its_way.get(frame_id)
            if delivery is not None:
                delivery.partition_day = stored.partition_day
            elif frame_id not in subscription.removing:
                frame = stored.frame
                if not socket.room_for(len(frame)):
                    return False
                day = stored.partition_day
                socket.deliver(Delivery(recv_id, frame_id, len(frame), partition_day=day), frame)
            subscription.cursor = stored.sequence
        return True

    def _page_was_last(self, subscription: Subscription) -> None:
        subscription.cursor = 0
        if not subscription.drained:
            subscription.drained = True
            subscription.socket.event(subscription.recv_id, State.STATE_DRAINED)
        if subscription.again:
            subscription.again = False
            self._read(subscription)

    def feed(self, socket: Socket) -> None:
        """Goes on reading for a socket whose window has room again."""
        limits = self._limits
        if len(socket.window) > limits.low_water_deliveries or socket.window_bytes > limits.low_water_bytes:
            return
        while socket.starved and self._room(socket) > 0:
            subscription = socket.starved.popleft()
            subscription.starved = False
            if not subscription.ended:
                self._read(subscription)

    def acknowledged(self, delivery: Delivery) -> None:
        """A frame that lies in the store has arrived: it is removed."""
        subscription = self.by_mailbox.get(delivery.recv_id)
        if subscription is not None:
            subscription.removing.add(delivery.frame_id)
        self._effects.remove.append(Removal(delivery.recv_id, delivery.frame_id, delivery.partition_day))

    def removed(self, removals: Iterable[Removal]) -> None:
        """The store has removed these, or could not: a frame that is met again is delivered and removed again."""
        for removal in removals:
            subscription = self.by_mailbox.get(removal.recv_id)
            if subscription is not None:
                subscription.removing.discard(removal.frame_id)

    # --- time ---

    def tick(self, now: float) -> None:
        """Renews leases and sweeps the store, each subscription in its turn."""
        limits = self._limits
        if self.leases_trusted:
            for subscription in self._renewals.due(now, limits.renew_seconds):
                self._renew(subscription)
        period = limits.sweep_seconds if self.leases_trusted else limits.sweep_without_leases_seconds
        for subscription in self._sweeps.due(now, period):
            if subscription.active and not subscription.reading and not subscription.starved:
                self._read(subscription)
