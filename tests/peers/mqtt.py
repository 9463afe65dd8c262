"""A small MQTT 3.1.1 client: QoS 1 in both directions over a persistent session (OASIS MQTT 3.1.1, section 3)."""

from collections.abc import Iterator
from typing import NamedTuple, Self

from .connection import Connection
from .flow import Flow
from .result import PeerError

_CONNECT, _CONNACK, _PUBLISH, _PUBACK, _SUBSCRIBE, _SUBACK, _DISCONNECT = 0x10, 0x20, 0x30, 0x40, 0x82, 0x90, 0xE0
_QOS_1 = 0x02
_QOS_MASK = 0x06
_PACKET_IDS = 65535


class Packet(NamedTuple):
    """One control packet: the first byte (type and flags) and all that follows the remaining length."""

    head: int
    body: bytes


def encode(head: int, body: bytes) -> bytes:
    """A control packet with its remaining length (section 2.2.3)."""
    packet, length = bytearray([head]), len(body)
    while length > 127:
        packet.append(length & 127 | 128)
        length >>= 7
    packet.append(length)
    return bytes(packet + body)


def field(text: bytes) -> bytes:
    """A string with its two-byte length (section 1.5.3)."""
    return len(text).to_bytes(2, "big") + text


class Packets:
    """Splits a stream of bytes into control packets."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Packet]:
        """The packets that `data` completes. Raises PeerError at a malformed length."""
        data, at = self._rest + data, 0
        while (bounds := self._bounds(data, at)) is not None:
            start, end = bounds
            yield Packet(data[at], data[start:end])
            at = end
        self._rest = data[at:]

    @staticmethod
    def _bounds(data: bytes, at: int) -> tuple[int, int] | None:
        length = 0
        for place, byte in enumerate(data[at + 1 : at + 5]):
            length |= (byte & 127) << 7 * place
            if byte < 128:
                start = at + 2 + place
                return (start, start + length) if start + length <= len(data) else None
        if len(data) >= at + 5:
            raise PeerError("the server sent an MQTT packet with a malformed length")
        return None


class MqttClient(Connection[Packet]):
    """One end of a pair: publishes to, or is subscribed to, `topic`."""

    def __init__(self, flow: Flow, topic: bytes) -> None:
        super().__init__(flow)
        self._topic = topic
        self._packets = Packets()

    @classmethod
    async def login(cls, port: int, flow: Flow, client_id: bytes, topic: bytes) -> tuple[Self, bool]:
        """Connect with clean_session=0; the flag says whether the server still has the session. Raises PeerError."""
        client = await cls.open(lambda: cls(flow, topic), port)
        protocol_level, flags, keep_alive = b"\x04", b"\x00", b"\x00\x00"
        client.write(encode(_CONNECT, field(b"MQTT") + protocol_level + flags + keep_alive + field(client_id)))
        acknowledge = await client.reply()
        if acknowledge.head != _CONNACK or acknowledge.body[1] != 0:
            raise PeerError(f"the server refused the MQTT connection: {acknowledge}")
        return client, acknowledge.body[0] == 1

    async def subscribe(self) -> None:
        """Subscribe to the topic with QoS 1. Raises PeerError if it is not granted."""
        self.write(encode(_SUBSCRIBE, b"\x00\x01" + field(self._topic) + b"\x01"))
        granted = await self.reply()
        if granted != Packet(_SUBACK, b"\x00\x01\x01"):
            raise PeerError(f"the server refused the MQTT subscription: {granted}")

    def send(self, bodies: list[bytes]) -> None:
        """Publish the flow's next messages with QoS 1, in one write."""
        first, topic = self.flow.sent - len(bodies), field(self._topic)
        self.write(
            b"".join(
                encode(_PUBLISH | _QOS_1, topic + _packet_id(first + place) + body) for place, body in enumerate(bodies)
            )
        )

    def farewell(self) -> bytes:
        """DISCONNECT."""
        return encode(_DISCONNECT, b"")

    def receive(self, data: bytes) -> None:
        """Count messages and acknowledgements, acknowledge all messages of this read in one write, send the next."""
        flow, acknowledgements = self.flow, bytearray()
        for packet in self._packets.feed(data):
            kind = packet.head & 0xF0
            if kind == _PUBLISH:
                acknowledgements += self._deliver(packet)
            elif kind == _PUBACK:
                if packet.body != _packet_id(flow.acknowledged_to_sender):
                    raise PeerError("the server acknowledged messages out of order")
                flow.sender_acknowledged(flow.acknowledged_to_sender + 1)
            else:
                self.replied(packet)
        if acknowledgements:
            self.write(bytes(acknowledgements))
            flow.receiver_acknowledged(flow.received)
        flow.advance()

    def _deliver(self, packet: Packet) -> bytes:
        if packet.head & _QOS_MASK != _QOS_1:
            raise PeerError("the server delivered a message with another QoS than 1")
        end = 2 + int.from_bytes(packet.body[:2], "big")
        self.flow.delivered(packet.body[end + 2 :])
        return b"\x40\x02" + packet.body[end : end + 2]


def _packet_id(index: int) -> bytes:
    """The identifier of the message with this index: never 0, and unique among 65,535 in flight (section 2.3.1)."""
    return (index % _PACKET_IDS + 1).to_bytes(2, "big")
