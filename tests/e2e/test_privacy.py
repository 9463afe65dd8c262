"""What people leave behind: nothing in logs and metrics, and nothing of a live message on any disk."""

import base64
import mmap
import os
import secrets
import time
import uuid

import aiohttp
import pytest
from handshaker_proto.keys.v1 import keys_pb2
from handshaker_proto.signaling.v1 import socket_pb2

from e2e.calls import bundle, certificate, new_mailbox, username
from e2e.hostile import RawSocket
from e2e.rest import JSON, ROUTE, Account, gateway_at

Outcome = socket_pb2.SendResult.Outcome
State = socket_pb2.SubscriptionEvent.State
AGENT = f"SentinelAgent/{secrets.token_hex(8)}"
# Seconds for which a frame is in memory alone, waiting for its acknowledgement.
STORED_AFTER = 0.25
WORD = f"sentinel{secrets.token_hex(8)}"
ADDRESS = "203.0.113.77"
TRACES = {
    "User-Agent": AGENT,
    "X-Forwarded-For": ADDRESS,
    "Forwarded": f"for={ADDRESS}",
    "X-Real-IP": ADDRESS,
    "Referer": f"https://{WORD}.example/",
    "Cookie": f"session={WORD}",
    "X-Request-ID": WORD,
}


def spellings(value):
    """How bytes or a text may stand in a file."""
    if isinstance(value, str):
        return {value.encode()}
    forms = {value, value.hex().encode(), value.hex().upper().encode(), repr(value)[2:-1].encode()}
    forms |= {base64.b64encode(value).rstrip(b"="), base64.urlsafe_b64encode(value).rstrip(b"=")}
    return forms | ({str(uuid.UUID(bytes=value)).encode()} if len(value) == 16 else set())


def found_in(paths, sentinels):
    """The names of the sentinels that stand in any of the files."""
    needles = {name: spellings(value) for name, value in sentinels.items()}
    found = set()
    for path in paths:
        try:
            with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                found |= {n for n, forms in needles.items() if any(data.find(form) >= 0 for form in forms)}
        except (FileNotFoundError, ValueError):
            continue  # gone meanwhile, or empty
    return found


def log_files(system):
    return [path for part in system.components.values() if (path := part.log_path).exists()]


def database_files(system):
    return [path for path in (system.folder.path / "postgres" / "data").rglob("*") if path.is_file()]


async def metrics_of(system, folder):
    """The metrics of all processes, as files to search."""
    paths = []
    async with aiohttp.ClientSession() as session:
        for name, part in system.components.items():
            if part.metrics_url is not None:
                async with session.get(part.metrics_url) as response:
                    assert response.status == 200
                    paths.append(folder / name)
                    paths[-1].write_bytes(await response.read())
    return paths


@pytest.fixture
async def life(system, gateway):
    """Somebody registers, takes a name, publishes keys, writes and is written to, and makes mistakes."""
    async with gateway_at(gateway.url) as client:
        client.session.headers.update(TRACES)
        account = await Account.register(client)
        named, published, mailbox = username(), bundle(), await new_mailbox(client)
        (await account.call("SetUsername", named)).granted()
        (await account.call("PublishBundle", published)).granted()
        proven = certificate(published.bundle_id)
        (await account.call("PublishOpenPgp", proven)).granted()
        request = keys_pb2.LookupUsernameRequest(lookup_hash=named.lookup_hash)
        (await client.call(ROUTE["LookupUsername"], request)).granted()
        live, stored = await messages(system, mailbox)
        await mistakes(client, account)
    return {
        "agent": AGENT,
        "address": ADDRESS,
        "word": WORD,
        "account": uuid.UUID(account.account_id).bytes,
        "device": uuid.UUID(account.device_id).bytes,
        "device key": account.public,
        "access token": account.token.split(".")[2],
        "refresh token": account.refresh_token,
        "lookup hash": named.lookup_hash,
        "sealed address": named.sealed_address[:64],
        "bundle": published.bundle_id,
        "identity key": published.base.identity_key,
        "certificate": proven.certificate[:64],
        "mailbox": mailbox.send_id,
        "send secret": mailbox.secret,
        "live frame": live.frame[100:164],
        "live frame id": live.frame_id,
        "stored frame": stored.frame[100:164],
        "stored frame id": stored.frame_id,
    }


async def messages(system, mailbox):
    """One message to somebody who is there and one to nobody."""
    stored = mailbox.send(os.urandom(2_048))
    async with await RawSocket.connect(system.gateway_urls[0]) as sender:
        async with await RawSocket.connect(system.gateway_urls[1]) as receiver:
            await receiver.say(subscribe=[mailbox.subscribe(receiver.challenge)])
            while State.STATE_DRAINED not in [event.state for event in (await receiver.message()).subscription]:
                pass
            while (live := await delivered_at_once(sender, receiver, mailbox)) is None:
                pass
        await sender.say(send=[stored])
        assert (await sender.message()).result[0].outcome == Outcome.OUTCOME_STORED
    return live, stored


async def delivered_at_once(sender, receiver, mailbox):
    """A message that was acknowledged within the time after which it is stored; None if this machine was too slow."""
    live, started = mailbox.send(os.urandom(16_384)), time.monotonic()
    await sender.say(send=[live])
    (delivery,) = (await receiver.message()).delivery
    assert delivery.frame == live.frame
    await receiver.say(acknowledge=[delivery.delivery_id])
    assert (await sender.message()).result[0].outcome in {Outcome.OUTCOME_DELIVERED, Outcome.OUTCOME_STORED}
    return live if time.monotonic() - started < STORED_AFTER else None


async def mistakes(client, account):
    """Errors are what usually ends up in logs."""
    json_type = {"Content-Type": JSON}
    (await client.ask("GET", f"/{WORD}")).problem(404, "not_found")
    (await client.ask("POST", "/a/v1/challenges", f'{{"{WORD}": "{WORD}"'.encode(), json_type)).problem(
        400, "malformed"
    )
    (await client.ask("GET", f"/v1/account?{WORD}", headers={"Authorization": account.token})).problem(400, "malformed")
    (await client.ask("GET", "/v1/account", headers={"Authorization": f"Bearer {WORD}"})).problem(
        401, "unauthenticated"
    )
    (
        await client.ask("PUT", "/v1/username", WORD.encode(), json_type | {"Authorization": f"Bearer {account.token}"})
    ).problem(400, "malformed")
    async with await RawSocket.connect(client.url) as socket:
        await socket.send(0x2, b"\xff" + WORD.encode())
        assert await socket.closed() == (4002, "malformed")


async def test_logs_and_metrics_name_nobody(system, life, tmp_path):
    logs = log_files(system)
    assert {path.stem for path in logs} >= {"auth", "keys", "blobstore", "notify", "signaling", "gateway", "gateway-2"}
    assert found_in(logs, life) == set()
    metrics = await metrics_of(system, tmp_path)
    assert len(metrics) >= 8
    assert found_in(metrics, life) == set()
    # Both searches find what is there.
    assert found_in(logs, {"ready": '"event": "ready"'}) == {"ready"}
    assert found_in(metrics, {"requests": "handshaker_gateway_requests"}) == {"requests"}
    (tmp_path / "all").write_bytes(b"\n".join(min(forms) for forms in map(spellings, life.values())))
    assert found_in([tmp_path / "all"], life) == set(life)


async def test_the_disk_holds_what_it_must_and_no_more(system, life):
    """PostgreSQL's files with their log: what it is asked to keep is found, so that what is not found is not there."""
    kept = {"account", "device", "device key", "sealed address", "bundle", "identity key", "certificate", "mailbox"}
    kept |= {"stored frame", "stored frame id"}
    assert found_in(database_files(system), life) == kept
