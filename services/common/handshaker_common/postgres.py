"""PostgreSQL: a pool and numbered migrations."""

import asyncio
import contextlib
import hashlib
import re
from collections.abc import AsyncIterator, Mapping
from importlib import resources

import asyncpg

from handshaker_common import metrics
from handshaker_common.config import DatabaseSettings
from handshaker_common.errors import DatabaseUnavailable, ServiceError
from handshaker_common.log import get_logger, where

# One number for all services is enough: each has a database of its own.
MIGRATION_LOCK = 0x48414E44
NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
STATEMENT_TIMEOUT_MS = 10_000
ANSWER_SECONDS = 5.0
# All that asyncpg raises. InternalClientError, which is none of the others, is what a connection that breaks at the
# wrong moment ends with.
DATABASE_ERRORS = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
# A database that is starting too is waited for, as long as a supervisor waits for us.
START_SECONDS = 20
CLOSE_SECONDS = 5


class MigrationError(ServiceError):
    """A migration does not fit what the database already has, or failed half way (and was rolled back)."""


class DatabaseUnreachable(ServiceError):
    """The database does not answer, or does not let us in."""


async def open_pool(dsn: str, *, max_size: int = 10, settings: Mapping[str, str] | None = None) -> asyncpg.Pool:
    """Opens a pool of up to `max_size` connections.

    Plans are compiled without JIT, which costs more than our short statements; a statement may take ten seconds.
    `settings` are further PostgreSQL settings of these connections.

    Raises:
        OSError, asyncpg.PostgresError: the database cannot be reached.
    """
    return await asyncpg.create_pool(
        dsn,
        min_size=1,
        max_size=max_size,
        command_timeout=STATEMENT_TIMEOUT_MS / 1000,
        reset=_leave_as_found,
        server_settings={
            "application_name": "handshaker",
            "jit": "off",
            "statement_timeout": str(STATEMENT_TIMEOUT_MS),
            "synchronous_commit": "on",
            **(settings or {}),
        },
    )


async def _leave_as_found(_connection: asyncpg.Connection) -> None:
    """Between two uses of a connection: nothing, beyond the rollback that the pool sees to.

    The default resets the session, which costs each statement a second round trip. No use of ours changes the session.
    """


@contextlib.asynccontextmanager
async def answering() -> AsyncIterator[None]:
    """Gives statements five seconds, and turns whatever PostgreSQL or the way to it raises into DatabaseUnavailable."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            yield
    except DATABASE_ERRORS as error:
        metrics.DATABASE_ERRORS.labels(type(error).__name__).inc()
        if isinstance(error, asyncpg.SyntaxOrAccessError | asyncpg.DataError):
            get_logger().error("a statement is wrong, or may not be used", **where(error))
        raise DatabaseUnavailable from error


@contextlib.asynccontextmanager
async def service_database(
    settings: DatabaseSettings, package: str, *, session: Mapping[str, str] | None = None
) -> AsyncIterator[asyncpg.Pool]:
    """The pool of a service, its migrations applied; closed at the end. `session` is as `settings` of `open_pool`.

    Raises:
        DatabaseUnreachable: it did not answer within START_SECONDS, or refused us.
        MigrationError: see `migrate`.
    """
    pool = await _open_patiently(settings, session)
    try:
        version = await migrate(pool, package)
        get_logger().info("the database is ready", version=version)
        yield pool
    finally:
        try:
            await asyncio.wait_for(pool.close(), CLOSE_SECONDS)
        except TimeoutError:
            pool.terminate()


async def _open_patiently(settings: DatabaseSettings, session: Mapping[str, str] | None) -> asyncpg.Pool:
    deadline = asyncio.get_running_loop().time() + START_SECONDS
    said = False
    while True:
        try:
            return await open_pool(settings.dsn, max_size=settings.database_connections, settings=session)
        except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError, ValueError) as error:
            # Waiting does not mend these. ValueError: the URL is none; its text would quote it.
            raise DatabaseUnreachable(f"The database refuses us ({type(error).__name__}): check its URL.") from None
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            if asyncio.get_running_loop().time() > deadline:
                raise DatabaseUnreachable(f"The database does not answer ({type(error).__name__}).") from None
            if not said:
                get_logger().warning("waiting for the database", seconds=START_SECONDS, **where(error))
                said = True
            await asyncio.sleep(1)


def _migrations(package: str) -> list[tuple[int, str, str]]:
    folder = resources.files(package) / "migrations"
    found = []
    for entry in folder.iterdir():
        match = NAME.fullmatch(entry.name)
        if match is not None:
            found.append((int(match[1]), entry.name, entry.read_text("utf-8")))
    found.sort()
    if [number for number, _, _ in found] != list(range(1, len(found) + 1)):
        raise MigrationError(f"The migrations of {package} are not numbered 1, 2, 3 without a gap.")
    return found


async def migrate(pool: asyncpg.Pool, package: str) -> int:
    """Applies the package's `migrations/NNNN_name.sql` that the database does not have yet; returns its version.

    Each migration commits by itself; an advisory lock lets one process at a time work, so that replicas may all
    call this when they start.

    Raises:
        MigrationError: the database is newer than this program, or a migration failed and was rolled back.
    """
    migrations = await asyncio.to_thread(_migrations, package)
    async with pool.acquire() as connection:
        await connection.execute("SELECT pg_advisory_lock($1)", MIGRATION_LOCK)
        try:
            return await _apply(connection, migrations)
        finally:
            await connection.execute("SELECT pg_advisory_unlock($1)", MIGRATION_LOCK)


def _digest(sql: str) -> bytes:
    """What tells a migration from one that was changed after it had been applied."""
    return hashlib.sha256(sql.encode()).digest()


async def _apply(connection: asyncpg.pool.PoolConnectionProxy, migrations: list[tuple[int, str, str]]) -> int:
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_version"
        " (version integer PRIMARY KEY, name text NOT NULL, digest bytea NOT NULL);"
        "COMMENT ON COLUMN schema_version.version IS 'class=NONE; retention=ACCOUNT_LIFETIME; schema bookkeeping';"
        "COMMENT ON COLUMN schema_version.name IS 'class=NONE; retention=ACCOUNT_LIFETIME; schema bookkeeping';"
        "COMMENT ON COLUMN schema_version.digest IS 'class=NONE; retention=ACCOUNT_LIFETIME; schema bookkeeping'"
    )
    applied = await connection.fetch("SELECT digest FROM schema_version ORDER BY version")
    if len(applied) > len(migrations):
        raise MigrationError(
            f"The database has schema {len(applied)}, this program knows {len(migrations)}: upgrade it."
        )
    for row, (_, name, sql) in zip(applied, migrations, strict=False):
        if row["digest"] != _digest(sql):
            raise MigrationError(f"Migration {name} is not the one that this database was made with.")
    for number, name, sql in migrations[len(applied) :]:
        try:
            async with connection.transaction():
                await connection.execute(sql)
                await connection.execute("INSERT INTO schema_version VALUES ($1, $2, $3)", number, name, _digest(sql))
        except asyncpg.PostgresError as error:
            raise MigrationError(f"Migration {name} failed and was rolled back: {error.sqlstate}.") from error
    return len(migrations)
