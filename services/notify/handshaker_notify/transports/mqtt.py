"""Wake-ups over MQTT: sixteen zero bytes on a topic that changes every day."""

import asyncio
import random
import ssl
from collections import deque
from dataclasses import dataclass

import aiomqtt
from handshaker_common import metrics
from handshaker_common.clock import Clock
from handshaker_common.log import get_logger, where
from handshaker_proto.notify.v1 import notify_pb2

from handshaker_notify.domain.topics import topic

PAYLOAD = bytes(16)
# More than ten calls in flight make the library complain.
MOST_AT_ONCE = 10
PUBLISH_SECONDS = 5.0
FIRST_BACKOFF_SECONDS = 0.2
LONGEST_BACKOFF_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker listens and how to log in; `tls` None for a connection on loopback."""

    host: str
    port: int
    username: str | None
    password: str | None
    tls: ssl.SSLContext | None


class MqttTransport:
    """Publishes with QoS 1, not retained. While the broker is away wake-ups wait for a short time, then they expire."""

    name = "mqtt"

    def __init__(self, broker: Broker, clock: Clock, *, wait_seconds: float, most_waiting: int) -> None:
        self._broker = broker
        self._clock = clock
        self._wait_seconds = wait_seconds
        self._most_waiting = most_waiting
        # Until when each is worth sending, and its topic key.
        self._queue: deque[tuple[float, bytes]] = deque()
        self._filled = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self.connected = False

    def send(self, target: notify_pb2.WakeTarget) -> None:
        """Queues a wake-up, or drops and counts it when too many wait."""
        if len(self._queue) >= self._most_waiting:
            metrics.WAKES.labels("dropped").inc()
            return
        self._queue.append((self._clock.monotonic() + self._wait_seconds, target.mqtt.topic_key))
        self._empty.clear()
        self._filled.set()

    async def flush(self) -> None:
        """Waits until everything is published, or has expired."""
        await self._empty.wait()

    async def run(self) -> None:
        """Keeps connected, with backoff."""
        backoff = FIRST_BACKOFF_SECONDS
        while True:
            try:
                async with self._client() as client:
                    get_logger().info("connected to the MQTT broker")
                    self.connected, backoff = True, FIRST_BACKOFF_SECONDS
                    await self._publish_for_ever(client)
            except (aiomqtt.MqttError, OSError) as error:
                if self.connected or backoff == FIRST_BACKOFF_SECONDS:
                    get_logger().warning("the MQTT broker does not answer", **where(error))
            finally:
                self.connected = False
            self._drop_expired()
            await asyncio.sleep(backoff * random.uniform(0.5, 1))  # noqa: S311 - spreads reconnects, guards nothing
            backoff = min(2 * backoff, LONGEST_BACKOFF_SECONDS)

    def _client(self) -> aiomqtt.Client:
        return aiomqtt.Client(
            self._broker.host,
            self._broker.port,
            username=self._broker.username,
            password=self._broker.password,
            tls_context=self._broker.tls,
            timeout=PUBLISH_SECONDS,
            keepalive=15,
        )

    async def _publish_for_ever(self, client: aiomqtt.Client) -> None:
        """Publishes what is queued. What was not confirmed when the connection broke is published again."""
        # Reading messages, of which there are none, is how the library tells that the connection broke.
        broken = asyncio.ensure_future(anext(client.messages))
        try:
            while True:
                self._drop_expired()
                if not self._queue:
                    self._filled.clear()
                    filled = asyncio.ensure_future(self._filled.wait())
                    await asyncio.wait([filled, broken], return_when=asyncio.FIRST_COMPLETED)
                    filled.cancel()
                    if broken.done():
                        broken.result()
                    continue
                await self._publish(client)
        finally:
            broken.cancel()

    async def _publish(self, client: aiomqtt.Client) -> None:
        batch = [self._queue.popleft() for _ in range(min(len(self._queue), MOST_AT_ONCE))]
        today = self._clock.now()
        results = await asyncio.gather(
            *(client.publish(topic(key, today), PAYLOAD, qos=1, retain=False) for _, key in batch),
            return_exceptions=True,
        )
        failures = [result for result in results if result is not None]
        metrics.WAKES.labels("published").inc(len(batch) - len(failures))
        unconfirmed = [wake for wake, result in zip(batch, results, strict=True) if result is not None]
        self._queue.extendleft(reversed(unconfirmed))
        if failures:
            raise failures[0]
        self._note_empty()

    def _drop_expired(self) -> None:
        now = self._clock.monotonic()
        while self._queue and self._queue[0][0] <= now:
            self._queue.popleft()
            metrics.WAKES.labels("expired").inc()
        self._note_empty()

    def _note_empty(self) -> None:
        if not self._queue:
            self._empty.set()
