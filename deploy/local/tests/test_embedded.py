"""The real servers from wheels: they start, survive SIGKILL, keep to their sockets and leave nothing behind."""

import os
import stat
import subprocess
import sys
import time
import zlib
from pathlib import Path

import asyncpg
import psutil
import pytest
from handshaker_common.redis_client import open_redis
from handshaker_common.testing import *  # noqa: F403 - fixtures
from handshaker_local import embedded
from handshaker_local.embedded import Postgres, Redis
from handshaker_local.errors import StartFailed
from handshaker_local.server import Server

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def home(state_folder: Path, request: pytest.FixtureRequest) -> Path:
    folder = state_folder / f"{zlib.crc32(request.node.name.encode()):x}"
    folder.mkdir()
    return folder


async def test_committed_rows_survive_sigkill_and_a_restart(home: Path):
    server = Postgres(home)
    server.start()
    dsn = server.create_database("letters")
    connection = await asyncpg.connect(dsn)
    await connection.execute("CREATE TABLE letter (body text); INSERT INTO letter VALUES ('hello')")
    first = server.pid
    server.kill()
    server.start()
    assert server.pid != first
    assert server.create_database("letters") == dsn, "creating it again must change nothing"
    connection = await asyncpg.connect(dsn)
    assert await connection.fetchval("SELECT body FROM letter") == "hello"
    await connection.close()
    server.stop()


def test_sockets_belong_to_their_user_alone(home: Path):
    postgres, redis = Postgres(home / "pg"), Redis(home / "redis")
    postgres.start()
    redis.start()
    for socket in (home / "pg/.s.PGSQL.5432", home / "redis/redis.sock"):
        assert stat.S_IMODE(socket.stat().st_mode) == 0o700
    listening = [c for pid in (*postgres.pids, *redis.pids) for c in psutil.Process(pid).net_connections("inet")]
    assert listening == []
    postgres.stop()
    redis.stop()


def test_a_second_server_on_the_same_data_waits_and_then_refuses(home: Path, monkeypatch: pytest.MonkeyPatch):
    first, second = Postgres(home), Postgres(home)
    first.start()
    monkeypatch.setattr(embedded, "PREDECESSOR_SECONDS", 0.2)
    with pytest.raises(StartFailed, match="Another PostgreSQL still uses"):
        second.start()
    assert first.exit_status is None, "the first must not be harmed"
    first.stop()
    second.start()
    second.stop()


async def test_a_folder_too_deep_for_a_socket_works(home: Path):
    deep = home / ("x" * 60) / ("y" * 60)
    server = Redis(deep)
    server.start()
    client = open_redis(server.url)
    assert await client.ping()
    await client.aclose()
    sockets = Path(server.url.removeprefix("unix://")).parent
    server.stop()
    assert not sockets.exists()


def test_a_server_that_cannot_start_says_why(home: Path):
    class Broken(Server):
        name = "Broken"

        def start(self) -> None:
            self.home.mkdir(parents=True, exist_ok=True)
            self.spawn(["sh", "-c", "echo first; echo the reason >&2; exit 3"])
            self.wait_until(lambda: False)

    with pytest.raises(StartFailed, match=r"^Broken did not start: the reason$"):
        Broken(home).start()


@pytest.mark.parametrize("ending", ["os._exit(1)", "os.kill(os.getpid(), 9)", "sys.exit()", "raise RuntimeError"])
def test_nothing_outlives_the_process_that_started_it(home: Path, ending: str):
    script = (
        "import os, sys; from pathlib import Path; from handshaker_local.embedded import Postgres, Redis\n"
        f"home = Path({str(home)!r}); servers = [Postgres(home / 'pg'), Redis(home / 'redis')]\n"
        "[server.start() for server in servers]\n"
        f"print(*(pid for server in servers for pid in server.pids), os.getpgid(servers[0].pid), flush=True)\n{ending}"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False).stdout
    pids = [int(word) for word in said.split()]
    assert len(pids) > 4
    deadline = time.monotonic() + 10
    while left := [pid for pid in pids if _runs(pid)]:
        assert time.monotonic() < deadline, f"still running: {left}"
        os.sched_yield()


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
