"""Anonymous tokens: the keys, and the signing."""

import asyncio
from concurrent.futures import Executor
from typing import Any

from handshaker_common.clock import Clock
from handshaker_common.errors import InvalidArgument, ResourceExhausted
from handshaker_common.identity import caller
from handshaker_common.reasons import Reason
from handshaker_proto.auth.v1 import tokens_pb2, tokens_pb2_grpc

from handshaker_auth.domain.anonymous_tokens import Issuer
from handshaker_auth.domain.days import day_of
from handshaker_auth.store import TokenStore

Context = Any
# A full batch takes a fraction of a second of one core: so many wait no longer than their callers do.
MOST_WAITING = 8


class TokensServicer(tokens_pb2_grpc.TokensServiceServicer):
    """Issues tokens.

    Args:
        executor: one thread that signs, so that nobody else's call waits for it.
        quota: tokens that an account may have on one day.
    """

    def __init__(self, issuer: Issuer, store: TokenStore, clock: Clock, *, executor: Executor, quota: int) -> None:
        self._issuer = issuer
        self._store = store
        self._clock = clock
        self._executor = executor
        self._quota = quota
        self._waiting = 0

    async def GetIssuerKeys(
        self, request: tokens_pb2.GetIssuerKeysRequest, context: Context
    ) -> tokens_pb2.GetIssuerKeysResponse:
        """The same keys for everybody."""
        keys = [tokens_pb2.GetIssuerKeysResponse.Key(public_key=key.public_key) for key in self._issuer.keys]
        return tokens_pb2.GetIssuerKeysResponse(keys=keys, daily_quota=self._quota)

    async def IssueTokens(
        self, request: tokens_pb2.IssueTokensRequest, context: Context
    ) -> tokens_pb2.IssueTokensResponse:
        """Counts first and signs then: what is signed was counted, whatever happens in between."""
        answer = tokens_pb2.IssueTokensResponse
        newest, blinded = self._issuer.newest, list(request.blinded_messages)
        if newest is None or request.issuer_key_id != newest.key_id:
            return answer(unknown_issuer_key=answer.UnknownIssuerKey())
        if not all(newest.signer.in_range(message) for message in blinded):
            raise InvalidArgument(Reason.MALFORMED, "A blinded message is zero, or not below the key's modulus.")
        if self._waiting >= MOST_WAITING:
            raise ResourceExhausted(Reason.OVERLOADED, "Too many tokens are being signed; try again.", retry_after=1)
        self._waiting += 1
        try:
            if not await self._store.grant(caller(), len(blinded), self._quota, day_of(self._clock.now())):
                return answer(quota_exhausted=answer.QuotaExhausted())
            signed = await asyncio.get_running_loop().run_in_executor(self._executor, self._issuer.sign, blinded)
        finally:
            self._waiting -= 1
        return answer(issued=answer.Issued(blind_signatures=signed))
