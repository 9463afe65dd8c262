"""A small world around relay cores: a store, leases, gateways and clients, each step of which is taken one at a time.

What a core asks for waits in queues, one for each kind. Whoever drives the world chooses which queue gets on, so that
everything that can be overtaken is, and answers can be lost on their way. The store and the leases are models; the
real ones are used by the tests of the whole process.
"""

import itertools
import secrets
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any

from handshaker_common.ids import RecvId
from handshaker_proto.blobstore.v1 import frames_pb2
from handshaker_signaling.domain import InboundLink, LeaseKind, Limits, Process, Relay, Stored
from handshaker_signaling.domain.capabilities import Mailbox as Known
from relay_client import Client
from relay_parties import Event, Mailbox, Result, frame_of

Put = frames_pb2.PutFramesResponse
Page = frames_pb2.ReadFramesResponse.Page
DAY = 20_000


class Core:
    """One relay with the queues of what it wants done and of the answers that come back."""

    def __init__(self, world: "World", limits: Limits) -> None:
        self.world = world
        self.me = Process(b"%d@core" % next(world.names))
        self.relay = Relay(self.me, limits, secrets.token_bytes)
        self.attachment = self.relay.attach()
        self.alive = True
        self.redis_lost = False
        self.clients: dict[int, Client] = {}
        self.queues: dict[str, deque[Any]] = defaultdict(deque)
        self.inbound: dict[Process, InboundLink] = {}
        self.woken: list[bytes] = []
        self._numbers = itertools.count(1)

    def connect(self) -> Client:
        client = Client(self.world, self, next(self._numbers))
        self.clients[client.number] = client
        self.relay.socket_opened(self.world.now, self.attachment, client.number)
        return client

    def collect(self) -> None:
        """Moves effects into queues."""
        effects = self.relay.effects
        for output in self.attachment.take():
            self.queues["output"].append(output)
        effects.attachments = []
        for name in ("look_up", "check", "resolve", "put", "read", "leases"):
            self.queues[name].extend(getattr(effects, name))
            setattr(effects, name, [])
        if effects.remove:
            self.queues["remove"].append(effects.remove)
            effects.remove = []
        for forward in effects.forward:
            self.queues[f"link {forward.holder.decode()}"].append(("forward", forward))
        for kind in ("poke", "displace"):
            for holder, recv_id in getattr(effects, kind):
                self.queues[f"link {holder.decode()}"].append((kind, recv_id))
        effects.forward, effects.poke, effects.displace = [], [], []
        for link in effects.links:
            sender = next(process for process, known in self.inbound.items() if known is link)
            self.queues[f"results {sender.decode()}"].extend(link.results)
            link.results = []
        effects.links = []
        self.woken += effects.wake
        effects.wake = []
        if effects.unfinished:
            self.relay.work()
        if self.redis_lost and self.world.redis_up and not self.queues["probe"]:
            self.queues["probe"].append(None)


class World:
    """Cores, clients, the store and the leases."""

    def __init__(self, cores: int = 1, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.now = 1_000.0
        self.names = itertools.count(1)
        self.mailboxes: dict[bytes, Mailbox] = {}
        self.store: dict[bytes, dict[bytes, int]] = defaultdict(dict)
        self.sequence = 0
        self.leases: dict[bytes, tuple[float, Process]] = {}
        self.redis_up = self.store_up = True
        self.lose_answers = False  # the store does what it is asked to, but its answers are lost
        self.received: dict[bytes, set[bytes]] = defaultdict(set)
        self.told: dict[bytes, list[int]] = defaultdict(list)
        self.home: dict[bytes, bytes] = {}  # mailbox by frame id
        self.removals: list[tuple[bytes, int]] = []  # frame and day, as they were asked for
        self.cores = [Core(self, self.limits) for _ in range(cores)]

    def mailbox(self, wake_id: bytes = b"") -> Mailbox:
        mailbox = Mailbox(wake_id)
        self.mailboxes[mailbox.send_id] = mailbox
        return mailbox

    def connect(self, core: int = 0) -> Client:
        client = self.cores[core].connect()
        self.run()
        return client

    def frame(self, mailbox: Mailbox) -> bytes:
        frame_id = secrets.token_bytes(16)
        self.home[frame_id] = mailbox.recv_id
        return frame_id

    def crash(self, index: int) -> None:
        """One core dies with all that it knew; its clients lose their connection, and another takes its place."""
        dead = self.cores[index]
        dead.alive = False
        for client in list(dead.clients.values()):
            client.open = False
        dead.queues.clear()
        self.cores[index] = Core(self, self.limits)
        for core in self.cores:
            link = core.inbound.pop(dead.me, None)
            if link is not None:
                link.closed = True
            core.queues.pop(f"results {dead.me.decode()}", None)
            core.queues["lost"].append(dead.me)

    def put_aside(self, mailbox: Mailbox) -> bytes:
        """Stores a frame behind the relay's back."""
        frame_id = self.frame(mailbox)
        self.sequence += 1
        self.store[mailbox.recv_id][frame_id] = self.sequence
        return frame_id

    def check_promise(self, frame_id: bytes) -> None:
        """What a sender was told is kept: the frame is in the store or with its recipient."""
        if {Result.OUTCOME_STORED, Result.OUTCOME_DELIVERED} & set(self.told[frame_id]):
            recv_id = self.home[frame_id]
            assert frame_id in self.store[recv_id] or frame_id in self.received[recv_id], "a promised frame is lost"

    def check_promises(self) -> None:
        for frame_id in self.told:
            self.check_promise(frame_id)

    # --- progress ---

    def busy(self) -> list[tuple[Core, str]]:
        """The queues that could get on."""
        for core in self.cores:
            core.collect()
        return [(core, name) for core in self.cores for name, queue in sorted(core.queues.items()) if queue]

    def step(self, core: Core, name: str) -> None:
        """Takes the first thing out of one queue."""
        queue = core.queues[name]
        if name.startswith("link "):
            self._link(core, name.removeprefix("link ").encode(), queue)
        elif name.startswith("results "):
            self._results(core, name.removeprefix("results ").encode(), queue.popleft())
        else:
            getattr(self, f"_{name}")(core, queue.popleft())

    def run(self, until: Callable[[], bool] | None = None, *, without: tuple[str, ...] = ()) -> None:
        """Lets everything get on until nothing waits, without any time passing; queues of `without` stand still."""
        while busy := [(core, name) for core, name in self.busy() if name not in without]:
            for core, name in busy:
                if core.queues[name]:
                    self.step(core, name)
            if until is not None and until():
                return

    def advance(self, seconds: float) -> None:
        """Lets time pass. It passes in ticks, as in the real process, but nothing else gets on meanwhile."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + 0.025) if end - self.now < 1 else self.now + 0.25
            for core in self.cores:
                core.relay.tick(self.now)

    def pass_time(self, seconds: float) -> None:
        """Lets time pass and everything get on."""
        self.run()
        end = self.now + seconds
        while self.now < end:
            self.advance(min(0.25, end - self.now))
            self.run()

    def _output(self, core: Core, output: Any) -> None:
        client = core.clients.get(output.socket)
        if client is None:
            return
        if output.close is not None:
            client.open = False
            client.inbox.closed = (output.close.code, output.close.reason)
            del core.clients[output.socket]
        else:
            client.take(output.message)

    # --- leases ---

    def _holder(self, recv_id: bytes) -> Process | None:
        until, holder = self.leases.get(recv_id, (0.0, Process(b"")))
        return holder if until > self.now else None

    def _redis(self, core: Core) -> bool:
        """Whether Redis answers this core; if not, the core is told."""
        if self.redis_up and not core.redis_lost:
            return True
        core.redis_lost = True
        core.relay.subscriptions.leases_lost()
        return False

    def _leases(self, core: Core, request: Any) -> None:
        if not self._redis(core):
            core.queues["lease_answer"].append((request, None, False))
            return
        kind, recv_id, _ = request
        holder = self._holder(recv_id)
        mine = (self.now + self.limits.lease_seconds, core.me)
        if kind is LeaseKind.CLAIM or (kind is LeaseKind.RENEW and holder in {None, core.me}):
            self.leases[recv_id] = mine
            holder = holder if kind is LeaseKind.CLAIM else core.me
        elif kind is LeaseKind.RELEASE and holder == core.me:
            del self.leases[recv_id]
        core.queues["lease_answer"].append((request, holder, True))

    def _lease_answer(self, core: Core, answer: Any) -> None:
        request, holder, answered = answer
        if answered:
            core.relay.subscriptions.lease_answered(request, holder)
        else:
            core.relay.subscriptions.lease_unanswered(request)

    def _look_up(self, core: Core, recv_id: RecvId) -> None:
        answered = self._redis(core)
        core.queues["question_answer"].append((recv_id, self._holder(recv_id), answered))

    def _check(self, core: Core, stored: Stored) -> None:
        answered = self._redis(core)
        core.queues["question_answer"].append((stored, self._holder(stored.recv_id), answered))

    def _question_answer(self, core: Core, answer: Any) -> None:
        question, holder, answered = answer
        sending = core.relay.sending
        if isinstance(question, Stored):
            if answered:
                sending.checked(self.now, question, holder)
            else:
                sending.unchecked(question)
        elif answered:
            sending.route_found(self.now, question, holder)
        else:
            sending.route_unknown(question)

    def _probe(self, core: Core, _: None) -> None:
        if self.redis_up:
            core.redis_lost = False
            core.relay.subscriptions.leases_back()

    # --- the store ---

    def _resolve(self, core: Core, send_id: bytes) -> None:
        mailbox = self.mailboxes.get(send_id)
        if not self.store_up:
            core.relay.unresolved(send_id)
        elif mailbox is None:
            core.relay.resolved(self.now, send_id, None)
        else:
            core.relay.resolved(self.now, send_id, Known(mailbox.recv_id, mailbox.secret_hash, mailbox.wake_id))

    def _put(self, core: Core, pending: Any) -> None:
        outcome = None
        if self.store_up:
            outcome = Put.OUTCOME_STORED
            if pending.frame_id not in self.store[pending.recv_id]:
                assert pending.frame, "a frame without its content is stored"
                self.sequence += 1
                self.store[pending.recv_id][pending.frame_id] = self.sequence
        core.queues["put_answer"].append((pending, None if self.lose_answers else outcome))

    def _put_answer(self, core: Core, answer: Any) -> None:
        core.relay.sending.put_done(*answer)

    def _read(self, core: Core, read: Any) -> None:
        page = None
        if self.store_up and not self.lose_answers:
            recv_id = read.subscription.recv_id
            known = any(mailbox.recv_id == recv_id for mailbox in self.mailboxes.values())
            page = Page(unknown=not known)
            frames = sorted((sequence, frame_id) for frame_id, sequence in self.store[recv_id].items())
            frames = [entry for entry in frames if entry[0] > read.after]
            for sequence, frame_id in frames[: read.limit]:
                page.frames.add(sequence=sequence, frame_id=frame_id, frame=frame_of(frame_id), partition_day=DAY)
            page.more = len(frames) > read.limit
        core.queues["read_answer"].append((read.subscription, page))

    def _read_answer(self, core: Core, answer: Any) -> None:
        core.relay.subscriptions.page_read(*answer)

    def _remove(self, core: Core, removals: Any) -> None:
        if self.store_up:
            for recv_id, frame_id, day in removals:
                assert day in {0, DAY}
                assert frame_id in self.received[recv_id], "a frame is removed that its recipient has not"
                self.store[recv_id].pop(frame_id, None)
                self.removals.append((frame_id, day))
        core.queues["remove_answer"].append(removals)

    def _remove_answer(self, core: Core, removals: Any) -> None:
        core.relay.subscriptions.removed(removals)

    # --- links ---

    def _core(self, process: bytes) -> Core | None:
        return next((core for core in self.cores if core.me == process), None)

    def _lost(self, core: Core, process: Process) -> None:
        core.queues.pop(f"link {process.decode()}", None)
        core.relay.sending.link_lost(self.now, process)

    def _link(self, core: Core, holder: bytes, queue: deque[Any]) -> None:
        target = self._core(holder)
        if target is None:
            self._lost(core, Process(holder))
            return
        kind, item = queue.popleft()
        link = target.inbound.setdefault(core.me, target.relay.link())
        if kind == "forward":
            _, reference, recv_id, frame_id, frame = item
            target.relay.forwarded(link, reference, recv_id, frame_id, frame)
        elif kind == "poke":
            target.relay.subscriptions.poke(item)
        else:
            target.relay.subscriptions.suspect([item])

    def _results(self, core: Core, origin: bytes, result: Any) -> None:
        target = self._core(origin)
        if target is not None:
            target.relay.sending.forward_answered(self.now, core.me, *result)


ACTIVE_AND_DRAINED = [Event.STATE_ACTIVE, Event.STATE_DRAINED]


def subscribed(world: World, mailbox: Mailbox, core: int = -1) -> Client:
    """A client that has subscribed and been told that all is drained."""
    client = world.connect(core)
    client.subscribe(mailbox)
    world.run()
    assert client.inbox.states(mailbox) == ACTIVE_AND_DRAINED
    return client
