"""Natural batching and streams of packed batches, against a real gRPC server that can be stopped."""

import asyncio

import grpc
import pytest
from handshaker_common.batching import Batcher, BatchStream, Overloaded
from handshaker_common.errors import Unavailable
from handshaker_common.testing import free_port
from handshaker_proto.blobstore.v1 import frames_pb2, frames_pb2_grpc


async def test_what_waits_goes_together_and_in_order():
    batches, release = [], asyncio.Event()

    async def send(batch):
        batches.append(batch)
        await release.wait()

    batcher = Batcher(send, max_items=4)
    task = asyncio.ensure_future(batcher.run())
    batcher.add(0)
    while not batches:
        await asyncio.sleep(0)
    for number in range(1, 10):
        batcher.add(number)
    assert batcher.waiting == 9
    release.set()
    while batcher.waiting or len(batches) < 4:
        await asyncio.sleep(0)
    task.cancel()
    assert batches == [[0], [1, 2, 3, 4], [5, 6, 7, 8], [9]]


async def test_a_full_batcher_says_so_and_loses_nothing():
    async def never(batch):
        await asyncio.Event().wait()

    batcher = Batcher(never, max_waiting=2)
    batcher.add(1)
    batcher.add(2)
    with pytest.raises(Overloaded):
        batcher.add(3)
    assert batcher.take_all() == [1, 2]


class Frames(frames_pb2_grpc.FramesServiceServicer):
    """Resolves an id to itself; holds answers back, or answers `unavailable`, as the test asks."""

    def __init__(self):
        self.hold = asyncio.Event()
        self.hold.set()
        self.unavailable = False
        self.batches = 0

    async def ResolveMailboxes(self, request_iterator, context):
        async for request in request_iterator:
            self.batches += 1
            await self.hold.wait()
            response = frames_pb2.ResolveMailboxesResponse(batch_id=request.batch_id, unavailable=self.unavailable)
            if not self.unavailable:
                response.mailboxes.extend(
                    frames_pb2.ResolveMailboxesResponse.Mailbox(recv_id=send_id) for send_id in request.send_ids
                )
            yield response


async def start(frames, port):
    server = grpc.aio.server()
    frames_pb2_grpc.add_FramesServiceServicer_to_server(frames, server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    return server


@pytest.fixture
async def stream():
    port, frames = free_port(), Frames()
    servers = [await start(frames, port)]
    options = [("grpc.max_reconnect_backoff_ms", 100), ("grpc.initial_reconnect_backoff_ms", 50)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        stub = frames_pb2_grpc.FramesServiceStub(channel)
        batches = BatchStream(
            stub.ResolveMailboxes,
            lambda batch_id, items: frames_pb2.ResolveMailboxesRequest(batch_id=batch_id, send_ids=items),
            lambda answer: (answer.batch_id, None if answer.unavailable else list(answer.mailboxes)),
        )
        task = asyncio.ensure_future(batches.run())
        yield batches, frames, servers, port
        task.cancel()
        for server in servers:
            await server.stop(None)


async def test_each_gets_its_own_answer_and_few_writes_are_needed(stream):
    batches, frames, _, _ = stream
    names = [b"%d" % number for number in range(200)]
    answers = await asyncio.gather(*(batches.ask(name) for name in names))
    assert [answer.recv_id for answer in answers] == names
    assert frames.batches < 100


async def test_an_unavailable_batch_fails_its_items_only(stream):
    batches, frames, _, _ = stream
    assert (await batches.ask(b"a")).recv_id == b"a"
    frames.unavailable = True
    with pytest.raises(Unavailable):
        await batches.ask(b"b")
    frames.unavailable = False
    assert (await batches.ask(b"c")).recv_id == b"c"


async def test_a_broken_stream_answers_all_and_comes_back(stream):
    batches, frames, servers, port = stream
    frames.hold.clear()
    waiting = asyncio.gather(*(batches.ask(b"%d" % number) for number in range(20)), return_exceptions=True)
    while not frames.batches:
        await asyncio.sleep(0.001)
    await servers.pop().stop(None)
    assert all(isinstance(answer, Unavailable) for answer in await waiting)
    frames.hold.set()
    servers.append(await start(frames, port))
    async with asyncio.timeout(10):
        while True:
            try:
                answer = await batches.ask(b"again")
                break
            except Unavailable:
                continue
    assert answer.recv_id == b"again"


@pytest.mark.parametrize("turns", range(12))
async def test_cancelling_ends_it_at_whatever_moment(turns):
    class Broken:
        """A stream that breaks at once, so that `run` is always opening and closing one."""

        def __aiter__(self):
            return self

        async def __anext__(self):
            raise StopAsyncIteration

        def cancel(self):
            pass

    batches = BatchStream(Broken, lambda batch_id, items: items, lambda response: response)
    running = asyncio.ensure_future(batches.run())
    for _ in range(turns):
        await asyncio.sleep(0)
    running.cancel()
    done, _ = await asyncio.wait([running], timeout=1)
    assert running in done
