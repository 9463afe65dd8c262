"""The methods over real gRPC, with every interceptor, and a real PostgreSQL."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator

import grpc
import pytest
import pytest_asyncio
from blobstore_world import new_mailbox
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from handshaker_blobstore.domain.mailboxes import CREATE_LABEL, DELETE_LABEL
from handshaker_blobstore.main import PACKAGE, Blobstore
from handshaker_blobstore.settings import BlobstoreSettings
from handshaker_blobstore.store.database import QUEUE_PLANS
from handshaker_common.postgres import migrate, open_pool
from handshaker_common.server import Service
from handshaker_common.testing import FakeClock
from handshaker_proto.blobstore.v1 import frames_pb2, mailboxes_pb2
from handshaker_proto.blobstore.v1.frames_pb2_grpc import FramesServiceStub
from handshaker_proto.blobstore.v1.mailboxes_pb2_grpc import MailboxesServiceStub

STORED = frames_pb2.PutFramesResponse.OUTCOME_STORED
QUOTA = frames_pb2.PutFramesResponse.OUTCOME_QUOTA
REFUSED = frames_pb2.PutFramesResponse.OUTCOME_REFUSED
NO_RETENTION = frames_pb2.PutFramesResponse.OUTCOME_NO_RETENTION
FRAME = os.urandom(2_048)


class World:
    """A running blobstore and its two clients."""

    def __init__(self, blobstore: Blobstore, channel: grpc.aio.Channel) -> None:
        self.blobstore = blobstore
        self.mailboxes = MailboxesServiceStub(channel)
        self.frames = FramesServiceStub(channel)

    async def create(self, key: Ed25519PrivateKey | None = None):
        key = key or Ed25519PrivateKey.generate()
        public, secret_hash = key.public_key().public_bytes_raw(), bytes(32)
        signature = key.sign(CREATE_LABEL + public + secret_hash)
        request = mailboxes_pb2.CreateMailboxRequest(
            recv_public_key=public, send_secret_hash=secret_hash, signature=signature
        )
        response = await self.mailboxes.CreateMailbox(request)
        assert response.WhichOneof("outcome") == "created"
        return new_mailbox(key)


@contextlib.asynccontextmanager
async def running(dsn: str, clock: FakeClock, **settings) -> AsyncIterator[World]:
    chosen = BlobstoreSettings(database_url=dsn, **settings)
    pool = await open_pool(dsn, max_size=8, settings=QUEUE_PLANS)
    await migrate(pool, PACKAGE)
    blobstore = Blobstore(pool, chosen, clock)
    async with Service("blobstore", chosen) as service:
        blobstore.add_to(service.server)
        service.add_task(blobstore.frames.run())
        await blobstore.maintain()
        await service.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
            yield World(blobstore, channel)
        await service.server.stop(None)
    await pool.close()


@pytest_asyncio.fixture
async def world(database: str, clock: FakeClock) -> AsyncIterator[World]:
    async with running(database, clock) as started:
        yield started


def put_request(batch_id: int, *recv_ids: bytes, frame: bytes = FRAME, **changes) -> frames_pb2.PutFramesRequest:
    return frames_pb2.PutFramesRequest(
        batch_id=batch_id,
        puts=[
            frames_pb2.PutFramesRequest.Put(
                **{"recv_id": recv_id, "frame_id": os.urandom(16), "frame": frame, "ttl_hours": 24} | changes
            )
            for recv_id in recv_ids
        ],
    )


async def ask(call, request):
    await call.write(request)
    return await call.read()


async def read_all(world: World, recv_id: bytes):
    call = world.frames.ReadFrames()
    read = frames_pb2.ReadFramesRequest.Read
    frames = []
    while True:
        after = frames[-1].sequence if frames else 0
        request = frames_pb2.ReadFramesRequest(batch_id=1, reads=[read(recv_id=recv_id, after=after)])
        [page] = (await ask(call, request)).pages
        frames += page.frames
        if not page.more:
            await call.done_writing()
            return frames


async def test_a_mailbox_from_creation_to_deletion(world: World) -> None:
    key = Ed25519PrivateKey.generate()
    mailbox = await world.create(key)
    resolve = world.frames.ResolveMailboxes()
    request = frames_pb2.ResolveMailboxesRequest(batch_id=9, send_ids=[os.urandom(16), mailbox.send_id])
    response = await ask(resolve, request)
    assert response.batch_id == 9
    assert [found.recv_id for found in response.mailboxes] == [b"", mailbox.recv_id]
    assert response.mailboxes[1].send_secret_hash == mailbox.send_secret_hash

    puts = world.frames.PutFrames()
    response = await ask(puts, put_request(7, mailbox.recv_id, os.urandom(16), mailbox.recv_id))
    assert (response.batch_id, list(response.outcomes)) == (7, [STORED, REFUSED, STORED])

    frames = await read_all(world, mailbox.recv_id)
    assert [frame.frame for frame in frames] == [FRAME] * 2
    removal = frames_pb2.RemoveFramesRequest.Removal(
        recv_id=mailbox.recv_id, frame_id=frames[0].frame_id, partition_day=frames[0].partition_day
    )
    removed = await ask(world.frames.RemoveFrames(), frames_pb2.RemoveFramesRequest(batch_id=3, removals=[removal]))
    assert (removed.batch_id, removed.unavailable) == (3, False)
    assert [frame.frame_id for frame in await read_all(world, mailbox.recv_id)] == [frames[1].frame_id]

    public = key.public_key().public_bytes_raw()
    delete = mailboxes_pb2.DeleteMailboxRequest(recv_public_key=public, signature=key.sign(DELETE_LABEL + public))
    for _ in range(2):
        assert (await world.mailboxes.DeleteMailbox(delete)).WhichOneof("outcome") == "deleted"
    assert await read_all(world, mailbox.recv_id) == []
    assert list((await ask(puts, put_request(8, mailbox.recv_id))).outcomes) == [REFUSED]


async def test_bad_signatures_and_different_mailboxes_are_refused_alike(world: World) -> None:
    key = Ed25519PrivateKey.generate()
    mailbox = await world.create(key)
    public = key.public_key().public_bytes_raw()
    other = bytes([1]) * 32
    requests = [
        mailboxes_pb2.CreateMailboxRequest(recv_public_key=public, send_secret_hash=other, signature=bytes(64)),
        mailboxes_pb2.CreateMailboxRequest(
            recv_public_key=public, send_secret_hash=other, signature=key.sign(CREATE_LABEL + public + other)
        ),
    ]
    answers = [await world.mailboxes.CreateMailbox(request) for request in requests]
    assert [answer.WhichOneof("outcome") for answer in answers] == ["refused", "refused"]
    forged = mailboxes_pb2.DeleteMailboxRequest(recv_public_key=public, signature=bytes(64))
    assert (await world.mailboxes.DeleteMailbox(forged)).WhichOneof("outcome") == "refused"
    found = await ask(
        world.frames.ResolveMailboxes(), frames_pb2.ResolveMailboxesRequest(batch_id=1, send_ids=[mailbox.send_id])
    )
    assert found.mailboxes[0].recv_id == mailbox.recv_id


async def test_batches_in_flight_are_answered_under_their_own_ids(world: World) -> None:
    mailboxes = [await world.create() for _ in range(4)]
    calls = [world.frames.PutFrames() for _ in range(3)]

    async def use(call) -> None:
        for batch_id in range(20):
            recv_ids = [mailboxes[(batch_id + place) % 4].recv_id for place in range(batch_id % 5 + 1)]
            await call.write(put_request(batch_id, *recv_ids))
        await call.done_writing()
        answers = {answer.batch_id: list(answer.outcomes) async for answer in call}
        assert answers == {batch_id: [STORED] * (batch_id % 5 + 1) for batch_id in range(20)}

    await asyncio.gather(*(use(call) for call in calls))
    assert sum([len(await read_all(world, mailbox.recv_id)) for mailbox in mailboxes]) == 3 * 60


@pytest.mark.parametrize(
    "request_",
    [
        put_request(1),
        put_request(1, b"short"),
        put_request(1, bytes(16), frame=bytes(2_047)),
        put_request(1, bytes(16), frame_id=bytes(17)),
        put_request(1, *[bytes(16)] * 513),
        frames_pb2.ReadFramesRequest(reads=[frames_pb2.ReadFramesRequest.Read(recv_id=b"short")]),
        frames_pb2.ReadFramesRequest(reads=[frames_pb2.ReadFramesRequest.Read(recv_id=bytes(16), after=2**63)]),
        frames_pb2.RemoveFramesRequest(removals=[frames_pb2.RemoveFramesRequest.Removal(recv_id=bytes(16))]),
        frames_pb2.RemoveFramesRequest(
            removals=[
                frames_pb2.RemoveFramesRequest.Removal(recv_id=bytes(16), frame_id=bytes(16), partition_day=2**31)
            ]
        ),
        frames_pb2.ResolveMailboxesRequest(send_ids=[bytes(32)]),
    ],
    ids=lambda request: type(request).__name__,
)
async def test_a_malformed_batch_ends_its_stream_and_no_other(world: World, request_) -> None:
    mailbox = await world.create()
    healthy = world.frames.PutFrames()
    method = type(request_).__name__.removesuffix("Request")
    call = getattr(world.frames, method)()
    await call.write(request_)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await asyncio.wait_for(call.read(), 10)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert list((await ask(healthy, put_request(1, mailbox.recv_id))).outcomes) == [STORED]


async def test_ttl_hours_outside_the_range_become_the_nearest(world: World) -> None:
    mailbox = await world.create()
    call = world.frames.PutFrames()
    for ttl_hours in (0, 100_000):
        outcome = await ask(call, put_request(1, mailbox.recv_id, ttl_hours=ttl_hours))
        assert list(outcome.outcomes) == [STORED]
    assert len(await read_all(world, mailbox.recv_id)) == 2


async def test_a_page_carries_32_frames_and_says_more(world: World) -> None:
    mailbox = await world.create()
    call = world.frames.PutFrames()
    await ask(call, put_request(1, *[mailbox.recv_id] * 40, frame=os.urandom(16_384)))
    read = frames_pb2.ReadFramesRequest.Read(recv_id=mailbox.recv_id, limit=1_000)
    [page] = (await ask(world.frames.ReadFrames(), frames_pb2.ReadFramesRequest(reads=[read]))).pages
    assert (len(page.frames), page.more) == (32, True)
    assert len(await read_all(world, mailbox.recv_id)) == 40


async def test_many_readers_share_one_answer_and_each_gets_on(world: World) -> None:
    mailbox = await world.create()
    await ask(world.frames.PutFrames(), put_request(1, *[mailbox.recv_id] * 3))
    read = frames_pb2.ReadFramesRequest.Read(recv_id=mailbox.recv_id)
    response = await ask(world.frames.ReadFrames(), frames_pb2.ReadFramesRequest(reads=[read] * 512))
    assert all((len(page.frames), page.more) == (1, True) for page in response.pages)


async def test_the_quota_setting_holds(database: str, clock: FakeClock) -> None:
    async with running(database, clock, mailbox_quota=2) as world:
        mailbox = await world.create()
        response = await ask(world.frames.PutFrames(), put_request(1, *[mailbox.recv_id] * 3))
        assert list(response.outcomes) == [STORED, STORED, QUOTA]


async def test_without_retention_nothing_is_stored(database: str, clock: FakeClock) -> None:
    async with running(database, clock, no_retention=True) as world:
        mailbox = await world.create()
        response = await ask(world.frames.PutFrames(), put_request(1, mailbox.recv_id))
        assert list(response.outcomes) == [NO_RETENTION]
        assert await read_all(world, mailbox.recv_id) == []


async def test_a_drain_answers_what_was_read_and_ends_the_streams(world: World) -> None:
    mailbox = await world.create()
    calls = [world.frames.PutFrames() for _ in range(3)]
    for call in calls:
        await ask(call, put_request(1, mailbox.recv_id))
        await call.write(put_request(2, mailbox.recv_id))
    await asyncio.wait_for(world.blobstore.drain(), 10)
    answered = 0
    for call in calls:
        while (response := await asyncio.wait_for(call.read(), 10)) is not grpc.aio.EOF:
            answered += len(response.outcomes)
        assert await call.code() == grpc.StatusCode.OK
    assert len(await read_all_directly(world, mailbox.recv_id)) == 3 + answered


async def read_all_directly(world: World, recv_id: bytes) -> list:
    return await world.blobstore._mailbox_store._pool.fetch("SELECT FROM frames WHERE recv_id = $1", recv_id)


async def test_a_caller_that_goes_away_harms_nobody(world: World) -> None:
    mailbox = await world.create()
    gone = world.frames.PutFrames()
    await gone.write(put_request(1, *[mailbox.recv_id] * 100))
    gone.cancel()
    call = world.frames.PutFrames()
    assert list((await ask(call, put_request(2, mailbox.recv_id))).outcomes) == [STORED]
    assert len(await read_all(world, mailbox.recv_id)) in {1, 101}


async def test_unused_mailboxes_go_and_used_ones_stay(world: World, clock: FakeClock) -> None:
    unused, written, read = [await world.create() for _ in range(3)]
    call = world.frames.PutFrames()
    for _ in range(2):
        clock.advance(60 * 86_400)
        await world.blobstore.maintain()
        assert list((await ask(call, put_request(1, written.recv_id))).outcomes) == [STORED]
        await read_all(world, read.recv_id)
        await world.blobstore.write_uses()
    await world.blobstore.maintain()
    request = frames_pb2.ResolveMailboxesRequest(send_ids=[unused.send_id, written.send_id, read.send_id])
    found = await ask(world.frames.ResolveMailboxes(), request)
    assert [each.recv_id for each in found.mailboxes] == [b"", written.recv_id, read.recv_id]


async def test_readiness_needs_the_partitions_of_today(world: World, clock: FakeClock) -> None:
    assert await world.blobstore.is_up()
    clock.advance(86_400)
    assert await world.blobstore.is_up(), "a day's margin"
    clock.advance(86_400)
    assert not await world.blobstore.is_up()
    await world.blobstore.maintain()
    assert await world.blobstore.is_up()
