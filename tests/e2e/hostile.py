"""What no decent client does: WebSocket frames made by hand, tokens made up, all on plain sockets."""

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

from handshaker_proto.signaling.v1 import socket_pb2

WEBSOCKET = "/a/v1/ws"
PROTOCOL = "handshaker.v1"
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
PATIENCE = 15  # seconds until a silent server is a failed test


def base64url(data: bytes) -> str:
    """RFC 4648 section 5, without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def forge(header: Mapping[str, Any], claims: Mapping[str, Any] | bytes, signature: bytes) -> str:
    """A JWT of these parts, whatever they are."""
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    return f"{signing_input(header, payload)}.{base64url(signature)}"


def signing_input(header: Mapping[str, Any], payload: bytes) -> str:
    """What the signature of a JWT covers (RFC 7515 section 5.1)."""
    return f"{base64url(json.dumps(header).encode())}.{base64url(payload)}"


@dataclass(frozen=True)
class Head:
    """The status and the header fields of an answer, names in lower case."""

    status: int
    fields: Mapping[str, str]

    @staticmethod
    def parse(data: bytes) -> "Head":
        """The head of an answer as it came."""
        first, *lines = data.decode("latin-1").strip().split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return Head(int(first.split(" ")[1]), fields)


class RawConnection:
    """A TCP connection to a gateway, and nothing more: what is not read stays with the server.

    Not asyncio's streams, which forget what had arrived before a reset.
    """

    def __init__(self, plain: socket.socket, host: str) -> None:
        self.host = host
        self._socket = plain
        self._loop = asyncio.get_running_loop()
        self._read = bytearray()

    @classmethod
    async def open(cls, url: str, *, receive_buffer: int | None = None) -> Self:
        """Connects to the gateway at `url`; `receive_buffer` bounds what the kernel takes in for a slow reader."""
        target = urlsplit(url)
        plain = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer is not None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.setblocking(False)
        await asyncio.get_running_loop().sock_connect(plain, (target.hostname, target.port))
        return cls(plain, target.netloc)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._socket.close()

    async def write(self, data: bytes) -> None:
        """Sends these bytes."""
        await asyncio.wait_for(self._loop.sock_sendall(self._socket, data), PATIENCE)

    async def _more(self) -> bool:
        data = await asyncio.wait_for(self._loop.sock_recv(self._socket, 65_536), PATIENCE)
        self._read += data
        return bool(data)

    async def read(self, size: int) -> bytes:
        """Exactly `size` bytes."""
        while len(self._read) < size:
            assert await self._more(), "the server ended the connection"
        data = bytes(self._read[:size])
        del self._read[:size]
        return data

    async def head(self) -> Head:
        """The head of the next answer."""
        while (end := self._read.find(b"\r\n\r\n")) < 0:
            assert await self._more(), "the server ended the connection"
        return Head.parse(await self.read(end + 4))

    async def rest(self) -> bytes:
        """Everything until the server ends the connection, be it by a reset."""
        with contextlib.suppress(ConnectionResetError):
            while await self._more():
                pass
        return bytes(self._read)


def upgrade(host: str, key: str, fields: Mapping[str, str | None] | None = None, *, verb: str = "GET") -> bytes:
    """A request to upgrade. `fields` add to or replace those of a good one; None leaves one out."""
    good: dict[str, str | None] = {
        "Host": host,
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key,
        "Sec-WebSocket-Protocol": PROTOCOL,
    }
    lines = [f"{name}: {value}" for name, value in (good | dict(fields or {})).items() if value is not None]
    return "\r\n".join([f"{verb} {WEBSOCKET} HTTP/1.1", *lines, "", ""]).encode()


def new_key() -> str:
    """A Sec-WebSocket-Key."""
    return base64.b64encode(os.urandom(16)).decode()


def accept_of(key: str) -> str:
    """The Sec-WebSocket-Accept that belongs to a key."""
    return base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, masked: bool = True, reserved: int = 0) -> bytes:
    """One WebSocket frame (RFC 6455 section 5.2), legal or not."""
    first = (0x80 if fin else 0) | reserved << 4 | opcode
    bit, size = (0x80 if masked else 0), len(payload)
    if size < 126:
        head = struct.pack(">BB", first, bit | size)
    elif size < 65_536:
        head = struct.pack(">BBH", first, bit | 126, size)
    else:
        head = struct.pack(">BBQ", first, bit | 127, size)
    if not masked:
        return head + payload
    mask = os.urandom(4)
    repeated = (mask * (size // 4 + 1))[:size]
    body = (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(size, "big")
    return head + mask + body


class RawSocket(RawConnection):
    """A WebSocket whose every frame the test makes."""

    challenge: bytes = b""

    @classmethod
    async def connect(cls, url: str, *, receive_buffer: int | None = None) -> Self:
        """Connects, upgrades and reads the server's hello."""
        self = await cls.open(url, receive_buffer=receive_buffer)
        key = new_key()
        await self.write(upgrade(self.host, key))
        head = await self.head()
        assert (head.status, head.fields["sec-websocket-accept"]) == (101, accept_of(key))
        opcode, payload = await self.read_frame()
        assert opcode == BINARY
        self.challenge = socket_pb2.ServerMessage.FromString(payload).hello.challenge
        return self

    async def send(self, opcode: int, payload: bytes = b"", **how: Any) -> None:
        """Sends one frame; see `frame`."""
        await self.write(frame(opcode, payload, **how))

    async def say(self, **parts: Any) -> None:
        """Sends a ClientMessage."""
        await self.send(BINARY, socket_pb2.ClientMessage(**parts).SerializeToString())

    async def read_frame(self) -> tuple[int, bytes]:
        """The next frame as (opcode, payload). A server never masks, fragments or uses reserved bits here."""
        first, second = await self.read(2)
        assert first & 0xF0 == 0x80, f"FIN alone is set, not {first:#x}"
        assert second & 0x80 == 0, "a server does not mask"
        size = second & 0x7F
        if size >= 126:
            size = int.from_bytes(await self.read(2 if size == 126 else 8), "big")
        return first & 0x0F, await self.read(size)

    async def message(self) -> socket_pb2.ServerMessage:
        """The next ServerMessage; a close in its place is a failure that names its code."""
        while True:
            opcode, payload = await self.read_frame()
            assert opcode != CLOSE, f"the server closed with {int.from_bytes(payload[:2], 'big')} {payload[2:]!r}"
            if opcode == BINARY:
                return socket_pb2.ServerMessage.FromString(payload)

    async def closed(self) -> tuple[int, str]:
        """Code and reason with which the server closes, whatever it says before; then the end of the connection."""
        while True:
            opcode, payload = await self.read_frame()
            if opcode == CLOSE:
                with contextlib.suppress(ConnectionError):
                    await self.send(CLOSE, payload[:2])
                assert await self.rest() == b"", "nothing follows a close frame"
                return int.from_bytes(payload[:2], "big"), payload[2:].decode()

    async def answers(self) -> bool:
        """Whether the server still serves this connection: it answers a ping."""
        probe = os.urandom(8)
        await self.send(PING, probe)
        while True:
            opcode, payload = await self.read_frame()
            if opcode == CLOSE:
                return False
            if opcode == PONG and payload == probe:
                return True
