"""Right requests for the routes of anonymous tokens."""

import hashlib
import os

from handshaker_proto.auth.v1 import tokens_pb2

from e2e.case import Case
from e2e.rest import ROUTE, Account, Gateway, decode


async def get_issuer_keys(_: Gateway) -> Case:
    return Case(ROUTE["GetIssuerKeys"], tokens_pb2.GetIssuerKeysRequest())


def blinded() -> bytes:
    """To the server a blinded message is any number below the modulus, whose first bit is set."""
    return b"\x01" + os.urandom(255)


async def issue_tokens(gateway: Gateway) -> Case:
    account = await Account.register(gateway)
    keys = (await gateway.call(ROUTE["GetIssuerKeys"], tokens_pb2.GetIssuerKeysRequest())).granted()["keys"]
    key_id = hashlib.sha256(decode(keys[-1]["public_key"])).digest()
    request = tokens_pb2.IssueTokensRequest(issuer_key_id=key_id, blinded_messages=[blinded(), blinded()])
    return Case(ROUTE["IssueTokens"], request, account)
