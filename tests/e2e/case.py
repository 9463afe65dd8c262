"""A request that is right, and a look at what it would change."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from google.protobuf.message import Message

from e2e.rest import Account, Answer, Gateway, Route

Look = Callable[[], Awaitable[object]]


async def nothing() -> object:
    """What a request that only reads would change."""
    return None


@dataclass(frozen=True)
class Case:
    """A request that will be granted; `look` reads back what it changes."""

    route: Route
    message: Message
    account: Account | None = None
    look: Look = nothing

    @property
    def changes(self) -> bool:
        """Whether granting it shows in what `look` reads."""
        return self.look is not nothing

    async def grant(self, gateway: Gateway) -> Answer:
        """Makes the request as it should be."""
        return await gateway.call(self.route, self.message, token=self.account.token if self.account else None)
