"""Targets: what a server or a local process says. Answers, relay messages, addresses as typed, lines on the socket."""

import json

from handshaker_cli.codec import Malformed
from handshaker_cli.errors import BadCall
from handshaker_cli.operations.registry import read_call
from handshaker_cli.operations.results import from_object
from handshaker_cli.rpc.protocol import from_line
from handshaker_core.net.errors import (
    BadProxyAddress,
    BadServerAddress,
    InsecureServer,
    ServerTrouble,
    SocketProtocolError,
)
from handshaker_core.net.http import _parse, problem
from handshaker_core.net.relay import RelayState
from handshaker_core.net.server import ServerAddress, SocksProxy
from handshaker_proto.auth.v1 import auth_pb2
from handshaker_proto.keys.v1 import keys_pb2
from handshaker_proto.signaling.v1 import socket_pb2

from .target import Target, text

HELLO = socket_pb2.ServerMessage(hello={"challenge": bytes(32)}).SerializeToString()
DELIVERY = socket_pb2.ServerMessage(
    delivery=[{"delivery_id": 1, "recv_id": bytes(16), "frame_id": bytes(16), "frame": bytes(64)}],
    result=[{"frame_id": bytes(16), "outcome": 99}],
    subscription=[{"recv_id": bytes(16), "state": 1}],
).SerializeToString()


def relay(data: bytes) -> None:
    """A message of the relay in the middle of a connection."""
    state = RelayState()
    state.receive(HELLO)
    state.receive(data)
    state.next_message()


def answers(data: bytes) -> None:
    for kind in (keys_pb2.FetchedBundle, auth_pb2.Tokens):
        _parse(data, kind)


def refusal(data: bytes) -> None:
    """A body with any error status; it becomes an exception, and is never one itself."""
    for status in (400, 404, 429, 500):
        problem(status, data, text(data[:8]))


def call(data: bytes) -> None:
    """What the serving process does with a line."""
    message = from_line(data)
    arguments = message.get("arguments")
    if isinstance(arguments, dict):
        read_call(str(message.get("command")), arguments)


def result(data: bytes) -> None:
    """What the command line does with a line of the serving process."""
    content = from_line(data).get("result")
    if isinstance(content, dict):
        from_object(content)


def line(content: object) -> bytes:
    return json.dumps(content).encode()


TARGETS = [
    Target(
        "relay-first-message",
        lambda data: RelayState().receive(data),
        (SocketProtocolError,),
        ("net.relay.RelayState.receive",),
        lambda: [HELLO, DELIVERY],
    ),
    Target("relay-message", relay, (SocketProtocolError,), ("net.relay.RelayState.receive",), lambda: [DELIVERY]),
    Target(
        "server-answer",
        answers,
        (ServerTrouble,),
        ("net.http._parse",),
        lambda: [keys_pb2.FetchedBundle(base={"identity_key": bytes(32)}).SerializeToString(), b""],
    ),
    Target(
        "server-refusal",
        refusal,
        (),
        ("net.http.problem",),
        lambda: [
            line({"type": "about:blank", "title": "x", "status": 409, "reason": "username_taken"}),
            b"[]",
            b"null",
        ],
    ),
    Target(
        "server-address",
        lambda data: ServerAddress.parse(text(data)),
        (BadServerAddress, InsecureServer),
        ("net.server.ServerAddress.parse",),
        lambda: [b"chat.example", b"https://chat.example:8443/", b"http://[::1]:8080", b"http://abc.onion"],
    ),
    Target(
        "proxy-address",
        lambda data: SocksProxy.parse(text(data), "word"),
        (BadProxyAddress,),
        ("net.server.SocksProxy.parse",),
        lambda: [b"127.0.0.1:9050", b"socks5h://[::1]:9050"],
    ),
    Target(
        "local-call",
        call,
        (BadCall,),
        ("cli.rpc.protocol.from_line", "cli.operations.registry.read_call", "cli.codec.decode"),
        lambda: [
            line({"id": 1, "command": "send", "arguments": {"to": "alice.42", "text": "hello"}, "route": {}}),
            line({"id": 1, "command": "history", "arguments": {"to": "1", "limit": 3}}),
        ],
    ),
    Target(
        "local-result",
        result,
        (BadCall, Malformed),
        ("cli.rpc.protocol.from_line", "cli.operations.results.from_object", "cli.codec.decode"),
        lambda: [
            line({"id": 1, "result": {"type": "found", "username": "a.42", "safety_number": "0", "contact": None}}),
            line({"id": 1, "error": {"reason": "x", "message": "y", "exit": 3}}),
        ],
    ),
]
