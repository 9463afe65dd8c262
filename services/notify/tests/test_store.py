"""Targets in a real PostgreSQL."""

import asyncio
import os

from handshaker_common.ids import WakeId, wake_id
from handshaker_notify.domain.targets import SealedTarget
from handshaker_notify.store import WakeTargetStore

DAY = 20_000


def target(owner: bytes, revision: int = 1) -> SealedTarget:
    return SealedTarget(wake_id(owner), owner, os.urandom(1_648), revision)


async def test_a_target_is_replaced_by_a_later_revision_alone(store: WakeTargetStore) -> None:
    owner = os.urandom(32)
    first, equal, older, later = target(owner, 5), target(owner, 5), target(owner, 4), target(owner, 6)
    assert await store.put(first, DAY)
    assert not await store.put(equal, DAY)
    assert not await store.put(older, DAY)
    assert await store.find([first.wake_id]) == {first.wake_id: first.sealed}
    assert await store.put(later, DAY)
    assert await store.find([first.wake_id]) == {first.wake_id: later.sealed}


async def test_of_many_at_once_the_latest_stays(store: WakeTargetStore) -> None:
    owner = os.urandom(32)
    targets = [target(owner, revision) for revision in range(1, 21)]
    await asyncio.gather(*(store.put(each, DAY) for each in targets))
    assert await store.find([wake_id(owner)]) == {wake_id(owner): targets[-1].sealed}


async def test_only_what_is_there_is_found(store: WakeTargetStore) -> None:
    first, second = target(os.urandom(32)), target(os.urandom(32))
    await store.put(first, DAY)
    await store.put(second, DAY)
    await store.delete(second.wake_id)
    await store.delete(second.wake_id)
    unknown = WakeId(os.urandom(16))
    assert await store.find([first.wake_id, second.wake_id, unknown, first.wake_id]) == {first.wake_id: first.sealed}


async def test_unused_targets_are_deleted_and_used_ones_stay(store: WakeTargetStore) -> None:
    used, unused = target(os.urandom(32)), target(os.urandom(32))
    for each in (used, unused):
        await store.put(each, DAY)
    await store.touch([used.wake_id, WakeId(os.urandom(16))], DAY + 10)
    await store.touch([used.wake_id], DAY - 10)
    assert await store.delete_unused(DAY) == 0
    assert await store.delete_unused(DAY + 10) == 1
    assert set(await store.find([used.wake_id, unused.wake_id])) == {used.wake_id}


async def test_every_column_says_its_class_and_retention(store: WakeTargetStore) -> None:
    columns = await store._pool.fetch(
        """
        SELECT attname, coalesce(col_description(attrelid, attnum), '') ~ '^class=[A-Z]+; retention=[A-Z_]+; .+'
        FROM pg_attribute WHERE attrelid = 'wake_targets'::regclass AND attnum > 0
        """
    )
    assert len(columns) == 5
    assert all(declared for _, declared in columns)
