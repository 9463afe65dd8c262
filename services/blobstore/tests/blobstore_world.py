"""What the tests of blobstore share: stores over a real PostgreSQL, and mailboxes to put into them."""

from dataclasses import dataclass

import asyncpg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from handshaker_blobstore.domain.frames import Day, partition_days, today
from handshaker_blobstore.domain.mailboxes import CREATE_LABEL, Mailbox, mailbox_to_create
from handshaker_blobstore.store.database import QUEUE_PLANS
from handshaker_blobstore.store.frames import FrameStore
from handshaker_blobstore.store.mailboxes import MailboxStore
from handshaker_blobstore.store.partitions import PartitionStore
from handshaker_common.postgres import migrate, open_pool
from handshaker_common.testing import FakeClock

QUOTA = 512


@dataclass
class Stores:
    """Everything over one fresh database, and the clock that its tests move."""

    pool: asyncpg.Pool
    mailboxes: MailboxStore
    frames: FrameStore
    partitions: PartitionStore
    clock: FakeClock

    @property
    def day(self) -> Day:
        return today(self.clock.now())

    async def create(self) -> Mailbox:
        mailbox = new_mailbox()
        assert await self.mailboxes.create(mailbox, self.day)
        return mailbox


def new_mailbox(seed: Ed25519PrivateKey | None = None, secret_hash: bytes = bytes(32), wake_id: bytes = b"") -> Mailbox:
    key = seed or Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    mailbox = mailbox_to_create(public, secret_hash, wake_id, key.sign(CREATE_LABEL + public + secret_hash + wake_id))
    assert mailbox is not None
    return mailbox


async def open_stores(dsn: str, clock: FakeClock, *, quota: int = QUOTA) -> Stores:
    pool = await open_pool(dsn, max_size=6, settings=QUEUE_PLANS)
    await migrate(pool, "handshaker_blobstore")
    stores = Stores(pool, MailboxStore(pool), FrameStore(pool, quota=quota), PartitionStore(pool), clock)
    await stores.partitions.arrange(partition_days(clock.now()))
    return stores
