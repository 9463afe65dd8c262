"""Remote wipe over real gRPC: what a ticket ends, what it leaves, and who can make one."""

import asyncio
import hashlib
import secrets
import uuid

import grpc
import pytest
from handshaker_proto.auth.v1 import auth_pb2, devices_pb2, wipe_pb2

TABLES = ("accounts", "devices", "refresh_families", "recovery_keys", "wipe_tickets")


def bearer(tokens):
    return (("authorization", f"Bearer {tokens.access_token}"),)


def arm(answer):
    return answer.WhichOneof("outcome")


async def leave(api, tokens, ticket):
    request = wipe_pb2.CreateWipeTicketRequest(ticket_hash=hashlib.sha256(ticket).digest())
    return arm(await api.wipe.CreateWipeTicket(request, metadata=bearer(tokens)))


async def redeem(api, ticket):
    return arm(await api.wipe.RedeemWipeTicket(wipe_pb2.RedeemWipeTicketRequest(ticket=ticket)))


async def counts(pool):
    return {table: await pool.fetchval(f"SELECT count(*) FROM {table}") for table in TABLES}


async def link(api, registered, device):
    """A second device of the account, logged in: its tokens."""
    added = await api.devices.AddDevice(device.joining(registered.account_id), metadata=bearer(registered.tokens))
    assert arm(added) == "added"
    return (await api.log_in(device)).tokens


async def set_recovery_key(api, registered, key):
    request = key.as_recovery_key(registered.account_id)
    assert arm(await api.devices.SetRecoveryKey(request, metadata=bearer(registered.tokens))) == "set"


async def test_the_primarys_ticket_ends_the_account_and_nothing_else(api, pool, new_device):
    primary, linked, stranger = new_device(), new_device(), new_device()
    registered, other = await api.register(primary), await api.register(stranger)
    tokens = await link(api, registered, linked)
    await set_recovery_key(api, registered, new_device())
    mine, theirs = secrets.token_bytes(32), secrets.token_bytes(32)
    assert await leave(api, registered.tokens, mine) == "created"
    assert await leave(api, other.tokens, theirs) == "created"
    before = await counts(pool)

    assert await redeem(api, secrets.token_bytes(32)) == "refused"
    assert await counts(pool) == before
    assert await redeem(api, mine) == "wiped"

    assert await counts(pool) == {
        "accounts": 1,
        "devices": 1,
        "refresh_families": 1,
        "recovery_keys": 0,
        "wipe_tickets": 1,
    }
    for device in (primary, linked):
        assert arm(await api.log_in(device)) == "refused"
    assert arm(await api.refresh(linked, tokens.refresh_token)) == "refused"
    assert arm(await api.log_in(stranger)) == "tokens"
    assert await redeem(api, mine) == "refused"
    assert await redeem(api, theirs) == "wiped"


async def test_a_linked_devices_ticket_ends_that_device_alone(api, pool, new_device):
    primary, linked = new_device(), new_device()
    registered = await api.register(primary)
    ticket = secrets.token_bytes(32)
    assert await leave(api, await link(api, registered, linked), ticket) == "created"
    assert await redeem(api, ticket) == "wiped"
    assert arm(await api.log_in(linked)) == "refused"
    assert arm(await api.log_in(primary)) == "tokens"
    answer = await api.devices.ListDevices(devices_pb2.ListDevicesRequest(), metadata=bearer(registered.tokens))
    assert [device.device_public_key for device in answer.devices] == [primary.public]


async def test_who_is_the_primary_is_decided_when_the_ticket_is_redeemed(api, new_device):
    old, fresh, key = new_device(), new_device(), new_device()
    registered = await api.register(old)
    await set_recovery_key(api, registered, key)
    ticket = secrets.token_bytes(32)
    assert await leave(api, registered.tokens, ticket) == "created"
    recovered = await api.recovery.Recover(key.recovers(await api.challenge(key), fresh))
    assert arm(recovered) == "recovered"
    # The ticket was the primary's when it was left; the device is a linked one now.
    assert await redeem(api, ticket) == "wiped"
    assert arm(await api.log_in(old)) == "refused"
    assert arm(await api.log_in(fresh)) == "tokens"


async def test_a_new_ticket_replaces_the_one_before(api, device):
    registered = await api.register(device)
    first, second = secrets.token_bytes(32), secrets.token_bytes(32)
    for ticket in (first, second, second):
        assert await leave(api, registered.tokens, ticket) == "created"
    assert await redeem(api, first) == "refused"
    assert arm(await api.log_in(device)) == "tokens"
    assert await redeem(api, second) == "wiped"


async def test_a_device_that_was_removed_leaves_no_ticket(api, new_device):
    primary, linked = new_device(), new_device()
    registered = await api.register(primary)
    tokens = await link(api, registered, linked)
    listed = await api.devices.ListDevices(devices_pb2.ListDevicesRequest(), metadata=bearer(registered.tokens))
    device_id = next(found.device_id for found in listed.devices if not found.primary)
    removal = devices_pb2.RemoveDeviceRequest(device_id=device_id)
    assert arm(await api.devices.RemoveDevice(removal, metadata=bearer(registered.tokens))) == "removed"
    assert await leave(api, tokens, secrets.token_bytes(32)) == "refused"


async def test_redeemed_by_many_at_once_a_ticket_works_once(api, device):
    registered = await api.register(device)
    ticket = secrets.token_bytes(32)
    await leave(api, registered.tokens, ticket)
    answers = await asyncio.gather(*(redeem(api, ticket) for _ in range(20)))
    assert sorted(answers) == ["refused"] * 19 + ["wiped"]


async def test_the_ticket_itself_is_never_kept(api, pool, device):
    registered = await api.register(device)
    ticket = secrets.token_bytes(32)
    await leave(api, registered.tokens, ticket)
    kept = await pool.fetchrow("SELECT * FROM wipe_tickets")
    assert ticket not in tuple(kept)
    assert kept["ticket_hash"] == hashlib.sha256(ticket).digest()
    assert kept["device_id"] == uuid.UUID(registered.device_id)


async def test_the_planes_are_kept_apart(api, device):
    registered = await api.register(device)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await api.wipe.CreateWipeTicket(wipe_pb2.CreateWipeTicketRequest(ticket_hash=bytes(32)))
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    with pytest.raises(grpc.aio.AioRpcError):
        await api.wipe.RedeemWipeTicket(
            wipe_pb2.RedeemWipeTicketRequest(ticket=bytes(32)), metadata=bearer(registered.tokens)
        )
    answer = await api.sessions.GetAccount(auth_pb2.GetAccountRequest(), metadata=bearer(registered.tokens))
    assert answer.account_id == registered.account_id
