"""Charges requests to their limiters."""

from aiohttp import web
from handshaker_common import metrics

from handshaker_gateway.domain.network import client_address, prefix_of
from handshaker_gateway.domain.problems import LIMITER_UNAVAILABLE, Refusal, rate_limited
from handshaker_gateway.limiters import Limiter, OnOutage
from handshaker_gateway.store import LimiterAway, LimiterStore


class Limiting:
    """What stands between a request and the limiters in Redis; `hops` is the number of own proxies in front."""

    def __init__(self, store: LimiterStore, hops: int) -> None:
        self._store = store
        self._hops = hops

    def prefix(self, request: web.BaseRequest) -> str:
        """The network that a request is counted under. The address itself is not kept."""
        forwarded = request.headers.getall("X-Forwarded-For", [])
        return prefix_of(client_address(request.remote, forwarded, self._hops))

    async def charge(self, limiter: Limiter, subject: str) -> None:
        """Takes one use for `subject`, a network prefix or an account id.

        Raises:
            Refusal: there is none left, or nobody can tell and the limiter fails closed.
        """
        try:
            wait = await self._store.take(limiter, subject)
        except LimiterAway:
            opened = limiter.value.on_outage is OnOutage.OPEN
            metrics.GATEWAY_LIMITERS.labels(limiter.key, "failed_open" if opened else "failed_closed").inc()
            if not opened:
                raise Refusal(LIMITER_UNAVAILABLE) from None
            return
        metrics.GATEWAY_LIMITERS.labels(limiter.key, "granted" if wait is None else "refused").inc()
        if wait is not None:
            raise Refusal(rate_limited(wait))
