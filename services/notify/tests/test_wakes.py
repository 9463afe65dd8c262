"""From a stored frame's wake id to a device that listens, over real gRPC, PostgreSQL and Mosquitto."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import grpc
import pytest
from handshaker_common import metrics
from handshaker_common.postgres import migrate, open_pool
from handshaker_common.server import Service
from handshaker_common.testing import FakeClock
from handshaker_notify.domain.topics import topic
from handshaker_notify.main import PACKAGE, Notify
from handshaker_notify.settings import NotifySettings
from handshaker_proto.notify.v1 import notify_pb2
from handshaker_proto.notify.v1.notify_pb2_grpc import WakeServiceStub, WakeTargetsServiceStub
from notify_world import PASSWORD, USERNAME, Certificates, Mosquitto, Owner, until


class SteppingClock(FakeClock):
    """Its day stands still, its seconds run as fast as asked for."""

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


class World:
    """A running notify and its clients."""

    def __init__(self, notify: Notify, channel: grpc.aio.Channel, clock: FakeClock) -> None:
        self.notify = notify
        self.clock = clock
        self.targets = WakeTargetsServiceStub(channel)
        self.wakes = WakeServiceStub(channel)
        self.counted = dict.fromkeys(
            ("published", "no_target", "no_transport", "unreadable", "dropped", "expired"), 0.0
        )
        self._before = {name: counted(name) for name in self.counted}

    def count(self, outcome: str) -> float:
        """How many wake-ups had this outcome since the start."""
        return counted(outcome) - self._before.get(outcome, 0)

    async def register(self, owner: Owner | None = None) -> Owner:
        owner = owner or Owner()
        key = (await self.targets.GetSealingKey(notify_pb2.GetSealingKeyRequest())).public_key
        response = await self.targets.PutWakeTarget(owner.put(owner.sealed(key)))
        assert response.WhichOneof("outcome") == "accepted"
        return owner

    async def wake(self, *wake_ids: bytes) -> None:
        call = self.wakes.Wake()
        await call.write(notify_pb2.WakeRequest(wake_ids=wake_ids))
        await call.done_writing()
        await call

    def topic(self, owner: Owner) -> str:
        return topic(owner.topic_key, self.clock.now())


def counted(outcome: str) -> float:
    return metrics.WAKES.labels(outcome)._value.get()


def settings_for(dsn: str, folder: Path, mosquitto: Mosquitto | None, **changes) -> NotifySettings:
    seed, password = folder / "seed", folder / "password"
    seed.write_bytes(bytes(range(32)))
    password.write_text(PASSWORD)
    chosen = {"database_url": dsn, "wake_target_seed_file": seed, "wake_jitter_seconds": 0.01}
    if mosquitto is not None:
        chosen |= {"mqtt_url": f"mqtt://127.0.0.1:{mosquitto.port}", "mqtt_username": USERNAME}
        chosen |= {"mqtt_password_file": password}
    return NotifySettings(**(chosen | changes))


@contextlib.asynccontextmanager
async def running(dsn: str, folder: Path, mosquitto: Mosquitto | None, **changes) -> AsyncIterator[World]:
    settings = settings_for(dsn, folder, mosquitto, **changes)
    clock = SteppingClock()
    pool = await open_pool(dsn, max_size=4)
    await migrate(pool, PACKAGE)
    notify = Notify(pool, settings, clock)
    async with Service("notify", settings) as service:
        notify.add_to(service)
        await service.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
            yield World(notify, channel, clock)
        await service.server.stop(None)
    await pool.close()


async def received(device: aiomqtt.Client, seconds: float = 10) -> aiomqtt.Message:
    return await asyncio.wait_for(anext(device.messages), seconds)


async def test_a_device_is_woken_without_a_word(database: str, tmp_path: Path, mosquitto: Mosquitto) -> None:
    async with running(database, tmp_path, mosquitto) as world:
        owner, other = await world.register(), await world.register()
        async with mosquitto.device(world.topic(owner)) as device, mosquitto.device(world.topic(other)) as bystander:
            await world.wake(owner.wake_id)
            message = await received(device)
            assert (message.payload, message.qos, message.retain) == (bytes(16), 1, False)
            await world.wake(other.wake_id)
            assert (await received(bystander)).payload == bytes(16)


async def test_the_topic_changes_with_the_day(database: str, tmp_path: Path, mosquitto: Mosquitto) -> None:
    async with running(database, tmp_path, mosquitto) as world:
        owner = await world.register()
        today = world.topic(owner)
        world.clock.advance(86_400)
        async with mosquitto.device(today) as yesterdays, mosquitto.device(world.topic(owner)) as todays:
            await world.wake(owner.wake_id)
            assert (await received(todays)).payload == bytes(16)
            with pytest.raises(TimeoutError):
                await received(yesterdays, 0.05)


async def test_many_wakes_are_one_and_what_comes_later_is_another(
    database: str, tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with running(database, tmp_path, mosquitto, wake_interval_seconds=0.5) as world:
        owner = await world.register()
        async with mosquitto.device(world.topic(owner)) as device:
            started = asyncio.get_running_loop().time()
            await world.wake(*[owner.wake_id] * 50)
            await received(device)
            await world.wake(*[owner.wake_id] * 50)
            await received(device)
            assert asyncio.get_running_loop().time() - started >= 0.5
            await until(lambda: world.notify.waker._schedule.next_time is None)
            assert world.count("published") == 2


async def test_unknown_deleted_and_unreadable_targets_are_silence(
    database: str, tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with running(database, tmp_path, mosquitto) as world:
        deleted, unreadable, woken = await world.register(), Owner(), await world.register()
        for _ in range(2):
            response = await world.targets.DeleteWakeTarget(deleted.delete())
            assert response.WhichOneof("outcome") == "deleted"
        response = await world.targets.PutWakeTarget(unreadable.put(os.urandom(1_648)))
        assert response.WhichOneof("outcome") == "accepted"
        async with mosquitto.device(world.topic(woken)) as device:
            await world.wake(os.urandom(16), deleted.wake_id, unreadable.wake_id, woken.wake_id)
            await received(device)
        await until(lambda: world.count("no_target") == 2)
        assert world.count("unreadable") == 1
        assert world.count("published") == 1


async def test_refusals(database: str, tmp_path: Path) -> None:
    async with running(database, tmp_path, None) as world:
        owner = await world.register()
        sealed = os.urandom(1_648)
        forged = owner.put(sealed, 2)
        forged.signature = bytes(64)
        for request in (forged, owner.put(sealed, 1), owner.put(sealed, 0)):
            assert (await world.targets.PutWakeTarget(request)).WhichOneof("outcome") == "refused"
        deletion = owner.delete()
        deletion.signature = bytes(64)
        assert (await world.targets.DeleteWakeTarget(deletion)).WhichOneof("outcome") == "refused"
        assert (await world.targets.PutWakeTarget(owner.put(sealed, 2))).WhichOneof("outcome") == "accepted"
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await world.targets.PutWakeTarget(owner.put(os.urandom(100), 3))
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await world.wake(b"short")
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_the_sealing_key_is_one_for_all_processes_and_names_the_transports(
    database: str, tmp_path: Path, mosquitto: Mosquitto
) -> None:
    answers = []
    for broker in (None, mosquitto):
        async with running(database, tmp_path, broker) as world:
            answers.append(await world.targets.GetSealingKey(notify_pb2.GetSealingKeyRequest()))
    assert answers[0].public_key == answers[1].public_key
    assert len(answers[0].public_key) == 1_216
    assert [list(answer.transports) for answer in answers] == [[], ["mqtt"]]


async def test_without_a_transport_wakes_are_counted(database: str, tmp_path: Path) -> None:
    async with running(database, tmp_path, None) as world:
        owner = await world.register()
        await world.wake(owner.wake_id)
        await until(lambda: world.count("no_transport") == 1)


async def test_wakes_wait_for_a_broker_that_comes_back(database: str, tmp_path: Path, mosquitto: Mosquitto) -> None:
    async with running(database, tmp_path, mosquitto) as world:
        [transport] = world.notify.transports
        owner, later = await world.register(), await world.register()
        await until(lambda: transport.connected)
        mosquitto.kill()
        await until(lambda: not transport.connected)
        await world.wake(owner.wake_id)
        await until(lambda: len(transport._queue) == 1)
        # The device is there before notify: it is told to connect only once somebody listens.
        transport._broker, broker = unreachable(transport._broker), transport._broker
        await asyncio.to_thread(mosquitto.start)
        async with mosquitto.device(world.topic(owner), world.topic(later)) as device:
            transport._broker = broker
            assert (await received(device, 30)).payload == bytes(16)
            await world.wake(later.wake_id)
            assert (await received(device)).payload == bytes(16)


def unreachable(broker):
    return type(broker)("127.0.0.1", 1, None, None, None)


async def test_wakes_wait_for_a_database_that_comes_back(database: str, tmp_path: Path, mosquitto: Mosquitto) -> None:
    async with running(database, tmp_path, mosquitto, wake_interval_seconds=0.2) as world:
        owner = await world.register()
        pool = world.notify.store._pool
        async with mosquitto.device(world.topic(owner)) as device:
            before = counted("put_back")
            await pool.execute("ALTER TABLE wake_targets RENAME TO away")
            await world.wake(owner.wake_id)
            await until(lambda: counted("put_back") > before)
            await pool.execute("ALTER TABLE away RENAME TO wake_targets")
            assert (await received(device)).payload == bytes(16)


async def test_a_broker_is_reached_over_tls_and_only_with_the_right_certificate(
    database: str, tmp_path: Path, state_folder: Path
) -> None:
    certificates = Certificates(state_folder / "mqtts-certificates")
    broker = Mosquitto(state_folder / "mqtts", certificates)
    broker.start()
    try:
        changes = {"mqtt_url": f"mqtts://localhost:{broker.port}"}
        async with running(database, tmp_path, broker, **changes, mqtt_ca_file=certificates.authority) as world:
            owner = await world.register()
            async with broker.device(world.topic(owner)) as device:
                await world.wake(owner.wake_id)
                assert (await received(device)).payload == bytes(16)
        others = Certificates(state_folder / "other-certificates")
        refused = {"mqtt_ca_file": others.authority, "wake_wait_seconds": 0.3}
        async with running(database, tmp_path, broker, **changes, **refused) as world:
            await world.register(owner := Owner())
            await world.wake(owner.wake_id)
            await until(lambda: world.count("expired") == 1)
    finally:
        broker.stop()


async def test_wakes_expire_and_overflow_while_the_broker_is_away(database: str, tmp_path: Path) -> None:
    async with running(
        database, tmp_path, None, mqtt_url="mqtt://127.0.0.1:1", wake_wait_seconds=0.2, wake_queue=2
    ) as world:
        owners = [await world.register() for _ in range(3)]
        await world.wake(*(owner.wake_id for owner in owners))
        await until(lambda: world.count("dropped") == 1)
        await until(lambda: world.count("expired") == 2)


async def test_a_drain_sends_what_waits_and_ends_the_streams(
    database: str, tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with running(database, tmp_path, mosquitto, wake_jitter_seconds=60) as world:
        owner = await world.register()
        async with mosquitto.device(world.topic(owner)) as device:
            call = world.wakes.Wake()
            await call.write(notify_pb2.WakeRequest(wake_ids=[owner.wake_id]))
            await until(lambda: world.notify.waker._schedule.next_time is not None)
            await world.notify.drain()
            assert (await received(device)).payload == bytes(16)
            assert await asyncio.wait_for(call, 5) == notify_pb2.WakeResponse()


async def test_a_target_that_fires_is_used_and_others_expire(
    database: str, tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with running(database, tmp_path, mosquitto, wake_interval_seconds=0) as world:
        used, unused = await world.register(), await world.register()
        world.clock.advance(80 * 86_400)
        async with mosquitto.device(world.topic(used)) as device:
            await world.wake(used.wake_id)
            await received(device)
        await world.notify.maintain()
        world.clock.advance(80 * 86_400)
        await world.notify.maintain()
        found = await world.notify.store.find([used.wake_id, unused.wake_id])
        assert set(found) == {used.wake_id}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"HANDSHAKER_MQTT_URL": "http://127.0.0.1"}, "HANDSHAKER_MQTT_URL: must be mqtt://host"),
        ({"HANDSHAKER_MQTT_URL": "mqtt://me:secret@127.0.0.1"}, "HANDSHAKER_MQTT_URL: must be mqtt://host"),
        ({"HANDSHAKER_MQTT_USERNAME": "notify"}, "HANDSHAKER_MQTT_PASSWORD_FILE"),
        ({"HANDSHAKER_WAKE_TARGET_SEED_FILE": "/nowhere"}, "HANDSHAKER_WAKE_TARGET_SEED_FILE"),
    ],
)
async def test_a_mistake_in_the_settings_is_one_sentence(
    database: str, tmp_path: Path, changes: dict[str, str], sentence: str
) -> None:
    started = await start(settings_for(database, tmp_path, None), changes)
    _, error = await asyncio.wait_for(started.communicate(), 30)
    assert started.returncode == 2
    assert sentence in error.decode()
    assert "secret" not in error.decode()
    assert len(error.decode().splitlines()) == 1


async def test_the_process_wakes_a_device_and_ends_when_told(
    database: str, tmp_path: Path, mosquitto: Mosquitto
) -> None:
    ready = tmp_path / "ready.json"
    started = await start(settings_for(database, tmp_path, mosquitto), {"HANDSHAKER_READY_FILE": str(ready)})
    try:
        await until(ready.exists, 30)
        port = json.loads(await asyncio.to_thread(ready.read_bytes))["grpc"]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            targets, owner = WakeTargetsServiceStub(channel), Owner()
            key = (await targets.GetSealingKey(notify_pb2.GetSealingKeyRequest())).public_key
            await targets.PutWakeTarget(owner.put(owner.sealed(key)))
            now = (await asyncio.to_thread(os.stat, ready)).st_mtime
            async with mosquitto.device(topic(owner.topic_key, now), topic(owner.topic_key, now + 60)) as device:
                call = WakeServiceStub(channel).Wake()
                await call.write(notify_pb2.WakeRequest(wake_ids=[owner.wake_id]))
                assert (await received(device)).payload == bytes(16)
                started.send_signal(signal.SIGTERM)
                assert await asyncio.wait_for(started.wait(), 20) == 0
    finally:
        if started.returncode is None:
            started.kill()
            await started.wait()


async def start(settings: NotifySettings, changes: dict[str, str]) -> asyncio.subprocess.Process:
    """`python -m handshaker_notify` with these settings in its environment."""
    assert settings.database_url is not None
    environment = {
        "HANDSHAKER_DATABASE_URL": settings.database_url.get_secret_value(),
        "HANDSHAKER_WAKE_TARGET_SEED_FILE": str(settings.wake_target_seed_file),
        "HANDSHAKER_WAKE_JITTER_SECONDS": "0",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    if settings.mqtt_url:
        environment |= {
            "HANDSHAKER_MQTT_URL": settings.mqtt_url,
            "HANDSHAKER_MQTT_USERNAME": settings.mqtt_username,
            "HANDSHAKER_MQTT_PASSWORD_FILE": str(settings.mqtt_password_file),
        }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "handshaker_notify",
        env=os.environ | environment | changes,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
