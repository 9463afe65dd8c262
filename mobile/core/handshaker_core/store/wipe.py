"""The ticket that ends this device on the server. It stands in the encrypted database and nowhere else."""

from handshaker_core.credentials import WipeTicket
from handshaker_core.protocol.randomness import Randomness
from handshaker_core.store.connection import Connection


def ensure(c: Connection, rng: Randomness) -> tuple[WipeTicket, bool]:
    """The ticket, made if need be, and whether the server knows it."""
    c.execute("INSERT INTO wipe_ticket (only, ticket) VALUES (1, ?) ON CONFLICT DO NOTHING", (rng(WipeTicket.SIZE),))
    ticket, known = c.execute("SELECT ticket, known FROM wipe_ticket").fetchall()[0]
    return WipeTicket(ticket), bool(known)


def get(c: Connection) -> WipeTicket | None:
    """The ticket, if the server knows it."""
    row = c.execute("SELECT ticket FROM wipe_ticket WHERE known").fetchone()
    return None if row is None else WipeTicket(row[0])


def set_known(c: Connection) -> None:
    """The server has taken its hash."""
    c.execute("UPDATE wipe_ticket SET known = 1")
