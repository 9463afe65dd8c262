"""What the owner calls their own devices, and what the server calls them."""

from handshaker_core.protocol.device import DeviceId
from handshaker_core.store.connection import Connection


def name(c: Connection, device_id: DeviceId, called: str, server_device_id: bytes | None) -> None:
    """Keep a name; the server's id (16 bytes) stays where it is not given."""
    c.execute(
        "INSERT INTO own_device_names VALUES (?, ?, ?) ON CONFLICT (device_id) DO UPDATE SET name = excluded.name,"
        " server_device_id = coalesce(excluded.server_device_id, server_device_id)",
        (device_id, server_device_id, called),
    )


def named(c: Connection) -> dict[DeviceId, tuple[str, bytes | None]]:
    """Names and the server's ids."""
    rows = c.execute("SELECT device_id, name, server_device_id FROM own_device_names").fetchall()
    return {DeviceId(row[0]): (row[1], row[2]) for row in rows}


def forget(c: Connection, device_id: DeviceId) -> None:
    """The device is gone."""
    c.execute("DELETE FROM own_device_names WHERE device_id = ?", (device_id,))
