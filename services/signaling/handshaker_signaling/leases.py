"""Between the relay and the leases in Redis."""

import asyncio
from collections.abc import Callable

from handshaker_common.batching import Batcher
from handshaker_common.ids import RecvId
from handshaker_common.log import get_logger

from handshaker_signaling.domain import LeaseRequest, Relay, Stored
from handshaker_signaling.store import LeaseStore, LeasesUnavailable

PROBE_SECONDS = 0.5
MOST_REQUESTS = 256
MOST_QUESTIONS = 512
UNBOUNDED = 2**62  # one request for each subscription, one question for each frame: the relay bounds both


class LeaseKeeper:
    """Carries out the relay's lease requests in their order, and its questions about leases, in batches.

    When Redis does not answer, the relay is told so, and again when it does.
    """

    def __init__(self, store: LeaseStore, relay: Relay, *, now: Callable[[], float], touch: Callable[[], None]) -> None:
        self._store = store
        self._relay = relay
        self._now = now
        self._touch = touch
        self._requests: Batcher[LeaseRequest] = Batcher(
            self._carry_out, max_items=MOST_REQUESTS, max_waiting=UNBOUNDED, name="leases"
        )
        self._questions: Batcher[RecvId | Stored] = Batcher(
            self._ask, max_items=MOST_QUESTIONS, max_waiting=UNBOUNDED, name="lease_questions"
        )
        self._working = 0
        self._lost = asyncio.Event()

    def request(self, requests: list[LeaseRequest]) -> None:
        """Queues requests."""
        for request in requests:
            self._requests.add(request)

    def look_up(self, recv_ids: list[RecvId]) -> None:
        """Queues questions for frames that wait."""
        for recv_id in recv_ids:
            self._questions.add(recv_id)

    def check(self, stored: list[Stored]) -> None:
        """Queues questions that follow a commit."""
        for item in stored:
            self._questions.add(item)

    @property
    def idle(self) -> bool:
        """Whether everything queued has been done."""
        return not self._working and not self._requests.waiting and not self._questions.waiting

    async def run(self) -> None:
        """Works for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._requests.run())
            tasks.create_task(self._questions.run())
            tasks.create_task(self._probe())

    async def _carry_out(self, requests: list[LeaseRequest]) -> None:
        self._working += 1
        subscriptions = self._relay.subscriptions
        try:
            if self._lost.is_set():
                raise LeasesUnavailable  # noqa: TRY301 - as if Redis had been asked; the probe asks it
            holders = await self._store.carry_out(requests)
        except LeasesUnavailable:
            self._note_loss()
            for request in requests:
                subscriptions.lease_unanswered(request)
        else:
            for request, holder in zip(requests, holders, strict=True):
                subscriptions.lease_answered(request, holder)
        finally:
            self._working -= 1
        self._touch()

    async def _ask(self, questions: list[RecvId | Stored]) -> None:
        self._working += 1
        sending = self._relay.sending
        try:
            if self._lost.is_set():
                raise LeasesUnavailable  # noqa: TRY301
            recv_ids = [question.recv_id if isinstance(question, Stored) else question for question in questions]
            mailboxes = list(dict.fromkeys(recv_ids))
            holders = dict(zip(mailboxes, await self._store.holders(mailboxes), strict=True))
        except LeasesUnavailable:
            self._note_loss()
            for question in questions:
                if isinstance(question, Stored):
                    sending.unchecked(question)
                else:
                    sending.route_unknown(question)
        else:
            now = self._now()
            for question, recv_id in zip(questions, recv_ids, strict=True):
                holder = holders[recv_id]
                if isinstance(question, Stored):
                    sending.checked(now, question, holder)
                else:
                    sending.route_found(now, question, holder)
        finally:
            self._working -= 1
        self._touch()

    def _note_loss(self) -> None:
        if not self._lost.is_set():
            get_logger().warning("redis does not answer; frames take the way through the store")
            self._lost.set()
            self._relay.subscriptions.leases_lost()

    async def _probe(self) -> None:
        """Waits for Redis to come back whenever it is lost."""
        while True:
            await self._lost.wait()
            await asyncio.sleep(PROBE_SECONDS)
            if await self._store.is_up():
                get_logger().info("redis answers again")
                self._lost.clear()
                self._relay.subscriptions.leases_back()
                self._touch()
