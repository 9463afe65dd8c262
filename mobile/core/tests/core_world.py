"""Two clients' rules on real stores, without a network: what the tests of rules share.

A `Party` is everything below the client's asyncio parts: real SQLCipher file, real protocol, units of work. `Frames` plays
the server's part, as badly as a test wants.
"""

import contextlib
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from unittest import mock

from handshaker_core.client import inbox, outbox, prekeys, receipts, requests, sending, setup
from handshaker_core.client.events import DeliveryChanged, Event
from handshaker_core.client.live_states import LiveStates
from handshaker_core.client.settings import Settings
from handshaker_core.client.unit import Unit
from handshaker_core.credentials import FrameId, Mailbox, RecvId
from handshaker_core.errors import UndecryptableMessage
from handshaker_core.model import ContactId, ContactState, Direction, MessageState, RequestId
from handshaker_core.net.relay import IncomingFrame, Outcome, OutgoingFrame, Policy
from handshaker_core.protocol import session as protocol
from handshaker_core.protocol.address import SendId
from handshaker_core.protocol.bundle import verify_bundle
from handshaker_core.protocol.frame import FrameSize
from handshaker_core.protocol.randomness import system_randomness
from handshaker_core.protocol.sealed_sender import Envelope
from handshaker_core.store import accounts, contacts, mailboxes, messages, sessions
from handshaker_core.store import database as database_module
from handshaker_core.store import prekeys as stored_prekeys
from handshaker_core.store import requests as stored_requests
from handshaker_core.store.connection import Connection
from handshaker_core.store.database import Database
from handshaker_core.store.mailboxes import PeerMailbox, State
from handshaker_core.store.vault import DatabaseKey
from handshaker_proto.keys.v1 import keys_pb2

T = TypeVar("T")

KEY = DatabaseKey(bytes(32))
# These tests end processes, they do not cut the power; and nobody looks at their memory.
QUICK_PRAGMAS = (
    *(pragma for pragma in database_module._PRAGMAS if "memory_security" not in pragma),
    "PRAGMA synchronous = OFF",
)
START = 1_800_000_000.0
ONE_TIME_KEYS = 3

RANK = {
    MessageState.SENDING: 0,
    MessageState.FAILED: 1,
    MessageState.STORED: 2,
    MessageState.DELIVERED: 3,
    MessageState.READ: 4,
}


class Crash(BaseException):
    """Stands for the end of the process inside a unit of work."""


class Party:
    """One client's store and rules. Opening the same file again is what a restart does."""

    def __init__(self, path: Path, database: type[Database] = Database) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.now = START
        self.settings = Settings(receipt_delay=(1.0, 3.0))
        self.events: list[Event] = []
        self.live = LiveStates()
        self.database = self._open(database)
        self.keys = self.database.transact(self._prepare)

    def _open(self, database: type[Database]) -> Database:
        with mock.patch.object(database_module, "_PRAGMAS", QUICK_PRAGMAS):
            return database(self.path, KEY)

    def _prepare(self, c: Connection) -> accounts.AccountKeys:
        keys = setup.ensure_account(c, "https://chat.example", None, lambda: START, system_randomness)
        unit = Unit(c, keys, self.settings, self.now, system_randomness)
        if stored_prekeys.long_lived_since(c) is None:
            prekeys.add_long_lived(unit)
            prekeys.add_one_time(unit, ONE_TIME_KEYS)
            for own in mailboxes.listed(c, State.MISSING):
                mailboxes.set_state(c, own.mailbox.recv_id, State.ACTIVE)
        return keys

    def do(self, work: Callable[[Unit], T], *, crash: bool = False) -> T:
        """Run a unit; its events are kept. With `crash`, the process ends just before the commit."""

        def transact(c: Connection) -> tuple[T, list[Event]]:
            unit = Unit(c, self.keys, self.settings, self.now, system_randomness, self.live)
            result = work(unit)
            if crash:
                raise Crash
            return result, unit.events

        result, events = self.database.transact(transact)
        self.events += events
        return result

    def restart(self) -> None:
        """Close and open the file again, as a new process does."""
        self.database.close()
        self.database = self._open(type(self.database))
        self.live = LiveStates()

    def close(self) -> None:
        self.database.close()

    # --- What strangers see

    def fetched_bundle(self) -> keys_pb2.FetchedBundle:
        """The bundle as the server would hand it out, with one-time keys while there are any."""

        def build(u: Unit) -> keys_pb2.FetchedBundle:
            signed, last_resort = stored_prekeys.current_long_lived(u.c)
            fetched = keys_pb2.FetchedBundle(base=prekeys.base_of(u.keys, signed, last_resort))
            left = stored_prekeys.waiting(u.c, 1)
            if left.ec:
                fetched.one_time_prekey.key_id = left.ec[0].key_id
                fetched.one_time_prekey.public_key = left.ec[0].public.public.raw
            if left.kem:
                key = left.kem[0].public
                fetched.kem_prekey.CopyFrom(
                    keys_pb2.KemPreKey(key_id=key.key_id, public_key=key.public, signature=key.signature)
                )
            return fetched

        return self.do(build)

    def address(self) -> PeerMailbox:
        own = self.do(lambda u: mailboxes.address(u.c))
        assert own is not None
        return requests.reply_address(own.mailbox)

    # --- What the person does

    def ask(self, other: "Party", greeting: str = "hello", *, crash: bool = False) -> RequestId:
        bundle = prekeys.read_bundle(other.fetched_bundle())
        verified = verify_bundle(bundle, other.keys.identity_key, other.keys.bundle_id)
        session, _ = protocol.initiate(self.keys.local, verified, now=self.now)
        address, reply_to = other.address(), Mailbox.generate()
        return self.do(lambda u: requests.ask(u, session, address, reply_to, greeting), crash=crash)

    def accept(self, *, crash: bool = False) -> None:
        request = self.pending(Direction.INCOMING)
        assert request is not None
        reply_to = Mailbox.generate()
        self.do(lambda u: requests.accept(u, request, reply_to), crash=crash)

    def send(self, text: str, *, crash: bool = False) -> None:
        contact = self.contact()
        assert contact is not None
        self.do(lambda u: sending.send_text(u, contact, text), crash=crash)

    def mark_read(self) -> None:
        contact = self.contact()
        if contact is not None:
            self.do(lambda u: receipts.mark_read(u, contact, None))

    # --- What the machine does

    def due(self) -> list[OutgoingFrame]:
        return self.do(lambda u: outbox.due(u, 100))

    def result(self, frame_id: FrameId, outcome: Outcome) -> None:
        self.do(lambda u: outbox.apply(u, frame_id, outcome))

    def take(self, frame: IncomingFrame, *, crash: bool = False) -> None:
        self.do(lambda u: inbox.take_all(u, [frame]), crash=crash)

    def send_receipts(self) -> None:
        self.do(receipts.send_due)

    # --- What is there

    def contact(self) -> ContactId | None:
        everybody = self.do(lambda u: contacts.everybody(u.c))
        assert len(everybody) <= 1
        return everybody[0].id if everybody else None

    def standing(self) -> ContactState:
        contact = self.contact()
        return ContactState.CLOSED if contact is None else self.do(lambda u: requests.standing(u, contact))

    def pending(self, direction: Direction) -> RequestId | None:
        contact = self.contact()
        return None if contact is None else self.do(lambda u: stored_requests.pending(u.c, contact, direction))

    def texts(self, direction: Direction) -> list[str]:
        contact = self.contact()
        if contact is None:
            return []
        history = self.do(lambda u: messages.history(u.c, contact, None, 10_000, None))
        return [message.text for message in history if message.direction is direction]

    def history(self) -> list[str]:
        contact = self.contact()
        assert contact is not None
        return [message.text for message in self.do(lambda u: messages.history(u.c, contact, None, 10_000, None))]

    def states(self) -> list[MessageState]:
        contact = self.contact()
        if contact is None:
            return []
        history = self.do(lambda u: messages.history(u.c, contact, None, 10_000, None))
        return [message.state for message in history if message.direction is Direction.OUTGOING]

    def awaits_answer(self) -> bool:
        """Whether the session that would be sent with is one that the other side has not answered yet."""
        contact = self.contact()
        assert contact is not None
        return self.do(lambda u: sessions.of_contact(u.c, contact))[0].awaiting_answer

    def mailboxes(self) -> dict[SendId, RecvId]:
        """Own mailboxes as the server knows them."""
        active = self.do(lambda u: mailboxes.listed(u.c, State.ACTIVE))
        return {own.mailbox.send_id: own.mailbox.recv_id for own in active}

    def check_states_only_move_forward(self) -> None:
        reached: dict[int, int] = {}
        for event in self.events:
            if isinstance(event, DeliveryChanged):
                rank = RANK[event.message.state]
                assert rank > reached.get(event.message.id, -1)
                reached[event.message.id] = rank


class KeyWatch:
    """Sees every frame that leaves a party: the same id is always the same bytes, and no message key serves twice."""

    def __init__(self, parties: list[Party]) -> None:
        self._devices = [party.keys.local for party in parties]
        self._frames: dict[bytes, bytes] = {}
        self._headers: dict[bytes, bytes] = {}

    def see(self, outgoing: OutgoingFrame) -> None:
        assert self._frames.setdefault(outgoing.frame_id, outgoing.frame) == outgoing.frame
        header = self._open(outgoing.frame).message[:40]  # ratchet key, previous chain length, number: one message key
        assert self._headers.setdefault(header, outgoing.frame_id) == outgoing.frame_id

    def _open(self, frame: bytes) -> Envelope:
        for device in self._devices:
            with contextlib.suppress(UndecryptableMessage):
                return protocol.open_frame(device, frame)
        raise AssertionError("a frame for neither of them")


def outcome_when_away(outgoing: OutgoingFrame) -> Outcome:
    """What a server says when the recipient does not answer at once."""
    return Outcome.OFFLINE if outgoing.policy is Policy.LIVE_ONLY else Outcome.STORED


def junk(kind: str, frame: bytes) -> bytes:
    """A frame of that kind, out of one that is whole."""
    return {
        "short": b"x",
        "empty": b"",
        "unknown version": b"\x09" + frame[1:],
        "unsealed": frame[:1] + frame[200:].ljust(len(frame) - 1, b"\x00"),
        "noise": frame[:1] + secrets.token_bytes(len(frame) - 1),
        "flipped": frame[:-1] + bytes((frame[-1] ^ 1,)),
        "another size": frame + b"\x00",
        "large noise": b"\x01" + secrets.token_bytes(FrameSize.LARGE - 1),
    }[kind]
