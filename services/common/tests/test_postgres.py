"""Migrations: once each, in order, whole or not at all."""

import asyncio
import sys

import asyncpg
import pytest
from handshaker_common.postgres import MigrationError, migrate, open_pool


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package whose migrations the test writes."""
    folder = tmp_path / "pretend_service" / "migrations"
    folder.mkdir(parents=True)
    (tmp_path / "pretend_service" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("pretend_service", None)
    yield folder
    sys.modules.pop("pretend_service", None)


async def test_each_migration_runs_once_even_when_replicas_start_together(database, package):
    (package / "0001_first.sql").write_text("CREATE TABLE a (x int); INSERT INTO a VALUES (1)")
    pools = [await open_pool(database) for _ in range(4)]
    assert await asyncio.gather(*(migrate(pool, "pretend_service") for pool in pools)) == [1, 1, 1, 1]
    (package / "0002_second.sql").write_text("INSERT INTO a VALUES (2)")
    assert await migrate(pools[0], "pretend_service") == 2
    assert [row["x"] for row in await pools[1].fetch("SELECT x FROM a ORDER BY x")] == [1, 2]
    for pool in pools:
        await pool.close()


async def test_a_failing_migration_leaves_nothing_behind(database, package):
    (package / "0001_first.sql").write_text("CREATE TABLE a (x int)")
    (package / "0002_broken.sql").write_text("INSERT INTO a VALUES (1); SELECT no_such_function()")
    pool = await open_pool(database)
    with pytest.raises(MigrationError, match=r"0002_broken\.sql failed and was rolled back"):
        await migrate(pool, "pretend_service")
    assert await pool.fetchval("SELECT count(*) FROM a") == 0
    (package / "0002_broken.sql").write_text("INSERT INTO a VALUES (1)")
    assert await migrate(pool, "pretend_service") == 2
    await pool.close()


async def test_a_migration_that_was_changed_afterwards_is_refused(database, package):
    (package / "0001_first.sql").write_text("CREATE TABLE a (x int)")
    pool = await open_pool(database)
    assert await migrate(pool, "pretend_service") == 1
    (package / "0001_first.sql").write_text("CREATE TABLE a (x bigint)")
    with pytest.raises(MigrationError, match=r"0001_first\.sql is not the one"):
        await migrate(pool, "pretend_service")
    (package / "0001_first.sql").write_text("CREATE TABLE a (x int)")
    assert await migrate(pool, "pretend_service") == 1
    await pool.close()


async def test_a_newer_database_is_refused(database, package):
    (package / "0001_first.sql").write_text("CREATE TABLE a (x int)")
    pool = await open_pool(database)
    await migrate(pool, "pretend_service")
    await pool.execute("INSERT INTO schema_version VALUES (2, 'from the future', '')")
    with pytest.raises(MigrationError, match="upgrade"):
        await migrate(pool, "pretend_service")
    await pool.close()


async def test_an_unreachable_database_is_an_error_at_once(tmp_path):
    with pytest.raises((OSError, asyncpg.PostgresError)):
        await open_pool(f"postgresql://postgres@/x?host={tmp_path}")
