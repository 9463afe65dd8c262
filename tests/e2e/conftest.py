"""One whole system for the session: two gateways and two signaling processes, real databases, mTLS between them."""

import asyncio

import pytest
from handshaker_local.testing import system  # noqa: F401

from e2e.parties import until_works
from e2e.rest import Account, gateway_at


@pytest.fixture
async def gateway(system):  # noqa: F811
    """A client of the first gateway, once it is ready: another test may have killed what it needs."""
    async with gateway_at(system.gateway_urls[0]) as client:
        for url in system.gateway_urls:
            await until_ready(url)
        yield client


async def until_ready(url, seconds=30):
    """Waits until a gateway says that it is ready."""
    async with gateway_at(url) as client:
        deadline = asyncio.get_running_loop().time() + seconds
        while (answer := await until_works(lambda: client.ask("GET", "/readyz"))).status != 200:
            assert asyncio.get_running_loop().time() < deadline, answer.body
            await asyncio.sleep(0.05)


@pytest.fixture
async def account(gateway):
    """A new account, logged in."""
    return await Account.register(gateway)
