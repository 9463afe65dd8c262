"""Stored frames in PostgreSQL: written, read and deleted in batches, each batch in one statement."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate

import asyncpg
from handshaker_common.postgres import answering

from handshaker_blobstore.domain.frames import (
    Day,
    FrameId,
    Hour,
    Outcome,
    Page,
    Put,
    Read,
    Removal,
    StoredFrame,
    expiry_hours,
    this_hour,
)
from handshaker_blobstore.domain.quota import COUNT, Headroom
from handshaker_blobstore.store.database import integers, lock_key

PUT = """
    SELECT put_frames(
        $1::text::bigint[], $2::text::integer[], $3,
        $4::text::integer[], $5::text::integer[], $6::text::integer[], $7, $8::text::integer[], $9::text::integer[], $10,
        $11, $12
    )
"""
STORED_BEFORE = """
    SELECT frames.recv_id, frames.frame_id
    FROM unnest($1::bytea[], $2::bytea[]) AS asked (recv_id, frame_id)
    JOIN frames ON frames.recv_id = asked.recv_id AND frames.frame_id = asked.frame_id
"""
# One row at least for each mailbox, so that it says whether there is one.
READ = """
    SELECT asked.position, mailboxes.recv_id IS NULL, found.sequence, found.frame_id, found.body, found.partition_day
    FROM unnest($1::bytea[], $2::bigint[], $3::integer[]) WITH ORDINALITY AS asked (recv_id, after, most, position)
    LEFT JOIN mailboxes ON mailboxes.recv_id = asked.recv_id
    LEFT JOIN LATERAL (
        SELECT sequence, frame_id, body, partition_day FROM frames
        WHERE frames.recv_id = asked.recv_id AND frames.sequence > asked.after AND frames.expires_hour > $4
        ORDER BY frames.sequence LIMIT asked.most
    ) AS found ON true
"""
# Knowing the day, PostgreSQL looks into that day's partition alone.
REMOVE_FROM_DAY = """
    DELETE FROM frames USING unnest($1::text::integer[]) WITH ORDINALITY AS done (day, place)
    WHERE frames.recv_id = substr($2::bytea, done.place::integer * 16 - 15, 16)
    AND frames.frame_id = substr($3::bytea, done.place::integer * 16 - 15, 16) AND frames.partition_day = done.day
"""
REMOVE = """
    DELETE FROM frames USING generate_series(1, length($1::bytea) / 16) AS done (place)
    WHERE frames.recv_id = substr($1::bytea, done.place * 16 - 15, 16)
    AND frames.frame_id = substr($2::bytea, done.place * 16 - 15, 16)
"""


class FrameStore:
    """Stores, reads and removes frames. Every method raises DatabaseUnavailable when PostgreSQL does not answer."""

    def __init__(self, pool: asyncpg.Pool, *, quota: int) -> None:
        self._pool = pool
        self._quota = quota
        self._headroom = Headroom()
        # What is in flight is in nobody's count, so one transaction at a time; the next one takes all that waits.
        self._putting = asyncio.Lock()

    async def put(self, puts: Sequence[Put], now: float) -> list[Outcome]:
        """Stores the frames, at most 512, in one transaction; returns after its commit, an outcome for each.

        A frame id that its mailbox holds already counts as stored and is not stored again.
        """
        async with self._putting:
            room, slots, ranks = await self._put(puts, now)
        outcomes = [
            Outcome.STORED if rank <= room[slot - 1] else Outcome.REFUSED if room[slot - 1] < 0 else Outcome.QUOTA
            for slot, rank in zip(slots, ranks, strict=True)
        ]
        if Outcome.QUOTA in outcomes:
            await self._recognise_repeats(puts, outcomes)
        return outcomes

    async def _put(self, puts: Sequence[Put], now: float) -> tuple[list[int], list[int], list[int]]:
        """The room that each mailbox had, and each frame's mailbox (from 1) and rank in it (from 1)."""
        frames = Counter([put.recv_id for put in puts])
        mailboxes = sorted(frames, key=lock_key)
        allowances = [self._headroom.claim(mailbox, frames[mailbox]) for mailbox in mailboxes]
        slot_of = {mailbox: slot for slot, mailbox in enumerate(mailboxes, 1)}
        slots, ranks = [], []
        reached = [0] * (len(mailboxes) + 1)
        for put in puts:
            slot = slot_of[put.recv_id]
            reached[slot] += 1
            slots.append(slot)
            ranks.append(reached[slot])
        sizes = [len(put.frame) for put in puts]
        async with answering():
            room = await self._pool.fetchval(
                PUT,
                integers(map(lock_key, mailboxes)),
                integers(allowances),
                b"".join(mailboxes),
                integers(slots),
                integers(ranks),
                integers(expiry_hours(now, [put.ttl_hours for put in puts])),
                b"".join([put.frame_id for put in puts]),
                integers([0, *accumulate(sizes[:-1])]),
                integers(sizes),
                b"".join([put.frame for put in puts]),
                self._quota,
                this_hour(now),
            )
        for mailbox, allowance, free in zip(mailboxes, allowances, room, strict=True):
            if allowance == COUNT:
                self._headroom.learn(mailbox, free - frames[mailbox])
        return room, slots, ranks

    async def _recognise_repeats(self, puts: Sequence[Put], outcomes: list[Outcome]) -> None:
        """A full mailbox may hold the very frame that was refused a place."""
        places = [place for place, outcome in enumerate(outcomes) if outcome is Outcome.QUOTA]
        recv_ids, frame_ids = [puts[place].recv_id for place in places], [puts[place].frame_id for place in places]
        async with answering():
            rows = await self._pool.fetch(STORED_BEFORE, recv_ids, frame_ids)
        stored = {(row[0], row[1]) for row in rows}
        for place, frame in zip(places, zip(recv_ids, frame_ids, strict=True), strict=True):
            if frame in stored:
                outcomes[place] = Outcome.STORED

    async def read(self, reads: Sequence[Read], hour: Hour) -> list[Page]:
        """The next frames of each mailbox, at most `limit` of them, without those that have expired by `hour`."""
        async with answering():
            rows = await self._pool.fetch(
                READ,
                [read.recv_id for read in reads],
                [read.after for read in reads],
                [read.limit + 1 for read in reads],  # one more than is shown tells whether more follow
                hour,
            )
        found: list[list[StoredFrame]] = [[] for _ in reads]
        unknown = [False] * len(reads)
        for position, is_unknown, sequence, frame_id, body, day in rows:
            if sequence is None:
                unknown[position - 1] = is_unknown
            else:
                found[position - 1].append(StoredFrame(sequence, FrameId(frame_id), body, Day(day)))
        return [
            Page(frames[: read.limit], len(frames) > read.limit, missing)
            for read, frames, missing in zip(reads, found, unknown, strict=True)
        ]

    async def remove(self, removals: Sequence[Removal]) -> int:
        """Deletes the frames that are there; how many were."""
        filed = [removal for removal in removals if removal.partition_day is not None]
        searched = [removal for removal in removals if removal.partition_day is None]
        removed = 0
        async with answering():
            if filed:
                days = integers([removal.partition_day or 0 for removal in filed])
                removed += _rows(await self._pool.execute(REMOVE_FROM_DAY, days, *_packed(filed)))
            if searched:
                removed += _rows(await self._pool.execute(REMOVE, *_packed(searched)))
        return removed


def _packed(removals: Sequence[Removal]) -> tuple[bytes, bytes]:
    """Ids one after the other, as in `put_frames`."""
    return b"".join([each.recv_id for each in removals]), b"".join([each.frame_id for each in removals])


def _rows(status: str) -> int:
    """How many rows a statement's status ("DELETE 3") speaks of."""
    return int(status.rpartition(" ")[2])
