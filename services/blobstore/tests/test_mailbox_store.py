"""Mailboxes in a real PostgreSQL."""

import asyncio
import os

from blobstore_world import Stores, new_mailbox
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from handshaker_blobstore.domain.frames import Day, FrameId, Outcome, Put
from handshaker_blobstore.domain.mailboxes import Resolved
from handshaker_common.ids import RecvId, SendId


def put(mailbox: RecvId) -> Put:
    return Put(mailbox, FrameId(os.urandom(16)), bytes(2_048), 24)


async def test_creation_is_idempotent_and_refuses_a_different_mailbox(stores: Stores) -> None:
    key = Ed25519PrivateKey.generate()
    mailbox = new_mailbox(key)
    assert await stores.mailboxes.create(mailbox, stores.day)
    assert await stores.mailboxes.create(mailbox, stores.day)
    assert not await stores.mailboxes.create(new_mailbox(key, secret_hash=b"x" * 32), stores.day)
    assert not await stores.mailboxes.create(new_mailbox(key, wake_id=b"w" * 16), stores.day)
    assert await stores.pool.fetchval("SELECT count(*) FROM mailboxes") == 1
    assert await stores.mailboxes.resolve([mailbox.send_id]) == [
        Resolved(mailbox.recv_id, mailbox.send_secret_hash, None)
    ]


async def test_resolving_keeps_the_order_and_shows_gaps(stores: Stores) -> None:
    first = await stores.create()
    second = new_mailbox(wake_id=b"w" * 16)
    await stores.mailboxes.create(second, stores.day)
    asked = [second.send_id, SendId(os.urandom(16)), first.send_id, second.send_id]
    found = await stores.mailboxes.resolve(asked)
    assert [each and each.recv_id for each in found] == [second.recv_id, None, first.recv_id, second.recv_id]
    assert [each and each.wake_id for each in found] == [b"w" * 16, None, None, b"w" * 16]


async def test_a_deleted_mailbox_takes_its_frames_along_and_refuses_more(stores: Stores) -> None:
    mailbox, other = await stores.create(), await stores.create()
    now = stores.clock.now()
    await stores.frames.put([put(mailbox.recv_id), put(other.recv_id), put(mailbox.recv_id)], now)
    await stores.mailboxes.delete(mailbox.recv_id)
    await stores.mailboxes.delete(mailbox.recv_id)
    assert await stores.pool.fetchval("SELECT count(*) FROM frames") == 1
    assert await stores.mailboxes.resolve([mailbox.send_id, other.send_id]) != [None, None]
    assert await stores.frames.put([put(mailbox.recv_id), put(other.recv_id)], now) == [Outcome.REFUSED, Outcome.STORED]


async def test_deletion_races_with_storing_and_leaves_nothing(stores: Stores) -> None:
    """Frames are stored all the time while mailboxes are deleted: afterwards no frame has no mailbox."""
    now = stores.clock.now()
    refused = 0
    for _ in range(15):
        mailbox = await stores.create()
        results = await asyncio.gather(
            *(stores.frames.put([put(mailbox.recv_id)] * 3, now) for _ in range(4)),
            stores.mailboxes.delete(mailbox.recv_id),
            *(stores.frames.put([put(mailbox.recv_id)], now) for _ in range(4)),
        )
        refused += sum(result.count(Outcome.REFUSED) for result in results if result)
    assert refused > 0, "the race never happened"
    assert await stores.pool.fetchval("SELECT count(*) FROM frames") == 0


async def test_unused_mailboxes_are_deleted_and_used_ones_stay(stores: Stores) -> None:
    unused, used, created_again = await stores.create(), await stores.create(), await stores.create()
    later = Day(stores.day + 91)
    await stores.mailboxes.touch([used.recv_id, RecvId(os.urandom(16))], later)
    assert await stores.mailboxes.create(created_again, later)
    assert await stores.mailboxes.delete_unused(Day(stores.day + 1)) == 1
    assert await stores.mailboxes.delete_unused(Day(stores.day + 1)) == 0
    found = await stores.mailboxes.resolve([unused.send_id, used.send_id, created_again.send_id])
    assert [each is not None for each in found] == [False, True, True]


async def test_a_late_note_of_use_does_not_go_back(stores: Stores) -> None:
    mailbox = await stores.create()
    await stores.mailboxes.touch([mailbox.recv_id], Day(stores.day - 5))
    assert await stores.pool.fetchval("SELECT last_used_day FROM mailboxes") == stores.day


async def test_storing_and_reading_leave_no_trace_in_the_mailbox_row(stores: Stores) -> None:
    """Even the version of the row stays: its order among others would tell who answers whom."""
    mailbox = await stores.create()
    version = "SELECT xmin::text, xmax::text, ctid::text FROM mailboxes"
    before = await stores.pool.fetchrow(version)
    await stores.frames.put([put(mailbox.recv_id)], stores.clock.now())
    assert await stores.pool.fetchrow(version) == before
    await stores.mailboxes.touch([mailbox.recv_id], Day(stores.day + 1))
    assert await stores.pool.fetchrow(version) != before


async def test_every_column_says_its_class_and_retention(stores: Stores) -> None:
    undeclared = await stores.pool.fetch(
        """
        SELECT attrelid::regclass::text, attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace AND attnum > 0
        AND coalesce(col_description(attrelid, attnum), '') !~ '^class=[A-Z]+; retention=[A-Z_]+; .+'
        """
    )
    assert undeclared == []
    assert await stores.pool.fetchval("SELECT count(*) FROM pg_attribute WHERE attrelid = 'frames'::regclass") > 0
