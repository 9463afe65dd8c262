"""Which rows were used, written down together once a day."""

from collections.abc import Awaitable, Callable
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

    async def write_down(self, write: Callable[[list[Id]], Awaitable[None]]) -> None:
        """Hands what was used since the last time to `write`, in the order of the ids; keeps it when that raises."""
        used = sorted(self._used)
        await write(used)
        self._used.difference_update(used)
