"""OpenPGP certificates beside bundles, over real gRPC and in a real PostgreSQL."""

import asyncio
import secrets

import grpc
import pytest
from handshaker_proto.keys.v1 import keys_pb2

LARGEST = 8_192


def arm(answer):
    return answer.WhichOneof("outcome")


class Certificates:
    """The three methods as their callers use them."""

    def __init__(self, api):
        self._owners, self._strangers = api.owners, api.strangers

    async def publish(self, owner, certificate, bundle_id=None):
        request = keys_pb2.PublishOpenPgpRequest(bundle_id=bundle_id or owner.bundle_id, certificate=certificate)
        return await self._owners.PublishOpenPgp(request, metadata=owner.metadata)

    async def unpublish(self, owner, bundle_id=None):
        request = keys_pb2.UnpublishOpenPgpRequest(bundle_id=bundle_id or owner.bundle_id)
        return await self._owners.UnpublishOpenPgp(request, metadata=owner.metadata)

    async def fetch(self, bundle_id, metadata=()):
        return await self._strangers.FetchOpenPgp(keys_pb2.FetchOpenPgpRequest(bundle_id=bundle_id), metadata=metadata)


@pytest.fixture
def certificates(api):
    return Certificates(api)


async def test_a_certificate_is_found_until_its_owner_takes_it_back(api, certificates, owner):
    await api.publish(owner)
    first, second = secrets.token_bytes(700), secrets.token_bytes(LARGEST)
    for certificate in (first, second):
        assert arm(await certificates.publish(owner, certificate)) == "published"
        assert (await certificates.fetch(owner.bundle_id)).found.certificate == certificate
    for _ in range(2):
        await certificates.unpublish(owner)
        assert arm(await certificates.fetch(owner.bundle_id)) == "refused"


async def test_no_bundle_and_no_certificate_are_one_answer(api, certificates, owner):
    await api.publish(owner)
    unknown, without = await certificates.fetch(secrets.token_bytes(16)), await certificates.fetch(owner.bundle_id)
    assert unknown == without
    assert arm(unknown) == "refused"
    await certificates.publish(owner, b"certificate")
    assert arm(await certificates.fetch(owner.bundle_id)) == "found"


async def test_only_the_bundles_owner_publishes_and_unpublishes(api, certificates, owner, new_owner):
    await api.publish(owner)
    mine = secrets.token_bytes(700)
    await certificates.publish(owner, mine)
    other = new_owner()
    assert arm(await certificates.publish(other, b"theirs", owner.bundle_id)) == "refused"
    await certificates.unpublish(other, owner.bundle_id)
    assert (await certificates.fetch(owner.bundle_id)).found.certificate == mine


async def test_a_certificate_needs_a_bundle(pool, certificates, owner):
    assert arm(await certificates.publish(owner, b"certificate")) == "refused"
    assert await pool.fetchval("SELECT count(*) FROM openpgp_certificates") == 0


async def test_a_certificate_goes_with_its_bundle(pool, api, certificates, owner):
    await api.publish(owner)
    await certificates.publish(owner, b"certificate")
    await pool.execute("DELETE FROM bundles WHERE bundle_id = $1", owner.bundle_id)
    assert arm(await certificates.fetch(owner.bundle_id)) == "refused"
    assert await pool.fetchval("SELECT count(*) FROM openpgp_certificates") == 0


async def test_publishing_the_same_many_times_at_once_keeps_one_of_them(pool, api, certificates, owner):
    await api.publish(owner)
    wanted = [secrets.token_bytes(700) for _ in range(20)]
    answers = await asyncio.gather(*(certificates.publish(owner, certificate) for certificate in wanted))
    assert {arm(answer) for answer in answers} == {"published"}
    assert (await certificates.fetch(owner.bundle_id)).found.certificate in wanted
    assert await pool.fetchval("SELECT count(*) FROM openpgp_certificates") == 1


@pytest.mark.parametrize("size", [0, LARGEST + 1])
async def test_an_empty_or_too_large_certificate_changes_nothing(api, certificates, owner, rejection, size):
    await api.publish(owner)
    await certificates.publish(owner, b"certificate")
    code, reason, sentence = await rejection(certificates.publish(owner, bytes(size)))
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "malformed")
    assert "certificate" in sentence
    assert (await certificates.fetch(owner.bundle_id)).found.certificate == b"certificate"


async def test_owners_need_a_token_and_strangers_must_not_have_one(api, certificates, owner, rejection):
    await api.publish(owner)
    await certificates.publish(owner, b"certificate")
    assert (await rejection(certificates.fetch(owner.bundle_id, owner.metadata)))[1] == "token_on_anonymous_plane"
    nobody = keys_pb2.PublishOpenPgpRequest(bundle_id=owner.bundle_id, certificate=b"x")
    assert (await rejection(api.owners.PublishOpenPgp(nobody)))[1] == "unauthenticated"
    assert (await certificates.fetch(owner.bundle_id)).found.certificate == b"certificate"
