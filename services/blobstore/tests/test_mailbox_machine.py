"""Mailboxes against a model: whatever is created, put, read, removed, deleted and expires, in whatever order."""

import asyncio
import os
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import hypothesis.strategies as st
import pytest
from blobstore_world import Stores, new_mailbox, open_stores
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from handshaker_blobstore.domain.frames import (
    Day,
    FrameId,
    Outcome,
    Put,
    Read,
    Removal,
    expiry_hour,
    partition_day,
    partition_days,
    this_hour,
    today,
)
from handshaker_common.testing import FakeClock
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

QUOTA = 6
KEYS = [Ed25519PrivateKey.generate() for _ in range(3)]
BODIES = [os.urandom(2_048), os.urandom(16_384)]
boxes = st.integers(0, len(KEYS) - 1)
frame_numbers = st.integers(0, 11)


@dataclass
class Kept:
    frame_id: FrameId
    frame: bytes
    expires: int


@dataclass
class Model:
    """What the specification says is in the store, in the order of arrival."""

    boxes: dict[int, list[Kept]] = field(default_factory=dict)

    def alive(self, box: int, now: float) -> list[Kept]:
        return [kept for kept in self.boxes.get(box, []) if kept.expires * 3_600 > now]

    def put(self, box: int, kept: Kept, now: float) -> Outcome:
        if box not in self.boxes:
            return Outcome.REFUSED
        # The same frame in the same day's partition: the one that is there stays.
        day = partition_day(kept.expires)
        if any((old.frame_id, partition_day(old.expires)) == (kept.frame_id, day) for old in self.boxes[box]):
            return Outcome.STORED
        if len(self.alive(box, now)) >= QUOTA:
            held = any(old.frame_id == kept.frame_id for old in self.boxes[box])
            return Outcome.STORED if held else Outcome.QUOTA
        self.boxes[box].append(kept)
        return Outcome.STORED


class Mailboxes(RuleBasedStateMachine):
    """Each rule does the same to the store and to the model."""

    stores: Stores
    runner: asyncio.Runner

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.clock = self.stores.clock
        self.mailboxes = [new_mailbox(key) for key in KEYS]

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    @initialize()
    def empty(self) -> None:
        # A machine starts on what the last one left; its days are later ones, so only mailboxes need to go.
        for mailbox in self.mailboxes:
            self.do(self.stores.mailboxes.delete(mailbox.recv_id))
        self.do(self.stores.partitions.arrange(partition_days(self.clock.now())))

    @rule(box=boxes)
    def create(self, box: int) -> None:
        assert self.do(self.stores.mailboxes.create(self.mailboxes[box], self.stores.day))
        self.model.boxes.setdefault(box, [])

    @rule(box=boxes)
    def create_a_different_one(self, box: int) -> None:
        other = new_mailbox(KEYS[box], secret_hash=bytes([9]) * 32)
        if box in self.model.boxes:
            assert not self.do(self.stores.mailboxes.create(other, self.stores.day))

    @rule(box=boxes)
    def delete(self, box: int) -> None:
        self.do(self.stores.mailboxes.delete(self.mailboxes[box].recv_id))
        self.model.boxes.pop(box, None)

    @rule(
        puts=st.lists(
            st.tuples(boxes, frame_numbers, st.integers(0, 1), st.sampled_from([1, 5, 30, 336])),
            min_size=1,
            max_size=5,
            unique_by=lambda put: put[0],
        )
    )
    def put(self, puts: list[tuple[int, int, int, int]]) -> None:
        now = self.clock.now()
        asked = [
            Put(self.mailboxes[box].recv_id, FrameId(number.to_bytes(16, "big")), BODIES[body], ttl)
            for box, number, body, ttl in puts
        ]
        expected = [
            self.model.put(box, Kept(put.frame_id, put.frame, expiry_hour(now, put.ttl_hours)), now)
            for put, (box, *_) in zip(asked, puts, strict=True)
        ]
        assert self.do(self.stores.frames.put(asked, now)) == expected

    @rule(box=boxes, number=frame_numbers, knows_the_day=st.booleans())
    def remove(self, box: int, number: int, knows_the_day: bool) -> None:
        frame_id = FrameId(number.to_bytes(16, "big"))
        kept = [each for each in self.model.boxes.get(box, []) if each.frame_id == frame_id]
        day = partition_day(kept[0].expires) if kept and knows_the_day else None
        gone = [each for each in kept if day is None or partition_day(each.expires) == day]
        removed = self.do(self.stores.frames.remove([Removal(self.mailboxes[box].recv_id, frame_id, day)]))
        assert removed == len(gone)
        if box in self.model.boxes:
            self.model.boxes[box] = [each for each in self.model.boxes[box] if each not in gone]

    @rule(hours=st.sampled_from([0.3, 1, 7, 26]))
    def time_passes(self, hours: float) -> None:
        self.clock.advance(hours * 3_600)
        needed = partition_days(self.clock.now())
        self.do(self.stores.partitions.arrange(needed))
        for box, kept in self.model.boxes.items():
            self.model.boxes[box] = [each for each in kept if partition_day(each.expires) >= needed.start]

    @rule()
    def unused_mailboxes_are_looked_for(self) -> None:
        self.do(self.stores.mailboxes.delete_unused(Day(today(self.clock.now()) - 90)))

    @invariant()
    def the_store_shows_what_the_model_holds(self) -> None:
        now = self.clock.now()
        reads = [Read(mailbox.recv_id, 0, QUOTA * 3) for mailbox in self.mailboxes]
        pages = self.do(self.stores.frames.read(reads, this_hour(now)))
        for box, page in enumerate(pages):
            assert [(each.frame_id, each.frame) for each in page.frames] == [
                (each.frame_id, each.frame) for each in self.model.alive(box, now)
            ]
            assert not page.more
            assert [each.sequence for each in page.frames] == sorted(each.sequence for each in page.frames)
        found = self.do(self.stores.mailboxes.resolve([mailbox.send_id for mailbox in self.mailboxes]))
        assert [each is not None for each in found] == [box in self.model.boxes for box in range(len(KEYS))]


@pytest.mark.timeout(120)
def test_mailboxes_behave_as_the_model(postgres) -> None:
    clock = FakeClock()
    dsn = postgres.create_database("machine")
    with asyncio.Runner() as runner:
        Mailboxes.runner = runner
        Mailboxes.stores = runner.run(open_stores(dsn, clock, quota=QUOTA))
        try:
            run_state_machine_as_test(
                Mailboxes,
                settings=settings(
                    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
                ),
            )
        finally:
            runner.run(Mailboxes.stores.pool.close())
