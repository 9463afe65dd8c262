"""Storing, reading and removing frames in a real PostgreSQL."""

import asyncio
import contextlib
import os

import pytest
from blobstore_world import QUOTA, Stores, open_stores
from handshaker_blobstore.domain.frames import (
    Day,
    FrameId,
    Outcome,
    Put,
    Read,
    Removal,
    StoredFrame,
    partition_days,
    this_hour,
)
from handshaker_blobstore.domain.quota import MOST_CLAIMED
from handshaker_common.ids import RecvId
from handshaker_common.testing import FakeClock

FRAME = os.urandom(2_048)
LARGE_FRAME = os.urandom(16_384)
STRANGER = RecvId(b"nobody's mailbox")
DAY = 86_400


def put(mailbox: RecvId, *, frame: bytes = FRAME, ttl: int = 336, frame_id: bytes | None = None) -> Put:
    return Put(mailbox, FrameId(frame_id or os.urandom(16)), frame, ttl)


async def held(stores: Stores, mailbox: RecvId) -> list[StoredFrame]:
    """Everything in a mailbox, page by page."""
    frames: list[StoredFrame] = []
    while True:
        after = frames[-1].sequence if frames else 0
        [page] = await stores.frames.read([Read(mailbox, after, 32)], this_hour(stores.clock.now()))
        frames += page.frames
        if not page.more:
            return frames


async def store(stores: Stores, *puts: Put) -> list[Outcome]:
    return await stores.frames.put(puts, stores.clock.now())


async def test_frames_come_back_whole_and_in_order(stores: Stores) -> None:
    mailbox, other = await stores.create(), await stores.create()
    puts = [
        put(mailbox.recv_id),
        put(other.recv_id),
        put(mailbox.recv_id, frame=LARGE_FRAME),
        put(mailbox.recv_id, ttl=1),
        put(mailbox.recv_id),
    ]
    assert await store(stores, *puts) == [Outcome.STORED] * 5
    got = await held(stores, mailbox.recv_id)
    assert [(each.frame_id, each.frame) for each in got] == [
        (each.frame_id, each.frame) for each in puts if each.recv_id == mailbox.recv_id
    ]
    assert [each.sequence for each in got] == sorted({each.sequence for each in got})
    assert len({each.partition_day for each in got}) == 2
    assert [each.frame_id for each in await held(stores, other.recv_id)] == [puts[1].frame_id]


async def test_a_batch_may_mix_known_and_unknown_mailboxes(stores: Stores) -> None:
    mailbox = await stores.create()
    outcomes = await store(stores, put(STRANGER), put(mailbox.recv_id), put(STRANGER))
    assert outcomes == [Outcome.REFUSED, Outcome.STORED, Outcome.REFUSED]
    assert await held(stores, STRANGER) == []
    assert len(await held(stores, mailbox.recv_id)) == 1


async def test_a_page_says_that_there_is_no_mailbox(stores: Stores) -> None:
    empty, filled = await stores.create(), await stores.create()
    await store(stores, put(filled.recv_id))
    reads = [Read(recv_id, 0, 32) for recv_id in (STRANGER, empty.recv_id, filled.recv_id)]
    pages = await stores.frames.read(reads, this_hour(stores.clock.now()))
    assert [(page.unknown, len(page.frames)) for page in pages] == [(True, 0), (False, 0), (False, 1)]


async def test_a_repeated_frame_is_stored_once_and_says_so(stores: Stores) -> None:
    mailbox = await stores.create()
    one = put(mailbox.recv_id)
    assert await store(stores, one, one) == [Outcome.STORED] * 2
    assert await store(stores, one) == [Outcome.STORED]
    assert len(await held(stores, mailbox.recv_id)) == 1


async def test_the_same_frame_id_in_two_mailboxes_is_two_frames(stores: Stores) -> None:
    first, second = await stores.create(), await stores.create()
    same = os.urandom(16)
    await store(stores, put(first.recv_id, frame_id=same), put(second.recv_id, frame_id=same))
    assert len(await held(stores, first.recv_id)) == len(await held(stores, second.recv_id)) == 1


async def test_pages_follow_the_cursor(stores: Stores) -> None:
    mailbox, empty = await stores.create(), await stores.create()
    await store(stores, *(put(mailbox.recv_id, ttl=1 + number % 3 * 48) for number in range(10)))
    hour = this_hour(stores.clock.now())
    first, none = await stores.frames.read([Read(mailbox.recv_id, 0, 4), Read(empty.recv_id, 0, 4)], hour)
    assert (len(first.frames), first.more) == (4, True)
    assert (none.frames, none.more) == ([], False)
    [second] = await stores.frames.read([Read(mailbox.recv_id, first.frames[-1].sequence, 6)], hour)
    assert (len(second.frames), second.more) == (6, False)
    [end] = await stores.frames.read([Read(mailbox.recv_id, second.frames[-1].sequence, 6)], hour)
    assert (end.frames, end.more) == ([], False)
    assert len({each.frame_id for each in [*first.frames, *second.frames]}) == 10


async def test_one_mailbox_may_be_read_from_two_cursors_at_once(stores: Stores) -> None:
    mailbox = await stores.create()
    await store(stores, *(put(mailbox.recv_id) for _ in range(3)))
    everything = await held(stores, mailbox.recv_id)
    pages = await stores.frames.read(
        [Read(mailbox.recv_id, 0, 2), Read(mailbox.recv_id, everything[1].sequence, 2)], this_hour(stores.clock.now())
    )
    assert [page.frames for page in pages] == [everything[:2], everything[2:]]


@pytest.mark.parametrize("knows_the_day", [True, False])
async def test_removed_frames_are_gone_and_others_stay(stores: Stores, *, knows_the_day: bool) -> None:
    mailbox, other = await stores.create(), await stores.create()
    same = os.urandom(16)
    await store(
        stores, put(mailbox.recv_id, frame_id=same), put(mailbox.recv_id, ttl=5), put(other.recv_id, frame_id=same)
    )
    gone, stays = await held(stores, mailbox.recv_id)
    day = gone.partition_day if knows_the_day else None
    assert await stores.frames.remove([Removal(mailbox.recv_id, gone.frame_id, day)]) == 1
    assert await held(stores, mailbox.recv_id) == [stays]
    assert len(await held(stores, other.recv_id)) == 1
    assert await stores.frames.remove([Removal(mailbox.recv_id, gone.frame_id, day)]) == 0


async def test_removal_with_a_wrong_day_removes_nothing(stores: Stores) -> None:
    mailbox = await stores.create()
    await store(stores, put(mailbox.recv_id))
    [frame] = await held(stores, mailbox.recv_id)
    wrong = [Removal(mailbox.recv_id, frame.frame_id, Day(day)) for day in (frame.partition_day - 1, 1)]
    assert await stores.frames.remove(wrong) == 0
    assert await held(stores, mailbox.recv_id) == [frame]


async def test_the_quota_is_exact_under_concurrency(stores: Stores) -> None:
    mailbox = await stores.create()
    attempts = [[put(mailbox.recv_id) for _ in range(7)] for _ in range(90)]
    outcomes = [
        each for batch in await asyncio.gather(*(store(stores, *batch) for batch in attempts)) for each in batch
    ]
    assert outcomes.count(Outcome.STORED) == QUOTA
    assert outcomes.count(Outcome.QUOTA) == 630 - QUOTA
    stored = {each.frame_id for each in await held(stores, mailbox.recv_id)}
    sent = [each.frame_id for batch in attempts for each in batch]
    assert stored == {frame for frame, outcome in zip(sent, outcomes, strict=True) if outcome is Outcome.STORED}


async def test_several_processes_exceed_the_quota_by_less_than_their_allowances(
    database: str, clock: FakeClock
) -> None:
    async with contextlib.AsyncExitStack() as closing:
        processes = [await open_stores(database, clock) for _ in range(3)]
        for each in processes:
            closing.push_async_callback(each.pool.close)
        mailbox = await processes[0].create()

        async def fill(process: Stores, number: int) -> None:
            for round_ in range(60):
                await store(process, *(put(mailbox.recv_id) for _ in range(1 + (round_ + number) % 7)))

        await asyncio.gather(*(fill(process, number) for number, process in enumerate(processes)))
        total = await processes[0].pool.fetchval("SELECT count(*) FROM frames")
        assert QUOTA <= total <= QUOTA + MOST_CLAIMED * 2
        # A process that knows that the mailbox is full stores nothing more.
        refused = [await store(process, put(mailbox.recv_id)) for process in processes for _ in range(MOST_CLAIMED + 1)]
        assert refused[-1] == [Outcome.QUOTA]
        assert await processes[0].pool.fetchval("SELECT count(*) FROM frames") <= QUOTA + MOST_CLAIMED * 2


async def test_a_full_mailbox_takes_frames_again_after_removal(stores: Stores) -> None:
    mailbox = await stores.create()
    await store(stores, *(put(mailbox.recv_id) for _ in range(QUOTA)))
    assert await store(stores, put(mailbox.recv_id)) == [Outcome.QUOTA]
    first, second = (await held(stores, mailbox.recv_id))[:2]
    await stores.frames.remove(
        [Removal(mailbox.recv_id, each.frame_id, each.partition_day) for each in (first, second)]
    )
    assert await store(stores, *(put(mailbox.recv_id) for _ in range(3))) == [Outcome.STORED] * 2 + [Outcome.QUOTA]


async def test_a_full_mailbox_still_knows_what_it_holds(stores: Stores) -> None:
    mailbox = await stores.create()
    puts = [put(mailbox.recv_id) for _ in range(QUOTA)]
    await store(stores, *puts)
    again = await store(stores, puts[0], put(mailbox.recv_id), puts[-1])
    assert again == [Outcome.STORED, Outcome.QUOTA, Outcome.STORED]
    assert len(await held(stores, mailbox.recv_id)) == QUOTA


async def test_a_full_mailbox_does_not_stop_the_others_of_its_batch(stores: Stores) -> None:
    full, free = await stores.create(), await stores.create()
    await store(stores, *(put(full.recv_id) for _ in range(QUOTA)))
    assert await store(stores, put(full.recv_id), put(free.recv_id)) == [Outcome.QUOTA, Outcome.STORED]


async def test_expired_frames_are_not_read_and_do_not_fill_the_mailbox(stores: Stores) -> None:
    mailbox = await stores.create()
    await store(stores, *(put(mailbox.recv_id, ttl=1) for _ in range(QUOTA)))
    assert await store(stores, put(mailbox.recv_id)) == [Outcome.QUOTA]
    stores.clock.advance(3_599)
    assert len(await held(stores, mailbox.recv_id)) == QUOTA
    stores.clock.advance(3_601)
    assert await held(stores, mailbox.recv_id) == []
    assert await store(stores, put(mailbox.recv_id)) == [Outcome.STORED]


async def test_a_past_day_is_dropped_as_a_table(stores: Stores) -> None:
    mailbox = await stores.create()
    await store(stores, put(mailbox.recv_id, ttl=1, frame=LARGE_FRAME), put(mailbox.recv_id, ttl=100))
    short, _ = await held(stores, mailbox.recv_id)
    relation = f"frames_day_{short.partition_day}"
    toast = await stores.pool.fetchval(
        "SELECT reltoastrelid::regclass::text FROM pg_class WHERE relname = $1", relation
    )
    exists = "SELECT count(*) FROM pg_class WHERE oid = to_regclass($1)"
    assert await stores.pool.fetchval(exists, relation) == 1
    assert await stores.pool.fetchval(f"SELECT count(*) FROM {toast}") > 0

    stores.clock.advance(2 * DAY)
    dropped = await stores.partitions.arrange(partition_days(stores.clock.now()))
    assert short.partition_day in dropped
    assert await stores.pool.fetchval(exists, relation) == 0
    assert await stores.pool.fetchval(exists, toast) == 0
    assert [each.frame_id for each in await held(stores, mailbox.recv_id)] != []
    assert await stores.frames.remove([Removal(mailbox.recv_id, short.frame_id, short.partition_day)]) == 0
    # Days that came into reach have their partitions now.
    assert await store(stores, put(mailbox.recv_id, ttl=336)) == [Outcome.STORED]


async def test_partitions_are_arranged_by_several_processes_at_once(database: str, clock: FakeClock) -> None:
    first = await open_stores(database, clock)
    clock.advance(3 * DAY)
    needed = partition_days(clock.now())
    await asyncio.gather(*(first.partitions.arrange(needed) for _ in range(4)))
    assert await first.partitions.days() == set(needed)
    assert await first.partitions.arrange(needed) == []
    await first.pool.close()


async def test_frames_lie_in_the_table_uncompressed_and_large_ones_beside_it(stores: Stores) -> None:
    mailbox = await stores.create()
    await store(stores, put(mailbox.recv_id, frame=bytes(2_048)))
    [small] = await held(stores, mailbox.recv_id)
    toast = await stores.pool.fetchval(
        "SELECT reltoastrelid::regclass::text FROM pg_class WHERE relname = $1", f"frames_day_{small.partition_day}"
    )
    assert await stores.pool.fetchval("SELECT pg_column_size(body) FROM frames") >= 2_048
    assert await stores.pool.fetchval(f"SELECT count(*) FROM {toast}") == 0
    await store(stores, put(mailbox.recv_id, frame=bytes(16_384)))
    assert await stores.pool.fetchval(f"SELECT count(*) FROM {toast}") > 0


async def test_what_was_read_is_never_overtaken(stores: Stores, database: str) -> None:
    """Two processes store into one mailbox while it is read by cursor: the cursor misses nothing."""
    other = await open_stores(database, stores.clock)
    mailbox = await stores.create()
    seen: list[FrameId] = []
    writing = asyncio.gather(
        *(store(process, put(mailbox.recv_id), put(mailbox.recv_id)) for process in (stores, other) for _ in range(60))
    )
    cursor = 0
    while True:
        finished = writing.done()
        [page] = await stores.frames.read([Read(mailbox.recv_id, cursor, 32)], this_hour(stores.clock.now()))
        if page.frames:
            cursor = page.frames[-1].sequence
            seen += [each.frame_id for each in page.frames]
        elif finished:
            break
    assert len(seen) == len(set(seen)) == 240
    await other.pool.close()
