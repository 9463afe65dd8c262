"""Anonymous tokens that were not spent yet, and when to ask for more."""

from collections.abc import Iterable

from handshaker_core.protocol.blind_tokens import IssuerKeyId, Token
from handshaker_core.store.connection import Connection

_KEY_ID = "substr(token, 67, 32)"  # where it stands in a token, counted from 1


def add(c: Connection, tokens: Iterable[tuple[Token, float]]) -> None:
    """Keep tokens, each with the time (unix seconds) from which it may be spent."""
    c.executemany("INSERT INTO tokens VALUES (?, ?)", list(tokens))


def take(c: Connection, now: float) -> Token | None:
    """Take one that may be spent now, and forget it; None when there is none.

    It is gone even if the call that it pays for gets no answer: the server may have seen it. Tokens begin with their
    random nonces, so that the order of the table is not that in which they came.
    """
    row = c.execute(
        "DELETE FROM tokens WHERE token = (SELECT min(token) FROM tokens WHERE usable_at <= ?) RETURNING token", (now,)
    ).fetchone()
    return None if row is None else Token(row[0])


def count(c: Connection) -> int:
    """How many are left, those that may not be spent yet included."""
    row = c.execute("SELECT count(*) FROM tokens").fetchone()
    return 0 if row is None else row[0]


def forget_all_but(c: Connection, keys: Iterable[IssuerKeyId], most: int) -> None:
    """Forget tokens of other keys, which the server takes no more, and the oldest of those beyond `most`."""
    kept = list(keys)
    marks = ", ".join("?" for _ in kept)
    c.execute(f"DELETE FROM tokens WHERE {_KEY_ID} NOT IN ({marks})", kept)  # noqa: S608 - question marks alone
    c.execute(
        "DELETE FROM tokens WHERE token IN (SELECT token FROM tokens ORDER BY usable_at DESC LIMIT -1 OFFSET ?)",
        (most,),
    )


def next_at(c: Connection) -> float:
    """When to ask for more; 0 before the first time."""
    row = c.execute("SELECT next_at FROM token_schedule").fetchone()
    return 0.0 if row is None else row[0]


def set_next_at(c: Connection, when: float) -> None:
    """Set when to ask for more."""
    c.execute("INSERT INTO token_schedule VALUES (1, ?) ON CONFLICT DO UPDATE SET next_at = excluded.next_at", (when,))
