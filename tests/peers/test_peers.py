"""The comparison clients against the real servers, and the proof that their counting can fail."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from . import MissingPeer, PeerError, PeerResult, run_mosquitto, run_prosody
from .flow import Flow
from .measure import STORED_PER_PAIR
from .mqtt import Packet, Packets, encode
from .server import find_binary

Run = Callable[..., Coroutine[Any, Any, PeerResult]]
COMMAND = [sys.executable, "-m", "peers", "mosquitto", "--pairs", "1", "--payload", "100"]
FOLDER = Path(__file__).parent.parent


@pytest.mark.parametrize("window", [1, 8])
@pytest.mark.parametrize("run", [run_mosquitto, run_prosody])
def test_live_messages_arrive_once_in_order_and_are_acknowledged(run: Run, window: int) -> None:
    """The run itself fails if a message is lost, doubled, reordered, altered or not acknowledged (see below)."""
    result = uvloop.run(run(pairs=1, window=window, payload=1400, seconds=0.5))
    assert (result.pairs, result.window, result.payload) == (1, window, 1400)
    assert 0.45 <= result.seconds < 5
    assert result.messages > 50
    assert result.rate == pytest.approx(result.messages / result.seconds)
    assert 0 < result.p50_ms <= result.p99_ms < 1000
    assert result.server_cpu_us > 0
    assert result.client_cpu_us > 0


@pytest.mark.parametrize("run", [run_mosquitto, run_prosody])
def test_stored_messages_wait_for_the_receiver(run: Run) -> None:
    """All that was sent while the receiver was offline arrives once, in order, when it is back."""
    result = uvloop.run(run(pairs=2, window=8, payload=1400, seconds=0.5, stored=True))
    assert result.name.endswith("stored")
    assert 50 < result.messages <= 2 * STORED_PER_PAIR
    assert result.server_cpu_us > 0


def test_prosody_with_archive() -> None:
    """mod_mam adds its own elements to each message, which must not disturb the counting."""
    result = uvloop.run(run_prosody(pairs=1, window=8, payload=1400, seconds=0.5, archive=True))
    assert result.messages > 50


def started(*, window: int = 2, stored: bool = False, limit: int | None = None) -> tuple[Flow, list[bytes]]:
    """A flow that has sent its first window, and the list of all it sends."""
    sent: list[bytes] = []
    flow = Flow(window=window, payload=40, stored=stored, limit=limit)
    flow.start(sent.extend)
    return flow, sent


def test_flow_keeps_the_window_full_and_finishes_when_all_is_acknowledged() -> None:
    """A delivery lets the next message go; the end needs both acknowledgements."""
    flow, sent = started(window=2)
    assert [len(body) for body in sent] == [40, 40]
    flow.delivered(sent[0])
    flow.advance()
    assert len(sent) == 3
    flow.stop()
    flow.delivered(sent[1])
    flow.delivered(sent[2])
    flow.advance()
    assert not flow.finished
    flow.sender_acknowledged(3)
    flow.advance()
    assert not flow.finished
    flow.receiver_acknowledged(3)
    flow.advance()
    assert flow.finished
    assert len(sent) == 3
    assert len(flow.latencies) == 3


def test_flow_is_not_finished_before_it_starts() -> None:
    """What a client hears while it logs in must not end the flow."""
    flow = Flow(window=1, payload=40)
    flow.advance()
    assert not flow.finished


def test_stored_flow_sends_on_acknowledgement_up_to_its_limit() -> None:
    """With the receiver offline the server's acknowledgement lets the next message go."""
    flow, sent = started(window=2, stored=True, limit=3)
    flow.sender_acknowledged(2)
    flow.advance()
    assert len(sent) == 3
    flow.sender_acknowledged(3)
    flow.advance()
    assert len(sent) == 3
    assert len(flow.latencies) == 3


@pytest.mark.parametrize("order", [[0, 0], [1], [0, 2], [0, 1, 2]], ids=["doubled", "lost", "gap", "never sent"])
def test_flow_detects(order: list[int]) -> None:
    """Every deviation from exactly once and in order is an error."""
    flow, _ = started(window=2)
    for sequence in order[:-1]:
        flow.delivered(flow.message(sequence))
    with pytest.raises(PeerError, match="lost, doubled, reordered or altered"):
        flow.delivered(flow.message(order[-1]))


def test_flow_detects_an_altered_message_and_an_impossible_acknowledgement() -> None:
    """The content counts, and nobody can acknowledge what was not sent."""
    flow, sent = started(window=1)
    with pytest.raises(PeerError, match="altered"):
        flow.delivered(sent[0][:-1] + b"!")
    with pytest.raises(PeerError, match="acknowledged 2 messages, but 1 were sent"):
        flow.sender_acknowledged(2)


@given(st.lists(st.binary(max_size=300), max_size=5), st.lists(st.integers(0, 1500), max_size=8))
def test_mqtt_packets_survive_any_split_of_the_stream(bodies: list[bytes], cuts: list[int]) -> None:
    """However TCP cuts the stream, the same packets come out."""
    packets = [Packet(0x30 + place, body) for place, body in enumerate(bodies)]
    stream = b"".join(encode(packet.head, packet.body) for packet in packets)
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    parser = Packets()
    assert [packet for start, end in pairwise(edges) for packet in parser.feed(stream[start:end])] == packets


def test_mqtt_length_of_more_than_four_bytes_is_refused() -> None:
    """MQTT 3.1.1 section 2.2.3: at most four bytes of length."""
    with pytest.raises(PeerError, match="malformed length"):
        list(Packets().feed(b"\x30\xff\xff\xff\xff\x01"))


def test_missing_server_is_named_with_its_package() -> None:
    """The sentence says what to install."""
    assert Path(find_binary("mosquitto", "mosquitto")).is_file()
    with pytest.raises(MissingPeer, match="no-such-server is not installed; install the Debian package some-package"):
        find_binary("no-such-server", "some-package")


def test_command_prints_one_json_object() -> None:
    """The benchmark reads this."""
    done = subprocess.run(
        [*COMMAND, "--seconds", "0.3", "--json"], cwd=FOLDER, check=False, capture_output=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert PeerResult(**json.loads(done.stdout)).messages > 50


@pytest.mark.parametrize("end", [psutil.Process.terminate, psutil.Process.kill], ids=["terminated", "killed"])
def test_server_stops_with_the_run(end: Callable[[psutil.Process], None], tmp_path: Path) -> None:
    """Whichever way the run ends, its server ends too."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [*COMMAND, "--seconds", "60"]
    with subprocess.Popen(command, cwd=FOLDER, env=environment, stderr=subprocess.DEVNULL) as child:
        run = psutil.Process(child.pid)
        while not (servers := [process for process in run.children() if process.name() == "mosquitto"]):
            assert child.poll() is None
        end(run)
        assert child.wait(30) != 0
    deadline = time.monotonic() + 30
    while is_alive(servers[0]):
        assert time.monotonic() < deadline
    if end is psutil.Process.terminate:
        assert list(tmp_path.iterdir()) == []


def is_alive(process: psutil.Process) -> bool:
    """Whether it still runs; one that only waits to be collected by its parent does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
