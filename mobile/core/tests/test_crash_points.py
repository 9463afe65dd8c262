"""The process dies at every commit of a whole conversation, just before it and just after it; the next one goes on.

Each attempt is a real process that ends by `os._exit` in the middle of the store's work. What it leaves is what a killed
client leaves: a store with a write-ahead log, and a server that may have heard it or not.
"""

import os
import pickle
import shutil
import traceback
from pathlib import Path

import pytest
from core_world import START, KeyWatch, Party
from handshaker_core.credentials import FrameId
from handshaker_core.model import ContactState, Direction, MessageState
from handshaker_core.net.relay import IncomingFrame, Outcome, OutgoingFrame
from handshaker_core.store.database import Database

KILLED = 9
FAILED = 3
MOST_COMMITS = 200


class Fuse:
    """Ends the process at one of the commits that change something, before or after it."""

    def __init__(self, at: int, *, after: bool) -> None:
        self.left = at
        self.after = after

    def reached(self) -> bool:
        self.left -= 1
        return self.left == 0


FUSE = Fuse(-1, after=False)


class FragileDatabase(Database):
    """A database whose commits may be the last thing that the process does."""

    def _commit(self) -> None:
        changed = self._connection.total_changes
        if changed == getattr(self, "_changes_before", 0):
            super()._commit()
            return
        self._changes_before = changed
        if not FUSE.reached():
            super()._commit()
        elif FUSE.after:
            super()._commit()
            os._exit(KILLED)
        else:
            os._exit(KILLED)


class Server:
    """A directory for each side that holds the frames for it, until they are acknowledged."""

    def __init__(self, folder: Path) -> None:
        self._folders = [folder / "for-a", folder / "for-b"]
        for path in self._folders:
            path.mkdir(parents=True, exist_ok=True)
        self._log = folder / "seen"
        self._log.mkdir(exist_ok=True)

    def put(self, side: int, frame: OutgoingFrame) -> None:
        data = pickle.dumps((frame.send_id, bytes(frame.frame_id), frame.frame))
        for folder in (self._folders[side], self._log):
            path = folder / frame.frame_id.hex()
            assert not path.exists() or path.read_bytes() == data
            path.write_bytes(data)

    def waiting(self, side: int) -> list[tuple[Path, tuple[bytes, bytes, bytes]]]:
        return [(path, pickle.loads(path.read_bytes())) for path in sorted(self._folders[side].iterdir())]

    def everything_ever_sent(self) -> list[tuple[bytes, bytes, bytes]]:
        return [pickle.loads(path.read_bytes()) for path in self._log.iterdir()]


def converse(folder: Path) -> None:
    """Bring a conversation from wherever it is to its end: ask, accept, one message each way, everything read."""
    server = Server(folder)
    parties = [Party(folder / name / "db", FragileDatabase) for name in ("a", "b")]
    a, b = parties
    for _ in range(20):
        now = max(party.now for party in parties) + 700
        for side, party in enumerate(parties):
            party.now = now
            for path, (send_id, frame_id, frame) in server.waiting(side):
                recv_id = party.mailboxes()[send_id]  # type: ignore[index]
                party.take(IncomingFrame(1, recv_id, FrameId(frame_id), frame))
                path.unlink()
            if party is a and a.standing() is ContactState.CLOSED:
                a.ask(b, "greeting")
            if party.standing() is ContactState.ASKING:
                party.accept()
            mine = f"from {side}"
            if party.standing() is ContactState.CONNECTED and mine not in party.texts(Direction.OUTGOING):
                party.send(mine)
            party.mark_read()
            party.send_receipts()
            for outgoing in party.due():
                server.put(1 - side, outgoing)
                party.result(outgoing.frame_id, Outcome.STORED)
        if all(set(party.states()) == {MessageState.READ} for party in parties) and not any(
            party.due() or server.waiting(side) for side, party in enumerate(parties)
        ):
            break
    for party in parties:
        party.close()


def in_a_process(folder: Path, at: int, *, after: bool) -> int:
    """Run `converse` in a child that dies at the given commit. Returns: its exit status."""
    child = os.fork()
    if child == 0:
        status = FAILED
        try:
            FUSE.left, FUSE.after = at, after
            converse(folder)
            status = 0
        except BaseException:  # noqa: BLE001 - a fork must never go on as a second test run
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def check(folder: Path) -> None:
    """Everything arrived once, on both sides, and no message key was used for two messages."""
    parties = [Party(folder / name / "db") for name in ("a", "b")]
    for party, mine, theirs in zip(
        parties, (["greeting", "from 0"], ["from 1"]), (["from 1"], ["greeting", "from 0"]), strict=True
    ):
        assert party.now == START
        assert party.texts(Direction.OUTGOING) == mine
        assert party.texts(Direction.INCOMING) == theirs
        assert set(party.states()) == {MessageState.READ}
        contact = party.contact()
        assert contact is not None
        party.close()
    watch = KeyWatch(parties)
    for send_id, frame_id, frame in Server(folder).everything_ever_sent():
        watch.see(OutgoingFrame(FrameId(frame_id), send_id, None, frame))  # type: ignore[arg-type]


@pytest.mark.parametrize("after", [False, True], ids=["before the commit", "after the commit"])
def test_dying_at_any_commit_loses_and_repeats_nothing(tmp_path: Path, after: bool) -> None:
    for name in ("a", "b"):
        Party(tmp_path / "fresh" / name / "db").close()
    for at in range(1, MOST_COMMITS):
        folder = tmp_path / str(at)
        shutil.copytree(tmp_path / "fresh", folder)
        status = in_a_process(folder, at, after=after)
        if status == 0:
            check(folder)
            assert at > 12, "the conversation has more commits than that"
            return
        assert status == KILLED
        assert in_a_process(folder, -1, after=False) == 0
        check(folder)
    pytest.fail("the conversation does not end")
