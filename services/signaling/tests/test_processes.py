"""Two signaling processes with a real Redis, a real blobstore and a real PostgreSQL."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
from handshaker_common.close_codes import Close
from handshaker_common.redis_client import open_redis
from handshaker_local.embedded import Postgres, Redis
from handshaker_proto.signaling.v1 import socket_pb2
from relay_parties import LARGE, SMALL, Event, Mailbox, Result
from relay_process import Client, GatewayStream, Processes, gateway_to

WAIT_SECONDS = 15


pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class City:
    """Blobstore, two signaling processes, and for each test a gateway's streams to both."""

    processes: Processes
    redis_url: str
    addresses: list[str] = field(default_factory=list)
    streams: list[GatewayStream] = field(default_factory=list)

    @property
    def here(self) -> GatewayStream:
        return self.streams[0]

    @property
    def there(self) -> GatewayStream:
        return self.streams[1]

    async def leases(self) -> set[bytes]:
        client = open_redis(self.redis_url)
        try:
            return {key[-16:] for key in await client.keys("*lease*")}
        finally:
            await client.aclose()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(
    postgres: Postgres, redis_server: Redis, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[City]:
    name = f"signaling_{secrets.token_hex(6)}"
    postgres.create_database(name)
    processes = Processes(tmp_path_factory.mktemp("town"), postgres.dsn(name), redis_server.url)
    city = City(processes, redis_server.url)
    try:
        await processes.start_blobstore()
        city.addresses += await asyncio.gather(*(processes.start_signaling(each) for each in ("one", "two")))
        yield city
    finally:
        await processes.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def city(town: City) -> AsyncIterator[City]:
    async with gateway_to(*town.addresses) as town.streams:
        yield town


async def soon(condition: Callable[[], Awaitable[bool]]) -> None:
    """Waits until it is so."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not await condition():
            await asyncio.sleep(0.02)


def frame_ids(count: int) -> list[bytes]:
    return [secrets.token_bytes(16) for _ in range(count)]


def answered(client: Client, ids: list[bytes]) -> Callable[[], bool]:
    return lambda: {told for told, _ in client.inbox.results} >= set(ids)


async def test_live_frames_cross_processes_without_touching_the_disk(city: City):
    before = await city.processes.ever_stored()
    mailbox = await city.processes.mailbox()
    alice, bob, carol = await city.here.connect(), await city.there.connect(), await city.here.connect()
    other = await city.processes.mailbox()
    bob.acknowledge_all()
    carol.acknowledge_all()
    await bob.subscribe(mailbox)
    await carol.subscribe(other)
    across, local = frame_ids(50), frame_ids(50)
    for position, (far, near) in enumerate(zip(across, local, strict=True)):
        alice.send(mailbox.send(far, size=LARGE if position % 8 == 0 else SMALL), other.send(near))
        if position % 5 == 4:
            await alice.until(answered(alice, across[:position] + local[:position]))
    await alice.until(answered(alice, across + local))
    assert {outcome for _, outcome in alice.inbox.results} == {Result.OUTCOME_DELIVERED}
    assert len(alice.inbox.results) == 100
    assert sorted(bob.inbox.frames()) == sorted(across)
    assert sorted(carol.inbox.frames()) == sorted(local)
    assert await city.processes.ever_stored() == before


async def test_frames_for_somebody_away_are_stored_drained_in_order_and_deleted(city: City):
    mailbox = await city.processes.mailbox()
    alice = await city.here.connect()
    sent = frame_ids(150)
    for frame_id in sent:
        alice.send(mailbox.send(frame_id))
    await alice.until(answered(alice, sent))
    assert {outcome for _, outcome in alice.inbox.results} == {Result.OUTCOME_STORED}
    assert await city.processes.stored(mailbox) == 150
    assert await city.processes.ever_stored() >= 150
    bob = await city.there.connect()
    bob.acknowledge_all()
    await bob.subscribe(mailbox)
    assert bob.inbox.frames() == sent
    assert bob.inbox.states(mailbox) == [Event.STATE_ACTIVE, Event.STATE_DRAINED]

    async def gone() -> bool:
        return await city.processes.stored(mailbox) == 0

    await soon(gone)


async def test_a_subscription_elsewhere_displaces(city: City):
    mailbox = await city.processes.mailbox()
    first, second, alice = await city.here.connect(), await city.there.connect(), await city.here.connect()
    await first.subscribe(mailbox)
    await second.subscribe(mailbox)
    await first.until(lambda: first.inbox.states(mailbox)[-1] == Event.STATE_DISPLACED)
    second.acknowledge_all()
    [frame_id] = frame_ids(1)
    alice.send(mailbox.send(frame_id))
    await alice.until(answered(alice, [frame_id]))
    assert alice.inbox.results == [(frame_id, Result.OUTCOME_DELIVERED)]
    assert (first.inbox.frames(), second.inbox.frames()) == ([], [frame_id])


async def test_an_unknown_mailbox_is_refused_by_the_real_store(city: City):
    bob, unknown = await city.here.connect(), Mailbox()
    assert bob.inbox.challenge is not None
    bob.say(socket_pb2.ClientMessage(subscribe=[unknown.subscribe(bob.inbox.challenge)]))
    await bob.until(lambda: bob.inbox.states(unknown) == [Event.STATE_REFUSED])
    [frame_id] = frame_ids(1)
    bob.send(unknown.send(frame_id))
    await bob.until(answered(bob, [frame_id]))
    assert bob.inbox.results == [(frame_id, Result.OUTCOME_REFUSED)]


async def test_a_socket_that_proves_nothing_is_closed_after_five_seconds(city: City):
    idle = await city.here.connect()
    await idle.until(lambda: idle.inbox.closed is not None)
    assert idle.inbox.closed == Close.UNAUTHENTICATED.value


async def test_nothing_is_lost_when_the_recipient_moves_to_and_fro(city: City):
    mailbox = await city.processes.mailbox()
    alice = await city.here.connect()
    sent = frame_ids(400)
    got: list[bytes] = []

    async def stay(stream: GatewayStream, seconds: float) -> None:
        bob = await stream.connect()
        bob.acknowledge_all()
        await bob.subscribe(mailbox)
        await asyncio.sleep(seconds)
        bob.disconnect()
        got.extend(bob.inbox.frames())

    async def talk() -> None:
        for start in range(0, len(sent), 8):
            alice.send(*(mailbox.send(frame_id) for frame_id in sent[start : start + 8]))
            await alice.until(answered(alice, sent[:start]))

    async def move() -> None:
        while not answered(alice, sent)():
            await stay(city.here, 0.05)
            await stay(city.there, 0.05)

    async with asyncio.timeout(30):
        await asyncio.gather(talk(), move())
    last = await city.there.connect()
    last.acknowledge_all()
    await last.subscribe(mailbox)
    got += last.inbox.frames()
    assert {outcome for _, outcome in alice.inbox.results} <= {Result.OUTCOME_DELIVERED, Result.OUTCOME_STORED}
    assert set(got) == set(sent)


async def test_nothing_promised_is_lost_when_the_recipients_process_is_killed(city: City):
    mailbox = await city.processes.mailbox()
    alice, bob = await city.here.connect(), await city.there.connect()
    bob.acknowledge_all()
    await bob.subscribe(mailbox)
    sent = frame_ids(200)
    for position, frame_id in enumerate(sent):
        alice.send(mailbox.send(frame_id))
        if position == 100:
            await alice.until(lambda: bool(alice.inbox.results))
            city.processes.kill("two")
    await alice.until(answered(alice, sent))
    outcomes = [outcome for _, outcome in alice.inbox.results]
    assert set(outcomes) <= {Result.OUTCOME_DELIVERED, Result.OUTCOME_STORED}
    assert Result.OUTCOME_STORED in outcomes
    again = await city.here.connect()
    again.acknowledge_all()
    await again.subscribe(mailbox)
    assert set(bob.inbox.frames()) | set(again.inbox.frames()) == set(sent)
    city.addresses[1] = await city.processes.start_signaling("two")


async def test_sigterm_settles_everything_closes_the_sockets_and_gives_the_leases_up(city: City):
    mailbox = await city.processes.mailbox()
    alice, bob = await city.here.connect(), await city.here.connect()
    await bob.subscribe(mailbox)
    assert mailbox.recv_id in await city.leases()
    sent = frame_ids(20)
    alice.send(*(mailbox.send(frame_id) for frame_id in sent))
    await bob.until(lambda: len(bob.inbox.deliveries) == 20)
    assert await city.processes.terminate("one") == 0
    await city.here.until(lambda: city.here.ended)
    assert city.here.draining
    assert sorted(alice.inbox.results) == sorted((frame_id, Result.OUTCOME_STORED) for frame_id in sent)
    assert alice.inbox.closed == bob.inbox.closed == Close.RESTARTING.value
    assert mailbox.recv_id not in await city.leases()
    again = await city.there.connect()
    await again.subscribe(mailbox)
    assert again.inbox.frames() == sent
    city.addresses[0] = await city.processes.start_signaling("one")


async def test_messages_flow_without_redis_and_leases_return_with_it(city: City, state_folder: Path):
    redis = Redis(state_folder / f"mortal-{secrets.token_hex(4)}")
    redis.start()
    processes = city.processes
    try:
        names = ("three", "four")
        addresses = await asyncio.gather(*(processes.start_signaling(name, redis.url) for name in names))
        async with gateway_to(*addresses) as (here, there):
            mailbox = await processes.mailbox()
            alice, bob = await here.connect(), await there.connect()
            bob.acknowledge_all()
            await bob.subscribe(mailbox)
            redis.kill()
            sent = frame_ids(5)
            alice.send(*(mailbox.send(frame_id) for frame_id in sent))
            await alice.until(answered(alice, sent))
            assert {outcome for _, outcome in alice.inbox.results} == {Result.OUTCOME_STORED}
            # A subscription while Redis is away makes its process notice, and sweep more often.
            noticing = await there.connect()
            await noticing.subscribe(await processes.mailbox())
            await bob.until(lambda: sorted(bob.inbox.frames()) == sorted(sent))
            redis.start()
            client = open_redis(redis.url)

            async def registered() -> bool:
                return len(await client.keys("*lease*")) == 2

            await soon(registered)
            await client.aclose()

            async def delivered() -> bool:
                [frame_id] = frame_ids(1)
                alice.send(mailbox.send(frame_id))
                await alice.until(answered(alice, [frame_id]))
                return (frame_id, Result.OUTCOME_DELIVERED) in alice.inbox.results

            await soon(delivered)
    finally:
        for name in names:
            processes.kill(name)
        redis.stop()
