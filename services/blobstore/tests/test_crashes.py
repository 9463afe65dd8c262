"""The whole process against a PostgreSQL that dies, and the process's own start and end."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import grpc
import psutil
import pytest
from blobstore_world import Stores, new_mailbox
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from handshaker_blobstore.domain.frames import Day
from handshaker_blobstore.domain.mailboxes import CREATE_LABEL
from handshaker_common.batching import BatchStream
from handshaker_common.errors import Unavailable
from handshaker_local.embedded import Postgres
from handshaker_proto.blobstore.v1 import frames_pb2, mailboxes_pb2_grpc
from handshaker_proto.blobstore.v1.frames_pb2_grpc import FramesServiceStub
from handshaker_proto.blobstore.v1.mailboxes_pb2 import CreateMailboxRequest

FRAME = os.urandom(2_048)
STORED = frames_pb2.PutFramesResponse.OUTCOME_STORED
START_SECONDS = 30


@pytest.fixture
def mortal_postgres(state_folder: Path) -> Iterator[Postgres]:
    """A PostgreSQL of its own, that the test may kill."""
    server = Postgres(state_folder / "mortal")
    server.start()
    yield server
    server.stop()


@contextlib.asynccontextmanager
async def process(dsn: str, folder: Path, *arguments: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, Path]]:
    """`python -m handshaker_blobstore` and the file that it writes when it is ready."""
    ready = folder / "blobstore-ready.json"
    environment = {"HANDSHAKER_DATABASE_URL": dsn, "HANDSHAKER_READY_FILE": str(ready), "HANDSHAKER_DRAIN_SECONDS": "5"}
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "handshaker_blobstore",
        *arguments,
        env=os.environ | environment | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield started, ready
    finally:
        if started.returncode is None:
            started.kill()
            await started.wait()
        ready.unlink(missing_ok=True)


async def port_of(ready: Path) -> int:
    await until(ready.exists, START_SECONDS)
    port: int = json.loads(await asyncio.to_thread(ready.read_bytes))["grpc"]
    return port


async def kill(server: Postgres) -> None:
    """SIGKILL. Its children notice a moment later; a new server could not start before they are gone."""
    pids = server.pids
    server.kill()
    await until(lambda: not any(psutil.pid_exists(pid) for pid in pids))


class Sender:
    """Signaling's end of PutFrames: keeps putting numbered frames and remembers which were answered as stored."""

    def __init__(self, channel: grpc.aio.Channel, recv_ids: list[bytes]) -> None:
        put = frames_pb2.PutFramesRequest.Put
        self.stored: set[bytes] = set()
        self.unavailable = 0
        self._recv_ids = recv_ids
        self._stream = BatchStream(
            FramesServiceStub(channel).PutFrames,
            lambda batch_id, puts: frames_pb2.PutFramesRequest(batch_id=batch_id, puts=puts),
            lambda response: (response.batch_id, None if response.unavailable else list(response.outcomes)),
        )
        self._put = put

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._stream.run())
            for recv_id in self._recv_ids:
                tasks.create_task(self._send_for_ever(recv_id))

    async def _send_for_ever(self, recv_id: bytes) -> None:
        while True:
            frame_id = os.urandom(16)
            try:
                outcome = await self._stream.ask(
                    self._put(recv_id=recv_id, frame_id=frame_id, frame=FRAME, ttl_hours=48)
                )
            except Unavailable:
                self.unavailable += 1
                await asyncio.sleep(0.01)  # as any client would, not to spin while nobody answers
                continue
            if outcome == STORED:
                self.stored.add(frame_id)


async def until(condition, seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def test_what_was_answered_as_stored_survives_the_death_of_postgres(
    mortal_postgres: Postgres, tmp_path: Path
) -> None:
    """PostgreSQL is killed twice in the middle of puts; blobstore comes back by itself and nothing answered is lost."""
    dsn = mortal_postgres.create_database("blobstore")
    async with process(dsn, tmp_path) as (service, ready):
        port = await port_of(ready)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            recv_ids = [await create(channel) for _ in range(24)]
            sender = Sender(channel, recv_ids)
            sending = asyncio.ensure_future(sender.run())
            for _ in range(2):
                before = len(sender.stored)
                await until(lambda before=before: len(sender.stored) > before + 300)
                failed = sender.unavailable
                await kill(mortal_postgres)
                await until(lambda failed=failed: sender.unavailable > failed + len(recv_ids))
                mortal_postgres.start()
            before = len(sender.stored)
            await until(lambda: len(sender.stored) > before + 300)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            kept = await frame_ids(dsn)
            assert sender.stored <= kept
            assert service.returncode is None


async def create(channel: grpc.aio.Channel) -> bytes:
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    request = CreateMailboxRequest(
        recv_public_key=public,
        send_secret_hash=bytes(32),
        signature=key.sign(CREATE_LABEL + public + bytes(32)),
    )
    response = await mailboxes_pb2_grpc.MailboxesServiceStub(channel).CreateMailbox(request)
    assert response.WhichOneof("outcome") == "created"
    return new_mailbox(key).recv_id


async def frame_ids(dsn: str) -> set[bytes]:
    connection = await asyncpg.connect(dsn)
    try:
        return {row[0] for row in await connection.fetch("SELECT frame_id FROM frames")}
    finally:
        await connection.close()


async def test_a_dead_database_answers_unavailable_and_keeps_the_process_alive(
    mortal_postgres: Postgres, tmp_path: Path
) -> None:
    dsn = mortal_postgres.create_database("unavailable")
    async with process(dsn, tmp_path) as (service, ready):
        port = await port_of(ready)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            recv_id = await create(channel)
            await kill(mortal_postgres)
            stub = FramesServiceStub(channel)
            requests = {
                stub.PutFrames: frames_pb2.PutFramesRequest(
                    puts=[frames_pb2.PutFramesRequest.Put(recv_id=recv_id, frame_id=bytes(16), frame=FRAME)]
                ),
                stub.ReadFrames: frames_pb2.ReadFramesRequest(
                    reads=[frames_pb2.ReadFramesRequest.Read(recv_id=recv_id)]
                ),
                stub.RemoveFrames: frames_pb2.RemoveFramesRequest(
                    removals=[frames_pb2.RemoveFramesRequest.Removal(recv_id=recv_id, frame_id=bytes(16))]
                ),
                stub.ResolveMailboxes: frames_pb2.ResolveMailboxesRequest(send_ids=[recv_id]),
            }
            for method, request in requests.items():
                call = method()
                await call.write(request)
                response = await asyncio.wait_for(call.read(), 10)
                assert response.unavailable
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await create(channel)
            assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
            assert service.returncode is None
            mortal_postgres.start()

            async def works() -> bool:
                call = stub.PutFrames()
                await call.write(next(iter(requests.values())))
                return list((await call.read()).outcomes) == [STORED]

            async with asyncio.timeout(20):
                while not await works():
                    await asyncio.sleep(0.02)


async def test_sigterm_drains_and_writes_down_what_was_used(database: str, tmp_path: Path, stores: Stores) -> None:
    mailbox = await stores.create()  # in the fake clock's year, so the process sees it as long unused or not yet used
    await stores.mailboxes.touch([mailbox.recv_id], Day(0))
    await stores.pool.execute("UPDATE mailboxes SET last_used_day = (SELECT extract(epoch FROM now()) / 86400 - 10)")
    noted = "SELECT last_used_day FROM mailboxes"
    before = await stores.pool.fetchval(noted)
    async with process(database, tmp_path) as (service, ready):
        port = await port_of(ready)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = FramesServiceStub(channel).ReadFrames()
            await call.write(
                frames_pb2.ReadFramesRequest(reads=[frames_pb2.ReadFramesRequest.Read(recv_id=mailbox.recv_id)])
            )
            assert not (await call.read()).unavailable
            assert await stores.pool.fetchval(noted) == before
            service.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(call.read(), 10) is grpc.aio.EOF
            assert await asyncio.wait_for(service.wait(), 20) == 0
    assert await stores.pool.fetchval(noted) >= before + 10


async def test_migrate_only_makes_the_tables_and_ends(database: str, tmp_path: Path) -> None:
    async with process(database, tmp_path, "--migrate-only") as (service, ready):
        assert await asyncio.wait_for(service.wait(), START_SECONDS) == 0
        assert not ready.exists()
    assert await frame_ids(database) == set()
