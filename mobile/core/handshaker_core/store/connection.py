"""What a unit of work sees of the database."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, TypeAlias

from sqlcipher3 import dbapi2

StorageFailure = (dbapi2.OperationalError, dbapi2.InternalError)
"""The disk's or the file's fault, never the data's: the whole unit has to be given up."""

Row: TypeAlias = tuple[Any, ...]


class Cursor(Protocol):
    """What a statement gives back."""

    @property
    def lastrowid(self) -> int: ...

    @property
    def rowcount(self) -> int: ...

    def fetchone(self) -> Row | None: ...

    def fetchall(self) -> list[Row]: ...


class Connection(Protocol):
    """What a unit of work may do: run statements. Beginning and ending the transaction is not its business."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Cursor: ...

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> Cursor: ...
