"""Our configuration of a real Mosquitto: exact topics for devices, publishing for notify, nothing for anybody else."""

import asyncio
import contextlib

import aiomqtt
import psutil
import pytest
from notify_world import PASSWORD, USERNAME, Mosquitto

REFUSED = 0x80
TOPIC = "w/an-exact-topic_of_today"


async def subscribe(client: aiomqtt.Client, topic: str) -> int:
    [code] = await client.subscribe(topic, qos=1)
    return int(getattr(code, "value", code))


@pytest.mark.parametrize(
    "wildcard", ["#", "+", "w/#", "w/+", "+/+", "+/#", "+/an-exact-topic_of_today", "w/+/x", "$SYS/#", "$share/g/w/+"]
)
async def test_wildcards_are_refused(mosquitto: Mosquitto, wildcard: str) -> None:
    async with mosquitto.device(TOPIC) as client:  # the positive control: this subscription is granted
        assert await subscribe(client, wildcard) >= REFUSED


@pytest.mark.parametrize("topic", ["w", "x/y", "w/a/b", "", "$SYS/broker/uptime"])
async def test_other_topics_are_refused(mosquitto: Mosquitto, topic: str) -> None:
    async with mosquitto.device() as client:
        if topic:
            assert await subscribe(client, topic) >= REFUSED
        assert await subscribe(client, TOPIC) == 1


async def received(device: aiomqtt.Client, seconds: float = 5) -> aiomqtt.Message:
    return await asyncio.wait_for(anext(device.messages), seconds)


async def test_notify_alone_publishes(mosquitto: Mosquitto) -> None:
    async with mosquitto.device(TOPIC) as device, mosquitto.device() as stranger:
        await stranger.publish(TOPIC, b"forged", qos=1)
        async with aiomqtt.Client("127.0.0.1", mosquitto.port, username=USERNAME, password=PASSWORD) as notify:
            await notify.publish(TOPIC, b"right", qos=1)
            await notify.publish("x/y", b"elsewhere", qos=1)
            message = await received(device)
            assert (message.payload, message.qos, message.retain) == (b"right", 1, False)
            assert await subscribe(notify, "w/#") >= REFUSED


async def test_a_wrong_password_is_refused(mosquitto: Mosquitto) -> None:
    with pytest.raises(aiomqtt.MqttError):
        async with aiomqtt.Client("127.0.0.1", mosquitto.port, username=USERNAME, password="wrong"):
            pass


async def publish(mosquitto: Mosquitto, payload: bytes, *, retain: bool = False) -> None:
    """As notify. The broker may end the connection over what it does not take."""
    with contextlib.suppress(aiomqtt.MqttError):
        async with aiomqtt.Client("127.0.0.1", mosquitto.port, username=USERNAME, password=PASSWORD) as notify:
            await notify.publish(TOPIC, payload, qos=1, retain=retain, timeout=2)


async def test_nothing_large_passes(mosquitto: Mosquitto) -> None:
    async with mosquitto.device(TOPIC) as device:
        await publish(mosquitto, bytes(65))
        await publish(mosquitto, bytes(64))
        assert (await received(device)).payload == bytes(64)


async def test_nothing_is_retained(mosquitto: Mosquitto) -> None:
    await publish(mosquitto, b"old", retain=True)
    async with mosquitto.device(TOPIC) as device:
        await publish(mosquitto, b"new")
        assert (await received(device)).payload == b"new"


async def test_it_listens_on_its_port_alone(mosquitto: Mosquitto) -> None:
    sockets = psutil.Process(mosquitto.pid).net_connections()
    listening = [tuple(each.laddr) for each in sockets if each.status == psutil.CONN_LISTEN]
    assert listening == [("127.0.0.1", mosquitto.port)]


async def test_nothing_of_a_client_is_written_down(mosquitto: Mosquitto) -> None:
    async with mosquitto.device(TOPIC):
        files = {file.name for file in mosquitto.home.iterdir()}
    assert files == {"access.json", "mosquitto.conf", "log"}
    assert TOPIC not in mosquitto.log_path.read_text()
