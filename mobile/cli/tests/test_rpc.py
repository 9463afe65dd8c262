"""One process carries commands out for others: over a real socket, with operations made for the test."""

import asyncio
import contextlib
import json
import socket
import stat
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from handshaker_cli.errors import OtherVersion, RemoteFailure, ServingProcessGone
from handshaker_cli.operations.results import Notice
from handshaker_cli.rpc.client import ServingProcess
from handshaker_cli.rpc.protocol import SOCKET_NAME, Route
from handshaker_cli.rpc.server import Server
from handshaker_core.net.errors import RefusedByServer


@dataclass(frozen=True)
class Count:
    upto: int = 3
    follow: bool = False


class Counter:
    """Counts, and writes down what it knows to have been used."""

    def __init__(self) -> None:
        self.used: list[int] = []
        self.ended = asyncio.Event()
        self.waiting = asyncio.Event()

    async def perform(self, command: str, arguments: Mapping[str, object], route: Route):
        try:
            if command == "refuse":
                raise RefusedByServer("username_taken", 409)
            if command == "break":
                raise ZeroDivisionError("with a secret in it")
            if command == "wait":
                self.waiting.set()
                await asyncio.Event().wait()
            for number in range(int(str(arguments["upto"]))):
                yield Notice("number", str(number))
                self.used.append(number)
        finally:
            self.ended.set()


@contextlib.asynccontextmanager
async def serving(home: Path) -> AsyncIterator[Counter]:
    counter = Counter()
    server = Server(home, "daemon", counter.perform)
    await server.start()
    try:
        yield counter
    finally:
        await server.stop()


async def find(home: Path) -> ServingProcess:
    found = await ServingProcess.find(home)
    assert found is not None
    return found


async def test_results_come_in_order_and_then_the_end(tmp_path):
    async with serving(tmp_path) as counter:
        process = await find(tmp_path)
        assert process.serving == "daemon"
        results = [result async for result in process.perform("count", Count())]
        assert [result.message for result in results] == ["0", "1", "2"]
        assert counter.used == [0, 1, 2]


async def test_a_result_counts_as_used_only_when_the_other_side_has_taken_the_next_step(tmp_path):
    async with serving(tmp_path) as counter:
        process = await find(tmp_path)
        results = process.perform("count", Count())
        await anext(results)
        await anext(results)
        assert counter.used == [0]
        await results.aclose()
        await asyncio.wait_for(counter.ended.wait(), 5)
        assert counter.used == [0]


async def test_an_error_arrives_with_its_reason_sentence_and_exit_code(tmp_path):
    async with serving(tmp_path):
        with pytest.raises(RemoteFailure, match="This username is taken") as caught:
            await anext((await find(tmp_path)).perform("refuse", Count()))
        assert (caught.value.code, caught.value.exit) == ("username_taken", 3)


async def test_a_mistake_of_the_program_ends_one_command_only_and_tells_no_secret(tmp_path):
    async with serving(tmp_path):
        with pytest.raises(RemoteFailure) as caught:
            await anext((await find(tmp_path)).perform("break", Count()))
        assert caught.value.code == "internal"
        assert "secret" not in str(caught.value)
        results = [result async for result in (await find(tmp_path)).perform("count", Count(1))]
        assert len(results) == 1


async def test_leaving_cancels_the_command(tmp_path):
    async with serving(tmp_path) as counter:
        process = await find(tmp_path)
        pending = asyncio.create_task(anext(process.perform("wait", Count())))
        await asyncio.wait_for(counter.waiting.wait(), 5)
        pending.cancel()
        await asyncio.wait([pending])
        await asyncio.wait_for(counter.ended.wait(), 5)


async def test_a_server_that_stops_ends_endless_commands_and_says_so(tmp_path):
    async with serving(tmp_path) as counter:
        pending = asyncio.create_task(anext((await find(tmp_path)).perform("wait", Count(follow=True))))
        await asyncio.wait_for(counter.waiting.wait(), 5)
    with pytest.raises(ServingProcessGone):
        await pending
    assert not (tmp_path / SOCKET_NAME).exists()
    assert await ServingProcess.find(tmp_path) is None


async def test_only_the_owner_can_reach_the_socket(tmp_path):
    async with serving(tmp_path):
        assert stat.S_IMODE((tmp_path / SOCKET_NAME).stat().st_mode) == 0o600


async def test_nobody_there_is_none_also_behind_a_stale_socket(tmp_path):
    assert await ServingProcess.find(tmp_path) is None
    left_behind = socket.socket(socket.AF_UNIX)
    left_behind.bind(str(tmp_path / SOCKET_NAME))
    left_behind.close()
    assert await ServingProcess.find(tmp_path) is None
    async with serving(tmp_path):
        assert await ServingProcess.find(tmp_path) is not None


async def test_a_very_long_path_works(tmp_path):
    home = tmp_path / ("d" * 100) / ("e" * 100)
    home.mkdir(parents=True)
    before = Path.cwd()
    async with serving(home):
        assert len([result async for result in (await find(home)).perform("count", Count(2))]) == 2
    assert Path.cwd() == before


async def test_several_commands_run_at_once_on_one_connection(tmp_path):
    async with serving(tmp_path):
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / SOCKET_NAME))
        assert json.loads(await reader.readline())["handshaker"] == 1
        writer.write(b'{"id": 1, "command": "wait"}\n{"id": 2, "command": "count", "arguments": {"upto": 1}}\n')
        assert json.loads(await reader.readline())["id"] == 2
        writer.write(b'{"id": 2, "next": true}\n')
        assert json.loads(await reader.readline()) == {"id": 2, "done": True}
        writer.write(b'{"id": 1, "cancel": true}\n')
        assert json.loads(await reader.readline()) == {"id": 1, "done": True}
        writer.close()


@pytest.mark.parametrize(
    "line", [b"not JSON\n", b"[1]\n", b'{"command": "count"}\n', b'{"id": "1"}\n', b"[" * 5000 + b"\n"]
)
async def test_a_line_that_is_no_message_gets_an_error_and_harms_nothing(tmp_path, line):
    async with serving(tmp_path):
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / SOCKET_NAME))
        await reader.readline()
        writer.write(line)
        assert json.loads(await reader.readline())["error"]["reason"] == "bad_call"
        writer.write(b'{"id": 1, "command": "count", "arguments": {"upto": 1}}\n')
        assert json.loads(await reader.readline())["result"]["message"] == "0"
        writer.close()


async def test_another_version_is_named_as_such(tmp_path):
    async def later(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'{"handshaker": 2, "process": 1, "serving": "daemon"}\n')

    server = await asyncio.start_unix_server(later, str(tmp_path / SOCKET_NAME))
    async with server:
        with pytest.raises(OtherVersion):
            await ServingProcess.find(tmp_path)
