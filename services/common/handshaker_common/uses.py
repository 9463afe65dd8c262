"""Which rows were used, written down together once a day."""

from typing import Generic, TypeVar

Id = TypeVar("Id", bound=bytes)


class Uses(Generic[Id]):
    """Remembers ids that were used, until that is written down in one go.

    A row that changed at every use would tell a thief of the database, by the order of its versions, which of them
    are used one after the other: of mailboxes, for one, who answers whom. So uses wait here and are written together,
    with the day alone. Losing them in a crash makes a row look unused for a day more, out of months.
    """

    def __init__(self, *, most: int = 100_000) -> None:
        self._most = most
        self._used: set[Id] = set()

    def add(self, used: Id) -> None:
        """Notes a use."""
        self._used.add(used)

    @property
    def full(self) -> bool:
        """Whether they should be written down now."""
        return len(self._used) >= self._most

    def take(self) -> list[Id]:
        """What was used since the last time, in the order of the ids."""
        used, self._used = self._used, set()
        return sorted(used)
