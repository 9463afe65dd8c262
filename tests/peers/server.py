"""The other server as a child process: started for one run, stopped with it."""

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from .result import MissingPeer, PeerError

_START_SECONDS = 15.0
_STOP_SECONDS = 5.0


@dataclass(frozen=True)
class Server:
    """A running server: its loopback port and its process."""

    port: int
    process: psutil.Process

    def cpu_seconds(self) -> float:
        """User plus system CPU seconds of all its processes so far."""
        times = [process.cpu_times() for process in [self.process, *self.process.children(recursive=True)]]
        return sum(t.user + t.system for t in times)


def find_binary(name: str, package: str) -> str:
    """The path of the program `name`. Raises MissingPeer, naming the Debian `package` to install."""
    path = shutil.which(name, path=os.environ.get("PATH", os.defpath) + os.pathsep + "/usr/sbin:/usr/bin")
    if path is None:
        raise MissingPeer(f"{name} is not installed; install the Debian package {package} (apt-get install {package}).")
    return path


@asynccontextmanager
async def running(name: str, package: str, configure: Callable[[Path, int], list[str]]) -> AsyncIterator[Server]:
    """Run the server `name` with its data in a new temporary folder, until the block ends.

    `configure(folder, port)` writes the configuration and returns the arguments of the program. Raises MissingPeer if
    the program is not installed and PeerError, with the end of what it printed, if it does not start.
    """
    binary = find_binary(name, package)
    # setpriv lets the kernel stop the server even if this process is killed before it can do so itself.
    setpriv = find_binary("setpriv", "util-linux")
    with tempfile.TemporaryDirectory(prefix=f"{name}-", ignore_cleanup_errors=True) as temporary:
        folder, port = Path(temporary), _free_port()
        arguments = configure(folder, port)
        child = _start([setpriv, "--pdeathsig", "KILL", binary, *arguments], folder)
        try:
            await _wait_for_port(name, child, port, folder / "output")
            yield Server(port, psutil.Process(child.pid))
        finally:
            _stop(child)


def _start(command: list[str], folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "output").open("wb") as output:
        return subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _wait_for_port(name: str, child: subprocess.Popen[bytes], port: int, output: Path) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _START_SECONDS
    while True:
        if child.poll() is not None:
            raise PeerError(f"{name} ended at once (status {child.returncode}):\n{_tail(output)}")
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            if loop.time() > deadline:
                raise PeerError(
                    f"{name} accepts no connection after {_START_SECONDS:.0f} s:\n{_tail(output)}"
                ) from None
            await asyncio.sleep(0.02)
        else:
            writer.close()
            return


def _tail(output: Path) -> str:
    return "\n".join(output.read_text(errors="replace").strip().splitlines()[-5:]) or "(it printed nothing)"


def _stop(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
