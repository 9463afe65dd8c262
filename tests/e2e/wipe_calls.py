"""Right requests for the routes of remote wipe."""

import hashlib
import secrets

from handshaker_proto.auth.v1 import wipe_pb2

from e2e.case import Case
from e2e.device_calls import devices_of
from e2e.rest import ROUTE, Account, Gateway


async def create_wipe_ticket(gateway: Gateway) -> Case:
    account, ticket = await Account.register(gateway), secrets.token_bytes(32)
    request = wipe_pb2.CreateWipeTicketRequest(ticket_hash=hashlib.sha256(ticket).digest())

    async def redeemed() -> object:
        """Whether there is such a ticket shows in its use alone, which is the end of the account."""
        answer = await gateway.call(ROUTE["RedeemWipeTicket"], wipe_pb2.RedeemWipeTicketRequest(ticket=ticket))
        return answer.identity()

    return Case(ROUTE["CreateWipeTicket"], request, account, redeemed)


async def redeem_wipe_ticket(gateway: Gateway) -> Case:
    account, ticket = await Account.register(gateway), secrets.token_bytes(32)
    left = wipe_pb2.CreateWipeTicketRequest(ticket_hash=hashlib.sha256(ticket).digest())
    (await account.call("CreateWipeTicket", left)).granted()
    request = wipe_pb2.RedeemWipeTicketRequest(ticket=ticket)
    return Case(ROUTE["RedeemWipeTicket"], request, look=lambda: devices_of(account))
