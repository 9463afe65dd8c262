"""Named values that a person may change."""

from handshaker_core.store.connection import Connection


def get(c: Connection, name: str) -> str | None:
    """A setting's value; None for its default."""
    row = c.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
    return None if row is None else row[0]


def put(c: Connection, name: str, value: str) -> None:
    """Set a value."""
    c.execute(
        "INSERT INTO settings VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (name, value)
    )
