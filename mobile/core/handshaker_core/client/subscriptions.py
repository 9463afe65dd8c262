"""Receiving on one connection: which mailboxes are subscribed, what the server says about them, what is acknowledged."""

import asyncio
import random
from collections.abc import Iterable

from handshaker_core.client.core import Core
from handshaker_core.client.unit import Signal, Unit
from handshaker_core.credentials import Mailbox, RecvId
from handshaker_core.net.relay import IncomingFrame, Subscription
from handshaker_core.net.socket import RelayConnection
from handshaker_core.store import mailboxes
from handshaker_core.store.mailboxes import Purpose, State

FIRST_CONTACT_SECONDS = (0.5, 2.0)
"""Frames from strangers are acknowledged so much later, which is longer than a server waits before it stores a frame and
says `stored`: otherwise anybody who holds the address could find out whether this device is on."""

UNAVAILABLE_SECONDS = (1.0, 5.0)
DISPLACED_SECONDS = (20.0, 40.0)


class Subscriptions:
    """The mailboxes of one connection."""

    def __init__(self, core: Core, connection: RelayConnection) -> None:
        self._core = core
        self._connection = connection
        self._subscribed: dict[RecvId, Mailbox] = {}
        self._addresses: set[RecvId] = set()
        self._undrained: set[RecvId] = set()
        self._made_anew: set[RecvId] = set()
        self._late: dict[int, asyncio.TimerHandle] = {}
        self._timers: set[asyncio.TimerHandle] = set()
        self._started = False

    @property
    def drained(self) -> bool:
        """Whether everything that waited on the server when the connection began has been taken."""
        return self._started and not self._undrained

    async def keep(self) -> None:
        """Subscribe to own mailboxes, now and whenever there are new ones; forget those that are closed."""
        signal = self._core.signals[Signal.SUBSCRIPTIONS]
        while True:
            signal.clear()
            active = await self._core.run(lambda u: mailboxes.listed(u.c, State.ACTIVE))
            current = {own.mailbox.recv_id: own for own in active}
            for recv_id in self._subscribed.keys() - current.keys():
                self._connection.unsubscribe(recv_id)
                self._forget(recv_id)
            new = [own for recv_id, own in current.items() if recv_id not in self._subscribed]
            self._subscribe(own.mailbox for own in new)
            self._addresses.update(own.mailbox.recv_id for own in new if own.purpose is Purpose.ADDRESS)
            self._started = True
            await signal.wait()

    def _subscribe(self, boxes: Iterable[Mailbox]) -> None:
        new = list(boxes)
        self._subscribed.update({box.recv_id: box for box in new})
        self._undrained.update(box.recv_id for box in new)
        self._connection.subscribe(new)

    def _forget(self, recv_id: RecvId) -> None:
        self._subscribed.pop(recv_id, None)
        self._undrained.discard(recv_id)

    async def take(self, events: Iterable[tuple[RecvId, Subscription]]) -> None:
        """Take the server's word about subscriptions."""
        for recv_id, state in events:
            mailbox = self._subscribed.get(recv_id)
            if mailbox is None:
                continue
            if state is Subscription.DRAINED:
                self._undrained.discard(recv_id)
            elif state is Subscription.REFUSED:
                await self._make_anew(recv_id)
            elif state is Subscription.UNAVAILABLE:
                self._again(mailbox, UNAVAILABLE_SECONDS)
            elif state is Subscription.DISPLACED:
                self._undrained.discard(recv_id)
                self._again(mailbox, DISPLACED_SECONDS)

    async def _make_anew(self, recv_id: RecvId) -> None:
        """The server does not know the mailbox: it ran out, or a backup was restored. The same keys make it again."""
        self._forget(recv_id)
        if recv_id in self._made_anew:
            return  # once a connection: a server that always refuses must not be paid for ever
        self._made_anew.add(recv_id)

        def mark(u: Unit) -> None:
            mailboxes.set_state(u.c, recv_id, State.MISSING)
            u.mailboxes_changed()

        await self._core.run(mark)

    def _again(self, mailbox: Mailbox, between: tuple[float, float]) -> None:
        def subscribe() -> None:
            if mailbox.recv_id in self._subscribed:
                self._connection.subscribe([mailbox])

        wait = random.SystemRandom().uniform(*between)
        self._timers.add(asyncio.get_running_loop().call_later(wait, subscribe))

    def acknowledge(self, frames: Iterable[IncomingFrame]) -> None:
        """Tell the server what is committed; about strangers' frames later."""
        at_once = []
        for frame in frames:
            if frame.recv_id in self._addresses:
                self._acknowledge_later(frame.delivery_id)
            else:
                at_once.append(frame.delivery_id)
        self._connection.acknowledge(at_once)

    def _acknowledge_later(self, delivery_id: int) -> None:
        def acknowledge() -> None:
            self._late.pop(delivery_id, None)
            self._connection.acknowledge([delivery_id])

        wait = random.SystemRandom().uniform(*FIRST_CONTACT_SECONDS)
        self._late[delivery_id] = asyncio.get_running_loop().call_later(wait, acknowledge)

    def close(self) -> None:
        """The connection ends: what is still to be acknowledged goes out with its last message."""
        for timer in [*self._late.values(), *self._timers]:
            timer.cancel()
        self._connection.acknowledge(list(self._late))
        self._late.clear()
        self._timers.clear()
