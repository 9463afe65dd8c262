"""What signaling's settings refuse, and that wake-ups reach notify, now or when it is back."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from handshaker_common.config import load, sentences
from handshaker_common.ids import WakeId
from handshaker_common.testing import free_port
from handshaker_proto.notify.v1 import notify_pb2, notify_pb2_grpc
from handshaker_signaling.settings import SignalingSettings
from handshaker_signaling.wakes import WakeClient
from pydantic import ValidationError

ENOUGH = {"redis_url": "redis://127.0.0.1:6379", "blobstore_target": "127.0.0.1:1"}


def test_settings_that_are_enough():
    settings = SignalingSettings(**ENOUGH)
    assert settings.reached_at(4242) == "127.0.0.1:4242"
    assert SignalingSettings(**ENOUGH, peer_address="10.0.0.7:4000").reached_at(4242) == "10.0.0.7:4000"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"blobstore_target": ""}, "HANDSHAKER_BLOBSTORE_TARGET"),
        ({"peer_address": "nowhere"}, "HANDSHAKER_PEER_ADDRESS"),
        ({"default_ttl_hours": 337}, "HANDSHAKER_DEFAULT_TTL_HOURS"),
    ],
    ids=str,
)
def test_settings_that_cannot_work(change: dict[str, Any], sentence: str):
    with pytest.raises(ValidationError) as caught:
        SignalingSettings(**ENOUGH | change)
    assert len(sentences(caught.value)) == 1
    assert sentence in sentences(caught.value)[0]


def test_a_process_that_listens_everywhere_must_say_where_it_is_reached(tmp_path):
    files = {f"tls_{name}_file": tmp_path / name for name in ("certificate", "key", "ca")}
    for file in files.values():
        file.touch()
    everywhere = ENOUGH | files | {"grpc_listen": "0.0.0.0:4000"}
    with pytest.raises(ValidationError) as caught:
        SignalingSettings(**everywhere)
    assert "HANDSHAKER_PEER_ADDRESS" in sentences(caught.value)[0]
    assert SignalingSettings(**everywhere, peer_address="10.0.0.7:4000").reached_at(4000) == "10.0.0.7:4000"


def test_what_is_not_set_is_said_and_ends_the_process(monkeypatch, capsys):
    for name in ("HANDSHAKER_REDIS_URL", "HANDSHAKER_BLOBSTORE_TARGET"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SystemExit) as ended:
        load(SignalingSettings)
    assert ended.value.code == 2
    errors = capsys.readouterr().err.splitlines()
    assert sorted(errors) == ["HANDSHAKER_BLOBSTORE_TARGET: is not set.", "HANDSHAKER_REDIS_URL: is not set."]


class Bell(notify_pb2_grpc.WakeServiceServicer):
    """Notify's side of the stream, which remembers what it was asked."""

    def __init__(self) -> None:
        self.rung: list[bytes] = []
        self.changed = asyncio.Event()

    async def Wake(self, request_iterator: AsyncIterator[notify_pb2.WakeRequest], context: Any):
        async for request in request_iterator:
            self.rung += request.wake_ids
            self.changed.set()
        return notify_pb2.WakeResponse()


async def test_wake_ups_arrive_once_each_and_again_after_a_restart():
    port = free_port()

    async def serve(bell: Bell) -> grpc.aio.Server:
        server = grpc.aio.server()
        notify_pb2_grpc.add_WakeServiceServicer_to_server(bell, server)
        server.add_insecure_port(f"127.0.0.1:{port}")
        await server.start()
        return server

    first, second = Bell(), Bell()
    server = await serve(first)
    options = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 200)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        client = WakeClient(channel)
        running = asyncio.create_task(client.run())
        one, two, three = (WakeId(secrets.token_bytes(16)) for _ in range(3))
        client.wake([one, two, one])
        await asyncio.wait_for(first.changed.wait(), 10)
        assert first.rung == [one, two]
        await server.stop(None)
        server = await serve(second)
        async with asyncio.timeout(10):
            while not second.changed.is_set():
                client.wake([three])
                await asyncio.sleep(0.05)
        assert set(second.rung) == {three}
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await server.stop(None)


async def test_without_notify_nobody_is_woken_and_nothing_piles_up():
    client = WakeClient(None)
    client.wake([WakeId(bytes(16))])
    await client.run()
