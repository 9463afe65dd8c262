"""Mosquitto under load: MQTT 3.1.1, QoS 1, persistent sessions, persistence on."""

import os
from pathlib import Path

from .flow import Flow
from .measure import measure
from .mqtt import MqttClient
from .result import PeerResult
from .server import running

_CONFIGURATION = """\
listener {port} 127.0.0.1
allow_anonymous true
set_tcp_nodelay true
persistence true
persistence_location {folder}/
# Mosquitto acknowledges from memory and writes all of it to disk from time to time: the shortest time it knows.
autosave_interval 1
# Nothing may be dropped or held back: the load bounds what is queued, 256 in flight is what our own relay allows.
max_inflight_messages 256
max_queued_messages 0
log_type error
log_type warning
"""


class _Clients:
    def __init__(self, port: int) -> None:
        self._port = port

    async def sender(self, pair: int, flow: Flow) -> MqttClient:
        client, _ = await MqttClient.login(self._port, flow, b"sender-%d" % pair, b"pair/%d" % pair)
        return client

    async def receiver(self, pair: int, flow: Flow) -> MqttClient:
        client, has_session = await MqttClient.login(self._port, flow, b"receiver-%d" % pair, b"pair/%d" % pair)
        if not has_session:
            await client.subscribe()
        return client


def _configure(folder: Path, port: int) -> list[str]:
    # As root, Mosquitto would change to a user who may not write into our folder.
    user = "user root\n" if os.geteuid() == 0 else ""
    (folder / "mosquitto.conf").write_text(_CONFIGURATION.format(port=port, folder=folder) + user)
    return ["-c", str(folder / "mosquitto.conf")]


async def run_mosquitto(*, pairs: int, window: int, payload: int, seconds: float, stored: bool = False) -> PeerResult:
    """Run the load against a Mosquitto of our own. `payload` is in bytes; see `measure` for live and `stored`.

    Raises MissingPeer if Mosquitto is not installed, PeerError if a message is lost, doubled or not acknowledged.
    """
    async with running("mosquitto", "mosquitto", _configure) as server:
        return await measure(
            "mosquitto stored" if stored else "mosquitto",
            server,
            _Clients(server.port),
            pairs=pairs,
            window=window,
            payload=payload,
            seconds=seconds,
            stored=stored,
        )
