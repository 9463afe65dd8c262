"""Limiters as clients meet them: who shares a bucket with whom, and what the answer says."""

import pytest
from gateway_raw import raw, statuses
from gateway_stack import another_gateway
from handshaker_common.redis_client import open_redis
from handshaker_gateway.domain import media
from handshaker_gateway.domain.media import Media
from handshaker_gateway.domain.network import UNKNOWN, client_address, prefix_of
from handshaker_gateway.store import KEY_PREFIX

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def challenge(stack, forwarded=None):
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    return await stack.send("POST", "/a/v1/challenges", {"purpose": "LOOKUP"}, headers=headers)


async def test_too_many_requests(stack, fresh_limits):
    async with another_gateway(stack, limits="challenge=3/600") as other:
        assert [(await challenge(other)).status for _ in range(3)] == [200] * 3
        answer = await challenge(other)
        assert (answer.status, answer.reason) == (429, "rate_limited")
        assert 1 <= int(answer.headers["Retry-After"]) <= 200
        # Saying that one comes from elsewhere does not help where no proxy is expected.
        assert (await challenge(other, "203.0.113.5")).status == 429


async def test_accounts_have_buckets_of_their_own(stack, person, fresh_limits):
    somebody_else = type(person)(stack)
    await somebody_else.register()
    async with another_gateway(stack, limits="account=2/600") as other:
        answers = [(await other.send("GET", "/v1/account", token=person.token)).status for _ in range(3)]
        assert answers == [200, 200, 429]
        assert (await other.send("GET", "/v1/account", token=somebody_else.token)).status == 200


async def test_proxies_are_believed_as_many_as_there_are(stack, fresh_limits):
    async with another_gateway(stack, limits="challenge=1/600", forwarded_hops=1) as other:
        assert (await challenge(other, "198.51.100.7")).status == 200
        assert (await challenge(other, "198.51.100.99")).status == 429  # the same /24
        assert (await challenge(other, "203.0.113.5, 198.51.100.8")).status == 429  # what the client claims before
        assert (await challenge(other, "198.51.100.8, 203.0.113.5")).status == 200
        assert (await challenge(other, "2001:db8:1::1")).status == 200
        assert (await challenge(other, "2001:db8:1:ffff::2")).status == 429  # the same /48
        assert (await challenge(other, "2001:db8:2::1")).status == 200
        assert (await challenge(other)).status == 200  # past the proxy: all of these share one bucket
        assert (await challenge(other, "nonsense")).status == 429


async def test_sockets_are_counted_when_they_open(stack, fresh_limits):
    async with another_gateway(stack, limits="socket_open=2/600") as other:
        answers = [(await other.send("GET", "/a/v1/ws")).status for _ in range(3)]
        assert answers == [400, 400, 429]


async def test_redis_holds_no_address_and_no_account(stack, person, gateway_redis, fresh_limits):
    await stack.send("GET", "/v1/account", token=person.token)
    await challenge(stack)
    client = open_redis(gateway_redis.url)
    keys = await client.keys("*")
    values = [await client.get(key) for key in keys]
    await client.aclose()
    assert any(key.startswith(KEY_PREFIX.encode()) for key in keys)
    for said in (b"127.0.0", person.account_id.encode()):
        assert not any(said in text for text in keys + values)


async def test_only_known_hosts(stack):
    async with another_gateway(stack, hosts="chat.example, [::1],abc.onion") as other:

        async def ask(host, path="/v1/account"):
            request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
            return statuses(await raw(other.port, request.encode()))

        for host in ("chat.example", "CHAT.example:8443", "[::1]:8080", "abc.onion"):
            assert await ask(host) == [401]
        for host in ("other.example", "chat.example.evil", "xchat.example", "[::2]", "127.0.0.1", ""):
            assert await ask(host) == [421]
        assert await ask("10.0.0.7:8080", "/healthz") == [200]  # probes ask by address
        assert (await other.send("GET", "/v1/account")).reason == "unknown_host"
    assert (await stack.send("GET", "/v1/account", headers={"Host": "anything"})).status == 401


@pytest.mark.parametrize(
    ("address", "prefix"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("fe80::1%eth0", "fe80::/48"),
        ("", UNKNOWN),
        (None, UNKNOWN),
        ("203.0.113.77:1234", UNKNOWN),
        ("unix:", UNKNOWN),
    ],
)
async def test_prefixes(address, prefix):
    assert prefix_of(address) == prefix


async def test_addresses_by_hops():
    assert client_address("p", ["a, b", "c"], 0) == "p"
    assert client_address("p", ["a, b", "c"], 1) == "c"
    assert client_address("p", ["a, b", "c"], 2) == "b"
    assert client_address("p", ["a, b", "c"], 3) == "a"
    assert client_address("p", ["a, b", "c"], 4) is None
    assert client_address("p", [], 1) is None


@pytest.mark.parametrize(
    ("accept", "body", "answer"),
    [
        ("", None, Media.JSON),
        ("", Media.PROTOBUF, Media.PROTOBUF),
        ("*/*", Media.PROTOBUF, Media.PROTOBUF),
        ("*/*", None, Media.JSON),
        ("application/json", Media.PROTOBUF, Media.JSON),
        ("application/x-protobuf", Media.JSON, Media.PROTOBUF),
        ("application/*", None, Media.JSON),
        ("text/html, application/json;q=0.1, */*;q=0", Media.PROTOBUF, Media.JSON),
        ("application/json;q=0.5, application/x-protobuf;q=0.6", None, Media.PROTOBUF),
        ("application/json;q=0, */*", Media.JSON, Media.PROTOBUF),
        ("text/html", None, None),
        ("application/json;q=0", None, None),
        ("application/json;q=nan", None, None),
        ("application/json;q=7", None, None),
        (",;,", None, None),
        ("APPLICATION/JSON; Q=1", Media.PROTOBUF, Media.JSON),
    ],
)
async def test_negotiation(accept, body, answer):
    assert media.of_answer(accept, body) is answer
