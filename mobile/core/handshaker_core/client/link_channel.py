"""The way between two devices that are being linked: a temporary mailbox each, and one connection to the relay."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from handshaker_core.client.core import Core
from handshaker_core.credentials import ID_SIZE, FrameId, Mailbox
from handshaker_core.errors import LinkingExpired
from handshaker_core.net.errors import NetworkError, ServerTrouble
from handshaker_core.net.relay import Outcome, OutgoingFrame, Subscription
from handshaker_core.net.socket import RelayConnection, connect
from handshaker_core.protocol.address import SendId, SendSecret

ANSWER_SECONDS = 30.0


class LinkChannel:
    """Sends frames to the other device's mailbox and receives what comes to the own one. One task reads at a time."""

    def __init__(self, core: Core, connection: RelayConnection) -> None:
        self._core = core
        self._connection = connection
        self._arrived: deque[bytes] = deque()
        self._results: dict[FrameId, Outcome] = {}

    async def receive(self) -> bytes:
        """The next frame. Raises: NetworkError."""
        while not self._arrived:
            await self._read()
        return self._arrived.popleft()

    async def send(self, to: tuple[SendId, SendSecret], frame: bytes) -> None:
        """Send a frame, and wait until the server has it.

        Raises:
            LinkingExpired: the other device's mailbox is gone.
            NetworkError.
        """
        frame_id = FrameId(self._core.rng(ID_SIZE))
        self._connection.send([OutgoingFrame(frame_id, to[0], to[1], frame)])
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                while frame_id not in self._results:
                    await self._read()
        except TimeoutError:
            raise ServerTrouble("The server does not answer.") from None
        outcome = self._results.pop(frame_id)
        if outcome in (Outcome.REFUSED, Outcome.MALFORMED):
            raise LinkingExpired(
                "The other device does not listen at this server: the code is too old, was used before, or the two"
                " devices use different servers. Nothing was linked."
            )
        if outcome not in (Outcome.DELIVERED, Outcome.STORED):
            raise ServerTrouble("The server cannot pass messages on at the moment.")

    async def subscribe(self, mailbox: Mailbox) -> None:
        """Start to receive. Raises: NetworkError."""
        self._connection.subscribe([mailbox])
        async with asyncio.timeout(ANSWER_SECONDS):
            await self._read()

    async def _read(self) -> None:
        received = await self._connection.receive()
        self._results.update(received.results)
        self._arrived.extend(incoming.frame for incoming in received.deliveries)
        self._connection.acknowledge([incoming.delivery_id for incoming in received.deliveries])
        refused = (Subscription.REFUSED, Subscription.DISPLACED)
        if any(state in refused for _, state in received.subscriptions):
            raise ServerTrouble("The server has taken the temporary mailbox away.")


@asynccontextmanager
async def open_channel(core: Core, mailbox: Mailbox) -> AsyncIterator[LinkChannel]:
    """A channel over a mailbox that exists for its time only. Raises: NetworkError."""
    await core.api.create_mailbox(mailbox)
    try:
        async with connect(core.server, core.way) as connection:
            channel = LinkChannel(core, connection)
            await channel.subscribe(mailbox)
            yield channel
    finally:
        with suppress(NetworkError):  # it runs out by itself
            await core.api.delete_mailbox(mailbox)
