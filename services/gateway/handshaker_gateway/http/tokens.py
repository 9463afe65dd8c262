"""Who calls on the account plane, and that nobody names themselves on the other."""

from dataclasses import dataclass

from aiohttp import web
from handshaker_common.identity import Identity
from handshaker_common.tokens import InvalidToken, KeySetSource

from handshaker_gateway.domain.problems import BAD_TOKEN, NO_TOKEN, TOKEN_REFUSED, UNAVAILABLE, Refusal
from handshaker_gateway.domain.tokens import TokenMemory, bearer

HEADER = "Authorization"


@dataclass(frozen=True, slots=True, repr=False)
class Caller:
    """A verified identity and the token that proved it."""

    identity: Identity
    token: str


class Tokens:
    """Checks access tokens against auth's keys, each once while it is remembered."""

    def __init__(self, keys: KeySetSource, memory: TokenMemory) -> None:
        self._keys = keys
        self._memory = memory

    async def caller(self, request: web.BaseRequest) -> Caller:
        """The caller of a request on the account plane.

        Raises:
            Refusal: there is no valid token, or no key to check it with.
        """
        fields = request.headers.getall(HEADER, [])
        if not fields:
            raise Refusal(NO_TOKEN)
        token = bearer(fields)
        if token is None:
            raise Refusal(BAD_TOKEN)
        known = self._memory.recall(token)
        if known is not None:
            return Caller(known, token)
        try:
            identity, expires_at = await self._keys.verify_until(token)
        except InvalidToken:
            # Without any key nothing can be said about a token, least of all that it is bad.
            raise Refusal(BAD_TOKEN if self._keys.ready else UNAVAILABLE) from None
        self._memory.keep(token, identity, expires_at)
        return Caller(identity, token)


def require_anonymous(request: web.BaseRequest) -> None:
    """Refuses a request that names its account where nobody must be able to."""
    if HEADER in request.headers:
        raise Refusal(TOKEN_REFUSED)
