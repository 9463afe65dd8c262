"""`./dev run` with every real process: what it shows, what ends it, and that it never leaves anything behind."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
from handshaker_local.ports import free_ports
from handshaker_local.services import HOST, KINDS

pytestmark = pytest.mark.timeout(180)
PATIENCE = 120  # seconds; other tests may keep the machine busy


class Run:
    """One `./dev run` in a process of its own."""

    def __init__(self, state: Path, *options: str) -> None:
        command = [sys.executable, "-m", "handshaker_local", "--state", str(state), *options]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        self.said = ""

    def until(self, text: str) -> None:
        """Reads what it says up to a text."""
        assert self.process.stdout is not None
        while text not in self.said:
            line = self.process.stdout.readline()
            assert line, f"it ended without saying {text!r}:\n{self.said}"
            self.said += line

    def family(self) -> list[psutil.Process]:
        """Everything that it has started."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def ends(self) -> int:
        """Waits for its end; the exit status."""
        assert self.process.stdout is not None
        self.said += self.process.stdout.read()
        return self.process.wait(PATIENCE)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="handshaker-", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o711)
        yield Path(made)


@pytest.fixture(scope="module")
def port() -> str:
    return str(free_ports(1, HOST)[0])


@pytest.fixture(scope="module")
def serving(folder: Path, port: str) -> Iterator[Run]:
    """The first run on an empty folder, serving."""
    run = Run(folder / "state", "--port", port)
    run.until("Serving on")
    yield run
    if run.process.poll() is None:
        run.process.kill()
        run.process.wait()


def gone(family: list[psutil.Process]) -> bool:
    """Whether all of them have ended, within some time."""
    deadline = time.monotonic() + 15
    while any(_runs(each) for each in family):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def modules(family: list[psutil.Process]) -> set[str]:
    """The services among some processes."""
    found: set[str] = set()
    for each in family:
        with contextlib.suppress(psutil.NoSuchProcess):  # short-lived, such as psql
            found |= {word for word in each.cmdline() if word.startswith("handshaker_")}
    return found


async def accounts(state: Path) -> int:
    connection = await asyncpg.connect(f"postgresql://postgres@/auth?host={state / 'postgres'}")
    try:
        return await connection.fetchval("SELECT count(*) FROM accounts")
    finally:
        await connection.close()


async def test_it_starts_everything_and_shows_a_message_each_way(serving: Run, folder: Path, port: str):
    for part in ("PostgreSQL", "Redis", "Mosquitto", *(kind.name for kind in KINDS)):
        assert f"  {part} " in serving.said
    assert "bob is offline. alice sent 'Dinner at eight?': stored." in serving.said
    assert "bob came online and read it: delivered." in serving.said
    assert "bob answered 'Eight it is.': delivered." in serving.said
    assert f"Serving on http://{HOST}:{port}" in serving.said
    assert modules(serving.family()) == {kind.module for kind in KINDS}, "each service is a process of its own"
    assert await accounts(folder / "state") == 2


def test_a_second_one_on_the_same_folder_is_turned_away(serving: Run, folder: Path):
    second = Run(folder / "state", "--port", str(free_ports(1, HOST)[0]), "--once")
    assert second.ends() == 1
    assert f"Handshaker is already running in {folder / 'state'} (process {serving.process.pid})" in second.said
    assert serving.process.poll() is None


def test_a_busy_port_is_named_and_nothing_is_started(serving: Run, folder: Path, port: str):
    assert serving.process.poll() is None
    second = Run(folder / "elsewhere", "--port", port, "--once")
    assert second.ends() == 1
    assert second.said.splitlines()[1:] == [f"Port {port} is in use. Choose another with --port."]
    assert not (folder / "elsewhere" / "postgres").exists()


def test_a_killed_child_stops_everything_with_one_sentence(serving: Run):
    family = serving.family()
    keys = next(each for each in family if "handshaker_keys" in each.cmdline())
    keys.kill()
    assert serving.ends() == 1
    assert "\nkeys was ended by SIGKILL; its log is " in serving.said
    assert gone(family)


def test_a_killed_supervisor_leaves_nothing(serving: Run, folder: Path, port: str):
    assert serving.process.poll() is not None
    again = Run(folder / "state", "--port", port)
    again.until("  auth ")
    family = again.family()
    assert modules(family) == {kind.module for kind in KINDS}
    os.kill(again.process.pid, signal.SIGKILL)
    assert gone(family)
    again.process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_the_start_leaves_nothing(folder: Path, port: str, number: signal.Signals):
    run = Run(folder / "state", "--port", port)
    run.until("PostgreSQL")
    family = run.family()
    assert family
    run.process.send_signal(number)
    assert run.ends() == 130
    assert "Everything has stopped." in run.said
    assert "Traceback" not in run.said
    assert gone(family)
    assert not (folder / "state" / "postgres" / "data" / "postmaster.pid").exists(), "PostgreSQL ended cleanly"


async def test_a_second_start_goes_on_with_the_data_and_ctrl_c_is_a_clean_end(serving: Run, folder: Path, port: str):
    assert serving.process.poll() is not None
    again = Run(folder / "state", "--port", port)
    again.until("Serving on")
    assert await accounts(folder / "state") == 4, "two of the first start, two of this one"
    family = again.family()
    again.process.send_signal(signal.SIGINT)
    assert again.ends() == 0
    assert again.said.endswith("Stopping …\nEverything has stopped.\n")
    assert gone(family)


@pytest.mark.parametrize("options", [["--port", "0"], ["--port", "http"], ["--nonsense"]])
def test_wrong_options_say_so(folder: Path, options: list[str]):
    run = Run(folder / "state", *options)
    assert run.ends() == 2
    assert "./dev run: error: " in run.said
