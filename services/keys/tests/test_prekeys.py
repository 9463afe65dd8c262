"""Bundles and one-time prekeys, over real gRPC and in a real PostgreSQL."""

import asyncio
import secrets
from collections import Counter

import grpc
import pytest
from handshaker_common import metrics
from handshaker_common.postgres import service_database
from handshaker_keys.domain import BUNDLES_PER_ACCOUNT
from handshaker_keys.main import PACKAGE
from handshaker_keys.store import KeysStore
from handshaker_proto.keys.v1 import keys_pb2


def arm(answer):
    return answer.WhichOneof("outcome")


async def counted(api, owner):
    counts = (await api.counts(owner)).counts
    return counts.one_time_prekeys, counts.kem_prekeys


async def test_a_bundle_is_handed_out_as_it_was_published_with_one_key_of_each_kind(api, owner):
    published, upload = owner.bundle(), owner.upload(ec=(1, 2), kem=(5,))
    assert arm(await api.publish(owner, published)) == "published"
    assert arm(await api.upload(owner, upload)) == "counts"
    first, second, third = [(await api.fetch(owner.bundle_id)).bundle for _ in range(3)]
    assert first.base == second.base == third.base == published.base
    assert [first.one_time_prekey, second.one_time_prekey] == list(upload.one_time_prekeys)
    assert first.kem_prekey == upload.kem_prekeys[0]
    assert not second.HasField("kem_prekey")
    assert not third.HasField("one_time_prekey")
    assert await counted(api, owner) == (0, 0)


async def test_two_hundred_takers_of_a_hundred_keys_get_each_once_and_the_rest_none(settings, pool, api, owner):
    await api.publish(owner)
    ids = range(100)
    await api.upload(owner, owner.upload(ec=ids, kem=ids[:50]))
    await api.upload(owner, owner.upload(kem=ids[50:]))
    async with service_database(settings, PACKAGE) as second_pool:
        stores = [KeysStore(pool), KeysStore(second_pool)]
        bundles = await asyncio.gather(*(stores[i % 2].take(owner.bundle_id) for i in range(200)))
    for kind in ("one_time_prekey", "kem_prekey"):
        keys = [getattr(bundle, kind) for bundle in bundles]
        assert Counter(None if key is None else key.key_id for key in keys) == {None: 100} | dict.fromkeys(ids, 1)
    assert await counted(api, owner) == (0, 0)


async def test_uploading_and_taking_at_once_loses_and_repeats_nothing(pool, api, owner):
    await api.publish(owner)
    store = KeysStore(pool)

    async def taken():
        return await store.take(owner.bundle_id)

    uploads = [api.upload(owner, owner.upload(ec=range(10 * i, 10 * i + 10))) for i in range(8)]
    results = await asyncio.gather(*uploads, *(taken() for _ in range(40)))
    ids = [bundle.one_time_prekey.key_id for bundle in results[8:] if bundle.one_time_prekey is not None]
    assert len(ids) == len(set(ids))
    assert {arm(answer) for answer in results[:8]} == {"counts"}
    assert await counted(api, owner) == (80 - len(ids), 0)


async def test_the_lack_of_one_time_keys_is_counted(api, owner):
    kinds = [metrics.PREKEYS_EXHAUSTED.labels(kind) for kind in ("ec", "kem")]
    before = [kind._value.get() for kind in kinds]
    await api.publish(owner)
    await api.upload(owner, owner.upload(ec=[1]))
    for _ in range(2):
        await api.fetch(owner.bundle_id)
    assert [kind._value.get() - b for kind, b in zip(kinds, before, strict=True)] == [1, 2]


async def test_publishing_again_replaces_the_base_and_keeps_one_time_keys(api, owner):
    await api.publish(owner)
    await api.upload(owner, owner.upload(ec=[1], kem=[1]))
    again = owner.bundle()
    assert arm(await api.publish(owner, again)) == "published"
    assert await counted(api, owner) == (1, 1)
    assert (await api.fetch(owner.bundle_id)).bundle.base == again.base


async def test_an_id_that_is_there_is_left_as_it_is(api, owner):
    await api.publish(owner)
    first, second = owner.upload(ec=[1], kem=[1]), owner.upload(ec=[1, 2, 2], kem=[1])
    await api.upload(owner, first)
    counts = (await api.upload(owner, second)).counts
    assert (counts.one_time_prekeys, counts.kem_prekeys) == (2, 1)
    bundle = (await api.fetch(owner.bundle_id)).bundle
    assert (bundle.one_time_prekey, bundle.kem_prekey) == (first.one_time_prekeys[0], first.kem_prekeys[0])


async def test_one_time_keys_have_a_limit_and_an_upload_beyond_it_changes_nothing(api, owner):
    await api.publish(owner)
    await api.upload(owner, owner.upload(ec=range(100), kem=range(99)))
    assert arm(await api.upload(owner, owner.upload(ec=range(100, 199)))) == "counts"
    for upload in (owner.upload(ec=(300, 301)), owner.upload(ec=[300], kem=(300, 301))):
        assert arm(await api.upload(owner, upload)) == "refused"
        assert await counted(api, owner) == (199, 99)
    assert arm(await api.upload(owner, owner.upload(ec=[300], kem=[300]))) == "counts"
    assert await counted(api, owner) == (200, 100)


async def test_the_limit_holds_for_concurrent_uploads(api, owner):
    await api.publish(owner)
    answers = await asyncio.gather(*(api.upload(owner, owner.upload(ec=range(50 * i, 50 * i + 50))) for i in range(8)))
    assert Counter(arm(answer) for answer in answers) == {"counts": 4, "refused": 4}
    assert await counted(api, owner) == (200, 0)


async def test_only_its_owner_may_touch_or_count_a_bundle(api, owner, new_owner):
    thief = new_owner()
    published, upload = owner.bundle(), owner.upload(ec=[1])
    await api.publish(owner, published)
    unknown = secrets.token_bytes(16)
    for bundle_id in (owner.bundle_id, unknown):
        upload.bundle_id = bundle_id
        assert arm(await api.upload(thief, upload)) == "refused"
        assert arm(await api.counts(thief, bundle_id)) == "refused"
    assert arm(await api.publish(thief, thief.bundle(owner.bundle_id))) == "refused"
    upload.bundle_id = owner.bundle_id
    assert arm(await api.upload(owner, upload)) == "counts"
    assert arm(await api.counts(owner)) == "counts"
    assert (await api.fetch(owner.bundle_id)).bundle.base == published.base
    assert arm(await api.publish(thief)) == "published"


async def test_what_is_wrong_with_keys_is_told_to_the_owner_alone(api, owner, new_owner, rejection):
    await api.publish(owner)
    misfit = owner.upload(kem=[1])
    misfit.kem_prekeys[0].public_key = bytes(1_567)
    assert arm(await api.upload(new_owner(), misfit)) == "refused"
    assert (await rejection(api.upload(owner, misfit)))[1] == "malformed"


async def test_an_account_has_so_many_bundles_at_the_most(api, owner, new_owner):
    ids = [secrets.token_bytes(16) for _ in range(BUNDLES_PER_ACCOUNT + 4)]
    answers = await asyncio.gather(*(api.publish(owner, owner.bundle(bundle_id)) for bundle_id in ids))
    assert Counter(arm(answer) for answer in answers) == {"published": BUNDLES_PER_ACCOUNT, "refused": 4}
    kept = ids[[arm(answer) for answer in answers].index("published")]
    assert arm(await api.publish(owner, owner.bundle(kept))) == "published"
    assert arm(await api.publish(new_owner())) == "published"


async def test_an_unknown_bundle_is_refused(api, owner):
    await api.publish(owner)
    assert arm(await api.fetch(secrets.token_bytes(16))) == "refused"
    assert arm(await api.fetch(owner.bundle_id)) == "bundle"


async def test_a_bundle_keeps_its_suite(pool, api, owner):
    await api.publish(owner)
    await pool.execute("UPDATE bundles SET suite = 2")
    assert arm(await api.publish(owner)) == "refused"
    await pool.execute("UPDATE bundles SET suite = 1")
    assert arm(await api.publish(owner)) == "published"


@pytest.mark.parametrize(
    "path_and_size",
    [
        (("", "identity_key"), 32),
        (("", "seal_key"), 1_216),
        (("", "seal_key_signature"), 64),
        (("", "device_certificate"), 169),
        (("signed_prekey", "public_key"), 32),
        (("signed_prekey", "signature"), 64),
        (("last_resort_kem_prekey", "public_key"), 1_568),
        (("last_resort_kem_prekey", "signature"), 64),
    ],
)
async def test_a_base_of_the_wrong_size_is_rejected_and_nothing_changes(api, owner, rejection, path_and_size):
    (part, field), size = path_and_size
    good = owner.bundle()
    await api.publish(owner, good)
    for change in (-1, 1):
        bad = owner.bundle()
        target = getattr(bad.base, part) if part else bad.base
        setattr(target, field, bytes(size + change))
        code, reason, sentence = await rejection(api.publish(owner, bad))
        assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "malformed")
        assert field in sentence
        assert str(size) in sentence
    assert (await api.fetch(owner.bundle_id)).bundle.base == good.base


async def test_a_base_with_parts_missing_or_of_no_known_suite_is_rejected(api, owner, rejection):
    for part in ("signed_prekey", "last_resort_kem_prekey", "identity_key", "suite"):
        request = owner.bundle()
        request.base.ClearField(part)
        assert (await rejection(api.publish(owner, request)))[1] == "malformed"
    unknown_suite, no_base = owner.bundle(), keys_pb2.PublishBundleRequest(bundle_id=owner.bundle_id)
    unknown_suite.base.suite = 2
    for request in (unknown_suite, no_base):
        assert (await rejection(api.publish(owner, request)))[1] == "malformed"
    assert arm(await api.publish(owner)) == "published"


async def test_one_time_keys_of_the_wrong_size_or_number_are_rejected_and_none_is_added(api, owner, rejection):
    await api.publish(owner)
    bad = []
    for size in (31, 33):
        request = owner.upload(ec=(1, 2), kem=[1])
        request.one_time_prekeys[1].public_key = bytes(size)
        bad.append(request)
    for field, sizes in (("public_key", (1_567, 1_569)), ("signature", (63, 65))):
        for size in sizes:
            request = owner.upload(ec=[1], kem=(1, 2))
            setattr(request.kem_prekeys[1], field, bytes(size))
            bad.append(request)
    bad += [owner.upload(ec=range(101)), owner.upload(kem=range(101))]
    for request in bad:
        assert (await rejection(api.upload(owner, request)))[1] == "malformed"
    assert await counted(api, owner) == (0, 0)
    assert arm(await api.upload(owner, owner.upload(ec=range(100), kem=range(100)))) == "counts"


async def test_bundle_ids_of_the_wrong_size_are_rejected(api, owner, rejection):
    for size in (15, 17):
        request = owner.bundle()
        request.bundle_id = bytes(size)
        assert (await rejection(api.publish(owner, request)))[1] == "malformed"
        assert (await rejection(api.fetch(bytes(size))))[1] == "malformed"
        assert (await rejection(api.counts(owner, bytes(size))))[1] == "malformed"
