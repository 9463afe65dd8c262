"""The relay as a whole: what comes from sockets, peers, the store and the clock, and where it goes."""

from collections import deque
from collections.abc import Iterable

from google.protobuf.message import DecodeError
from handshaker_common.close_codes import Close
from handshaker_common.entropy import Entropy
from handshaker_common.ids import RecvId, SendId, recv_id, verify_ed25519
from handshaker_proto.signaling.v1 import socket_pb2

from handshaker_signaling.domain import limits as sizes
from handshaker_signaling.domain.capabilities import Capabilities, Mailbox, Submission, opens
from handshaker_signaling.domain.connection import (
    ACKNOWLEDGED,
    FULL,
    NOT_HERE,
    Attachment,
    Delivery,
    InboundLink,
    Socket,
)
from handshaker_signaling.domain.effects import Effects, Process
from handshaker_signaling.domain.limits import Limits
from handshaker_signaling.domain.sending import EPHEMERAL, Sending
from handshaker_signaling.domain.subscriptions import Subscriptions

SUBSCRIBE_LABEL = b"handshaker/v1/subscribe"
POLICIES = frozenset(socket_pb2.DeliveryPolicy.values())
Result = socket_pb2.SendResult
State = socket_pb2.SubscriptionEvent


class Relay:
    """One signaling process. `me` is its name in leases; `now` is everywhere a time that never goes back, seconds.

    After each call `effects` holds what is to be done. `subscriptions` and `sending` take the answers of the lease
    store, the frame store and the peers.
    """

    def __init__(self, me: Process, limits: Limits, entropy: Entropy) -> None:
        self.me = me
        self.limits = limits
        self.effects = Effects()
        self.subscriptions = Subscriptions(me, limits, self.effects)
        self.sending = Sending(me, limits, self.effects, self.subscriptions)
        self._capabilities = Capabilities(limits, self.effects)
        self._entropy = entropy
        self._attachments: set[Attachment] = set()
        self._unproven: deque[tuple[Socket, socket_pb2.Subscribe | bytes]] = deque()
        self._deadlines: deque[tuple[float, Socket]] = deque()
        self._refusals: deque[tuple[float, Socket, bytes]] = deque()
        self.draining = False

    # --- gateways and their sockets ---

    def attach(self) -> Attachment:
        """A gateway has come."""
        attachment = Attachment(self.effects, self.limits)
        self._attachments.add(attachment)
        if self.draining:
            attachment.drain()
        return attachment

    def detach(self, attachment: Attachment) -> None:
        """A gateway has gone, with all its sockets."""
        self._attachments.discard(attachment)
        for socket in list(attachment.sockets.values()):
            self._leave(socket)

    def socket_opened(self, now: float, attachment: Attachment, number: int) -> None:
        """A client has connected."""
        socket = attachment.sockets[number] = Socket(attachment, number, self._entropy(sizes.CHALLENGE_BYTES))
        if self.draining:
            self._close(socket, Close.RESTARTING)
            return
        socket.hello()
        self._deadlines.append((now + self.limits.authenticate_seconds, socket))

    def socket_closed(self, attachment: Attachment, number: int) -> None:
        """A client has gone."""
        socket = attachment.sockets.get(number)
        if socket is not None:
            self._leave(socket)

    def _close(self, socket: Socket, why: Close) -> None:
        self._leave(socket)
        socket.close(why)

    def _leave(self, socket: Socket) -> None:
        """Forgets a socket: its subscriptions end, what it has not acknowledged is undelivered."""
        socket.closed = True
        socket.attachment.sockets.pop(socket.number, None)
        for subscription in list(socket.subscriptions.values()):
            self.subscriptions.end(subscription)
        window, socket.window = socket.window, {}
        socket.window_bytes = 0
        for delivery in window.values():
            if delivery.pending is not None:
                self.sending.undelivered(delivery.pending)
            elif delivery.link is not None:
                delivery.link.answer(delivery.reference, NOT_HERE)

    def socket_message(self, now: float, attachment: Attachment, number: int, data: bytes) -> None:
        """A client's message. What is not one, or holds too much, closes the socket."""
        socket = attachment.sockets.get(number)
        if socket is None:
            return
        try:
            message = socket_pb2.ClientMessage.FromString(data)
        except DecodeError:
            self._close(socket, Close.MALFORMED)
            return
        subscribes, unsubscribes = message.subscribe, message.unsubscribe
        sends, acknowledgements = message.send, message.acknowledge
        if (
            len(subscribes) > sizes.MOST_SUBSCRIBES
            or len(unsubscribes) > sizes.MOST_UNSUBSCRIBES
            or len(sends) > sizes.MOST_SENDS
            or len(acknowledgements) > sizes.MOST_ACKNOWLEDGEMENTS
        ):
            self._close(socket, Close.MALFORMED)
            return
        if acknowledgements:
            self._acknowledge(socket, acknowledgements)
        for send in sends:
            self._send(now, socket, send)
        if subscribes or unsubscribes:
            self._queue(socket, list(subscribes), list(unsubscribes))

    # --- receiving ---

    def _queue(self, socket: Socket, subscribes: list[socket_pb2.Subscribe], unsubscribes: list[bytes]) -> None:
        socket.queued += len(subscribes)
        if socket.queued + len(socket.subscriptions) > self.limits.most_subscriptions:
            self._close(socket, Close.TOO_MANY_SUBSCRIPTIONS)
            return
        self._unproven.extend((socket, subscribe) for subscribe in subscribes)
        self._unproven.extend((socket, unsubscribe) for unsubscribe in unsubscribes)
        self.work()

    def work(self) -> None:
        """Checks some signatures; `effects.unfinished` says whether more wait."""
        queue = self._unproven
        left = self.limits.signatures_at_once
        while queue and left:
            socket, item = queue.popleft()
            if isinstance(item, bytes):
                subscription = socket.subscriptions.get(RecvId(item))
                if subscription is not None:
                    self.subscriptions.end(subscription)
            else:
                socket.queued -= 1
                if not socket.closed:
                    left -= 1
                    self._subscribe(socket, item)
        self.effects.unfinished = bool(queue)

    def _subscribe(self, socket: Socket, subscribe: socket_pb2.Subscribe) -> None:
        key = subscribe.recv_public_key
        mailbox = recv_id(key) if len(key) == sizes.KEY_BYTES else RecvId(b"")
        if self.draining:
            socket.event(mailbox, State.STATE_UNAVAILABLE)
        elif mailbox and verify_ed25519(key, subscribe.signature, SUBSCRIBE_LABEL + socket.challenge + key):
            self.subscriptions.begin(mailbox, socket)
        else:
            socket.event(mailbox, State.STATE_REFUSED)
            socket.bad_signatures += 1
            if socket.bad_signatures >= self.limits.most_bad_signatures:
                self._close(socket, Close.UNAUTHENTICATED)

    def _acknowledge(self, socket: Socket, delivery_ids: Iterable[int]) -> None:
        window = socket.window
        for delivery_id in delivery_ids:
            delivery = window.pop(delivery_id, None)
            if delivery is None:
                continue
            socket.window_bytes -= delivery.size
            pending, link = delivery.pending, delivery.link
            in_store = delivery.partition_day != 0
            if pending is not None:
                self.sending.acknowledged(pending, removed=in_store)
            elif link is not None:
                link.answer(delivery.reference, ACKNOWLEDGED)
            else:
                in_store = True
            if in_store:
                self.subscriptions.acknowledged(delivery)
        if socket.starved:
            self.subscriptions.feed(socket)

    # --- sending ---

    def _send(self, now: float, socket: Socket, send: socket_pb2.Send) -> None:
        send_id, send_secret, frame_id, frame = send.send_id, send.send_secret, send.frame_id, send.frame
        policy, ttl_hours = send.policy, send.ttl_hours
        if (
            len(frame) not in sizes.FRAME_SIZES
            or len(frame_id) != sizes.ID_BYTES
            or len(send_id) != sizes.ID_BYTES
            or len(send_secret) != sizes.SECRET_BYTES
            or policy not in POLICIES
            or ttl_hours > sizes.LONGEST_TTL_HOURS
        ):
            socket.result(frame_id[: sizes.ID_BYTES], Result.OUTCOME_MALFORMED)
            return
        if self.draining:
            self._answer(socket, frame_id, policy, Result.OUTCOME_UNAVAILABLE)
            return
        submission = Submission(now, socket, send_secret, frame_id, frame, policy, ttl_hours)
        known = self._capabilities.find(now, send_id)
        if known is not None:
            self._judge(now, submission, known[1])
        elif not self._capabilities.wait(SendId(send_id), submission):
            self._answer(socket, frame_id, policy, Result.OUTCOME_UNAVAILABLE)

    def resolved(self, now: float, send_id: bytes, mailbox: Mailbox | None) -> None:
        """The store's answer about a send id; None where there is no such mailbox."""
        for send in self._capabilities.learn(now, send_id, mailbox):
            self._judge(now, send, mailbox)

    def unresolved(self, send_id: bytes) -> None:
        """The store could not answer."""
        for send in self._capabilities.give_up(send_id):
            self._answer(send.socket, send.frame_id, send.policy, Result.OUTCOME_UNAVAILABLE)

    def _judge(self, now: float, send: Submission, mailbox: Mailbox | None) -> None:
        """Takes a frame into care if its sender may write to the mailbox."""
        if mailbox is not None and opens(mailbox, send.send_secret):
            send.socket.authenticated = True
            self.sending.start(now, mailbox, send)
        elif send.policy != EPHEMERAL:
            self._refusals.append((max(now, send.at + self.limits.refusal_seconds), send.socket, send.frame_id))

    def _answer(self, socket: Socket, frame_id: bytes, policy: int, outcome: Result.Outcome.ValueType) -> None:
        if policy != EPHEMERAL:
            self.sending.counts[outcome] += 1
            socket.result(frame_id, outcome)

    # --- peers ---

    def link(self) -> InboundLink:
        """Another signaling process has linked up."""
        return InboundLink(self.effects)

    def forwarded(self, link: InboundLink, reference: int, mailbox: RecvId, frame_id: bytes, frame: bytes) -> None:
        """Another process believes that the recipient is here."""
        subscription = self.subscriptions.by_mailbox.get(mailbox)
        size = len(frame)
        if subscription is None or self.draining:
            link.answer(reference, NOT_HERE)
        elif not subscription.socket.room_for(size):
            link.answer(reference, FULL)
        else:
            subscription.socket.deliver(Delivery(mailbox, frame_id, size, link=link, reference=reference), frame)

    # --- time ---

    def tick(self, now: float) -> None:
        """To be called every 25 ms or so."""
        self.sending.tick(now)
        self.subscriptions.tick(now)
        refusals = self._refusals
        while refusals and refusals[0][0] <= now:
            _, socket, frame_id = refusals.popleft()
            self._answer(socket, frame_id, 0, Result.OUTCOME_REFUSED)
        deadlines = self._deadlines
        while deadlines and deadlines[0][0] <= now:
            socket = deadlines.popleft()[1]
            if not socket.authenticated and not socket.closed:
                self._close(socket, Close.UNAUTHENTICATED)

    # --- the end ---

    def drain(self) -> None:
        """The process is about to stop: nothing new is taken, everything on its way is stored."""
        self.draining = True
        for attachment in self._attachments:
            attachment.drain()
        self.sending.hurry()

    @property
    def settled(self) -> bool:
        """Whether every sender has its answer."""
        return not len(self.sending) and not self._capabilities.waiting and not self._refusals

    def close_all(self) -> None:
        """Closes every socket; leases are given up."""
        for attachment in self._attachments:
            for socket in list(attachment.sockets.values()):
                self._close(socket, Close.RESTARTING)

    @property
    def sockets(self) -> int:
        """How many clients are connected."""
        return sum(len(attachment.sockets) for attachment in self._attachments)
