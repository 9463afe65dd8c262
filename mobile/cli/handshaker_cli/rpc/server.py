"""Carries commands out for other processes."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path
from typing import TypeAlias

from handshaker_cli.codec import Malformed, decode
from handshaker_cli.errors import BadCall
from handshaker_cli.failures import explain
from handshaker_cli.operations.results import Result, to_object
from handshaker_cli.rpc import sockets
from handshaker_cli.rpc.protocol import MAXIMUM_LINE, Route, from_line, greeting, to_line

Perform: TypeAlias = Callable[[str, Mapping[str, object], Route], AsyncGenerator[Result, None]]
"""Starts the named command with arguments that nobody has looked at yet. Raises: BadCall."""

FINISH_SECONDS = 5.0
"""How long commands that are being carried out may take to finish when the server stops."""


class Server:
    """Listens in a directory from `start` to `stop`.

    Args:
        home: the directory, whose store this process holds.
        serving: the command that this process carries out, for the greeting.
        perform: carries commands out.
    """

    def __init__(self, home: Path, serving: str, perform: Perform) -> None:
        self._home = home
        self._serving = serving
        self._perform = perform
        self._connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. Raises: StoreUnusable."""
        listener = sockets.listen(self._home)
        self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=MAXIMUM_LINE)

    async def stop(self) -> None:
        """Take no more commands, let those that are short finish, end the others."""
        if self._server is None:
            return
        self._server.close()
        sockets.remove(self._home)
        connections = list(self._connections)
        await asyncio.gather(*(connection.finish() for connection in connections))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(reader, writer, self._perform)
        self._connections.add(connection)
        try:
            await connection.run(greeting(self._serving))
        except (ConnectionError, asyncio.CancelledError):
            pass  # the other process went away, or this one stops
        finally:
            self._connections.discard(connection)
            writer.close()


class _Connection:
    """One connected process and the commands it has running."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, perform: Perform) -> None:
        self._reader = reader
        self._writer = writer
        self._perform = perform
        self._calls: dict[int, _Call] = {}
        self._task: asyncio.Task[None] | None = None

    async def run(self, hello: Mapping[str, object]) -> None:
        self._task = asyncio.current_task()
        await self._send(hello)
        try:
            while line := await self._read():
                await self._take(line)
        finally:
            for call in self._calls.values():
                call.task.cancel()
            await asyncio.gather(*(call.task for call in self._calls.values()), return_exceptions=True)

    async def finish(self) -> None:
        """Wait a little for commands that end by themselves, then end the connection."""
        tasks = [call.task for call in self._calls.values() if not call.endless]
        if tasks:
            await asyncio.wait(tasks, timeout=FINISH_SECONDS)
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _read(self) -> bytes:
        try:
            return await self._reader.readline()
        except ValueError:  # longer than MAXIMUM_LINE: what follows cannot be told apart any more
            return b""

    async def _take(self, line: bytes) -> None:
        try:
            message = from_line(line)
            call_id = _read_id(message)
        except BadCall as error:
            await self._send_error(None, error)
            return
        call = self._calls.get(call_id)
        if call is None:
            if "command" in message:
                self._start(call_id, message)
        elif message.get("cancel") is True:
            call.cancelled = True
            call.task.cancel()
        elif message.get("next") is True:
            call.wanted.release()

    def _start(self, call_id: int, message: Mapping[str, object]) -> None:
        arguments = message.get("arguments")
        call = self._calls[call_id] = _Call(endless=isinstance(arguments, dict) and bool(arguments.get("follow")))
        call.task = asyncio.create_task(self._carry_out(call_id, call, message))
        call.task.add_done_callback(lambda _: self._calls.pop(call_id, None))

    async def _carry_out(self, call_id: int, call: "_Call", message: Mapping[str, object]) -> None:
        try:
            async with contextlib.aclosing(self._perform(*_read_call(message))) as results:
                await call.wanted.acquire()
                async for result in results:
                    await self._send({"id": call_id, "result": to_object(result)})
                    await call.wanted.acquire()
            await self._send({"id": call_id, "done": True})
        except asyncio.CancelledError:
            # Where this process stops, nothing is said: the closed connection tells that the command did not end.
            if call.cancelled:
                with contextlib.suppress(ConnectionError):
                    await self._send({"id": call_id, "done": True})
            raise
        except ConnectionError:
            pass  # nobody is there to be told
        except Exception as error:  # noqa: BLE001 - one command's mistake must not end the others
            await self._send_error(call_id, error)

    async def _send_error(self, call_id: int | None, error: Exception) -> None:
        failure = explain(error)
        told = {"reason": failure.reason, "message": failure.message, "exit": int(failure.exit)}
        with contextlib.suppress(ConnectionError):
            await self._send({"id": call_id, "error": told})

    async def _send(self, message: Mapping[str, object]) -> None:
        self._writer.write(to_line(message))
        await self._writer.drain()


def _read_id(message: Mapping[str, object]) -> int:
    call_id = message.get("id")
    if type(call_id) is not int:
        raise BadCall("A message on the local socket has no id.")
    return call_id


def _read_call(message: Mapping[str, object]) -> tuple[str, Mapping[str, object], Route]:
    command, arguments, route = message.get("command"), message.get("arguments", {}), message.get("route", {})
    if not isinstance(command, str) or not isinstance(arguments, dict) or not isinstance(route, dict):
        raise BadCall("A command on the local socket needs a name and its arguments.")
    try:
        return command, arguments, decode(Route, route)
    except Malformed as error:
        raise BadCall(f"The route of a command does not fit: {error}") from None


class _Call:
    """A command that is being carried out.

    Attributes:
        task: set once, right after the making.
        endless: it does not end by itself.
        wanted: counts the results that the other side is ready for.
        cancelled: the other side asked for its end.
    """

    task: asyncio.Task[None]

    def __init__(self, *, endless: bool) -> None:
        self.endless = endless
        self.wanted = asyncio.Semaphore(1)
        self.cancelled = False
