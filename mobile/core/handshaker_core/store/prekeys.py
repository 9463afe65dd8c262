"""Own prekeys: the private halves of what the server hands to strangers."""

from dataclasses import dataclass
from enum import StrEnum

from handshaker_core.protocol.bundle import OneTimeKeys
from handshaker_core.protocol.pqxdh import ConsumedPreKeys, LastResortUse
from handshaker_core.protocol.prekeys import KemPreKey, LastResortKemPreKey, OneTimePreKey, SignedPreKey
from handshaker_core.store.connection import Connection


class Kind(StrEnum):
    """The kinds of prekeys."""

    SIGNED = "signed"
    ONE_TIME = "ec"
    KEM = "kem"
    LAST_RESORT = "last_resort"


@dataclass(frozen=True, slots=True)
class StoredPreKeys:
    """The prekeys of a transaction, as PQXDH looks them up (`pqxdh.PreKeyLookup`)."""

    connection: Connection

    def signed_prekey(self, key_id: int) -> SignedPreKey | None:
        """See `PreKeyLookup`."""
        data = _private(self.connection, Kind.SIGNED, key_id)
        return None if data is None else SignedPreKey.from_bytes(data)

    def one_time_prekey(self, key_id: int) -> OneTimePreKey | None:
        """See `PreKeyLookup`."""
        data = _private(self.connection, Kind.ONE_TIME, key_id)
        return None if data is None else OneTimePreKey.from_bytes(data)

    def kem_prekey(self, key_id: int) -> KemPreKey | None:
        """See `PreKeyLookup`."""
        data = _private(self.connection, Kind.KEM, key_id)
        return None if data is None else KemPreKey.from_bytes(data)

    def last_resort_prekey(self, key_id: int) -> LastResortKemPreKey | None:
        """See `PreKeyLookup`."""
        data = _private(self.connection, Kind.LAST_RESORT, key_id)
        return None if data is None else LastResortKemPreKey.from_bytes(data)

    def last_resort_used(self, use: LastResortUse) -> bool:
        """See `PreKeyLookup`."""
        row = self.connection.execute(
            "SELECT 1 FROM last_resort_uses WHERE kem_prekey_id = ? AND signed_prekey_id = ? AND base_key = ?",
            (use.kem_prekey_id, use.signed_prekey_id, use.base_key),
        ).fetchone()
        return row is not None


def _private(c: Connection, kind: Kind, key_id: int) -> bytes | None:
    row = c.execute("SELECT private FROM prekeys WHERE kind = ? AND key_id = ?", (kind, key_id)).fetchone()
    return None if row is None else row[0]


def add_one_time(c: Connection, keys: OneTimeKeys, now: float) -> None:
    """Keep fresh one-time keys, not uploaded yet."""
    rows = [(Kind.ONE_TIME, key.key_id, key.to_bytes(), now) for key in keys.ec]
    rows += [(Kind.KEM, key.key_id, key.to_bytes(), now) for key in keys.kem]
    c.executemany("INSERT INTO prekeys (kind, key_id, private, created_at) VALUES (?, ?, ?, ?)", rows)


def waiting(c: Connection, limit: int) -> OneTimeKeys:
    """Up to `limit` one-time keys of each kind that the server does not hold yet, lowest ids first."""
    sql = "SELECT private FROM prekeys WHERE kind = ? AND uploaded = 0 ORDER BY key_id LIMIT ?"
    return OneTimeKeys(
        ec=tuple(OneTimePreKey.from_bytes(row[0]) for row in c.execute(sql, (Kind.ONE_TIME, limit)).fetchall()),
        kem=tuple(KemPreKey.from_bytes(row[0]) for row in c.execute(sql, (Kind.KEM, limit)).fetchall()),
    )


def set_uploaded(c: Connection, keys: OneTimeKeys) -> None:
    """The server has taken them."""
    c.executemany(
        "UPDATE prekeys SET uploaded = 1 WHERE kind = ? AND key_id = ?",
        [(Kind.ONE_TIME, key.key_id) for key in keys.ec] + [(Kind.KEM, key.key_id) for key in keys.kem],
    )


def replace_long_lived(c: Connection, signed: SignedPreKey, last_resort: LastResortKemPreKey, now: float) -> None:
    """Make these the current ones; earlier ones stay for handshakes that are on their way."""
    c.execute(
        "UPDATE prekeys SET replaced_at = ? WHERE kind IN ('signed', 'last_resort') AND replaced_at IS NULL", (now,)
    )
    c.executemany(
        "INSERT INTO prekeys (kind, key_id, private, uploaded, created_at) VALUES (?, ?, ?, 1, ?)",
        [
            (Kind.SIGNED, signed.key_id, signed.to_bytes(), now),
            (Kind.LAST_RESORT, last_resort.key_id, last_resort.to_bytes(), now),
        ],
    )


def long_lived_since(c: Connection) -> float | None:
    """When the current signed and last-resort prekeys were made; None when there are none."""
    row = c.execute("SELECT created_at FROM prekeys WHERE kind = 'signed' AND replaced_at IS NULL").fetchone()
    return None if row is None else row[0]


def current_long_lived(c: Connection) -> tuple[SignedPreKey, LastResortKemPreKey]:
    """The current signed and last-resort prekeys."""
    sql = "SELECT private FROM prekeys WHERE kind = ? AND replaced_at IS NULL"
    signed, last_resort = c.execute(sql, (Kind.SIGNED,)).fetchone(), c.execute(sql, (Kind.LAST_RESORT,)).fetchone()
    if signed is None or last_resort is None:
        raise LookupError("no prekeys were made yet")
    return SignedPreKey.from_bytes(signed[0]), LastResortKemPreKey.from_bytes(last_resort[0])


def forget_replaced(c: Connection, before: float) -> None:
    """Delete long-lived keys that were replaced before then, and what was remembered of their uses."""
    c.execute("DELETE FROM prekeys WHERE replaced_at < ?", (before,))
    c.execute(
        "DELETE FROM last_resort_uses WHERE kem_prekey_id NOT IN (SELECT key_id FROM prekeys WHERE kind = 'last_resort')"
    )


def consume(c: Connection, used: ConsumedPreKeys) -> None:
    """Delete the one-time keys that a handshake used, or remember its use of the last-resort key."""
    if used.one_time_prekey_id is not None:
        c.execute("DELETE FROM prekeys WHERE kind = ? AND key_id = ?", (Kind.ONE_TIME, used.one_time_prekey_id))
    if used.kem_prekey_id is not None:
        c.execute("DELETE FROM prekeys WHERE kind = ? AND key_id = ?", (Kind.KEM, used.kem_prekey_id))
    if used.last_resort_use is not None:
        use = used.last_resort_use
        c.execute(
            "INSERT INTO last_resort_uses VALUES (?, ?, ?)", (use.kem_prekey_id, use.signed_prekey_id, use.base_key)
        )
