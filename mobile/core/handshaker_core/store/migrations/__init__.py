"""Schema versions: `NNNN_name.sql`, applied once each, in order; the database's `user_version` says how far it is."""

from importlib import resources
from typing import Any

from sqlcipher3 import dbapi2

from handshaker_core.store.errors import StoreTooNew


def scripts() -> list[tuple[int, str]]:
    """All versions with their SQL, oldest first."""
    found = [
        (int(entry.name.split("_", 1)[0]), entry.read_text("utf-8"))
        for entry in resources.files(__name__).iterdir()
        if entry.name.endswith(".sql")
    ]
    return sorted(found)


def migrate(connection: Any) -> int:
    """Bring a database up to date, one transaction a version.

    Returns:
        The schema version.

    Raises:
        StoreTooNew: the database is of a later version than this client knows.
    """
    available = scripts()
    latest = available[-1][0]
    current: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if current > latest:
        raise StoreTooNew
    for version, sql in available:
        if version > current:
            _apply(connection, version, sql)
    return latest


def _apply(connection: Any, version: int, sql: str) -> None:
    connection.execute("BEGIN EXCLUSIVE")
    try:
        for statement in split_statements(sql):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {version:d}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def split_statements(sql: str) -> list[str]:
    """A script's statements. `executescript` would commit between them."""
    statements: list[str] = []
    pending = ""
    for line in sql.splitlines(keepends=True):
        pending += line
        if dbapi2.complete_statement(pending):
            statements.append(pending.strip())
            pending = ""
    if pending.strip():
        raise ValueError("the script ends inside a statement")
    return statements
