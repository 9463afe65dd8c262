"""Has commands carried out by the process that serves an account's directory."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Self

from handshaker_cli.codec import Flat, Malformed, encode
from handshaker_cli.errors import BadCall, OtherVersion, RemoteFailure, ServingProcessGone
from handshaker_cli.operations.results import Result, from_object
from handshaker_cli.rpc import sockets
from handshaker_cli.rpc.protocol import ANY_ROUTE, MAXIMUM_LINE, VERSION, Route, from_line, to_line

_CALL_ID = 1


class ServingProcess:
    """A connection to the serving process, for one command. Made by `find`.

    Attributes:
        process: its process id.
        serving: the command that it carries out, like `daemon`.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, process: int, serving: str
    ) -> None:
        self._reader = reader
        self._writer = writer
        self.process = process
        self.serving = serving

    @classmethod
    async def find(cls, home: Path) -> Self | None:
        """The process that serves the directory, if there is one.

        Raises:
            OtherVersion: it speaks another version of the protocol.
        """
        connected = sockets.connect(home)
        if connected is None:
            return None
        reader, writer = await asyncio.open_unix_connection(sock=connected, limit=MAXIMUM_LINE)
        try:
            line = await reader.readline()
        except ConnectionError:
            line = b""
        if not line:
            writer.close()
            return None  # it was just stopping
        try:
            hello = from_line(line)
        except BadCall:
            hello = {}
        process, serving = hello.get("process"), hello.get("serving")
        if hello.get("handshaker") != VERSION or type(process) is not int or not isinstance(serving, str):
            writer.close()
            raise OtherVersion
        return cls(reader, writer, process=process, serving=serving)

    async def perform(self, command: str, arguments: Flat, route: Route = ANY_ROUTE) -> AsyncGenerator[Result, None]:
        """Have the command carried out; the connection serves no other one afterwards.

        Raises:
            RemoteFailure: what went wrong there.
            ServingProcessGone: it stopped in the middle.
        """
        try:
            call = {"id": _CALL_ID, "command": command, "arguments": encode(arguments), "route": encode(route)}
            await self._send(call)
            while True:
                message = await self._receive()
                if "done" in message:
                    return
                if "error" in message:
                    raise _failure(message["error"])
                yield _result(message.get("result"))
                await self._send({"id": _CALL_ID, "next": True})
        except ConnectionError:
            raise ServingProcessGone from None
        finally:
            self.close()

    def close(self) -> None:
        """Leave; a command that is being carried out is cancelled."""
        self._writer.close()

    async def _send(self, message: dict[str, object]) -> None:
        self._writer.write(to_line(message))
        await self._writer.drain()

    async def _receive(self) -> dict[str, object]:
        line = await self._reader.readline()
        if not line:
            raise ServingProcessGone
        return from_line(line)


def _failure(content: object) -> RemoteFailure:
    if isinstance(content, dict):
        reason, message, exit_code = (content.get(key) for key in ("reason", "message", "exit"))
        if isinstance(reason, str) and isinstance(message, str) and type(exit_code) is int:
            return RemoteFailure(reason, message, exit_code)
    raise OtherVersion


def _result(content: object) -> Result:
    if isinstance(content, dict):
        with contextlib.suppress(Malformed):
            return from_object(content)
    raise OtherVersion
