"""Remote wipe: leaving a ticket, and redeeming it."""

import hashlib
from typing import Any

from handshaker_common.identity import caller
from handshaker_proto.auth.v1 import wipe_pb2, wipe_pb2_grpc

from handshaker_auth.domain.ids import WipeTicketHash
from handshaker_auth.store import WipeStore

Context = Any


class WipeServicer(wipe_pb2_grpc.WipeServiceServicer):
    """The end of a device or an account, by a secret alone."""

    def __init__(self, store: WipeStore) -> None:
        self._store = store

    async def CreateWipeTicket(
        self, request: wipe_pb2.CreateWipeTicketRequest, context: Context
    ) -> wipe_pb2.CreateWipeTicketResponse:
        """Keeps the hash of the calling device's ticket."""
        answer = wipe_pb2.CreateWipeTicketResponse
        if not await self._store.keep(caller(), WipeTicketHash(request.ticket_hash)):
            return answer(refused=answer.Refused())
        return answer(created=answer.Created())

    async def RedeemWipeTicket(
        self, request: wipe_pb2.RedeemWipeTicketRequest, context: Context
    ) -> wipe_pb2.RedeemWipeTicketResponse:
        """Ends what the ticket stands for."""
        answer = wipe_pb2.RedeemWipeTicketResponse
        if not await self._store.wipe(WipeTicketHash(hashlib.sha256(request.ticket).digest())):
            return answer(refused=answer.Refused())
        return answer(wiped=answer.Wiped())
