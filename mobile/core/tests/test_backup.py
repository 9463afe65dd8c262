"""Backups: what is in them and what is not, and that every way to damage one is told apart and changes nothing."""

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from core_world import Party
from handshaker_core.client import disappearing
from handshaker_core.credentials import FrameId
from handshaker_core.model import Direction, MessageState
from handshaker_core.net.relay import IncomingFrame, Outcome
from handshaker_core.protocol.root import BackupKey, RootSeed
from handshaker_core.store import backup, contacts, messages, sealed_stream, settings, snapshot, timers
from handshaker_core.store.backup import Backup, BackupHead, BackupMessage, BackupSetting
from handshaker_core.store.connection import Connection
from handshaker_core.store.database import Database
from handshaker_core.store.errors import (
    BackupDamaged,
    BackupTooNew,
    BackupWrongKey,
    FileExists,
    NotABackup,
    StoreUnusable,
)
from handshaker_core.store.sealed_stream import SEGMENT_SIZE, padme
from handshaker_core.store.vault import DatabaseKey
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st

KEY = RootSeed(bytes(range(32))).backup_key()
HEADER = sealed_stream._HEADER_SIZE
SECRET_TEXT = "Treffen um neun am Brunnen"


def carry(sender: Party, recipient: Party) -> None:
    for frame in sender.due():
        recipient.take(IncomingFrame(1, recipient.mailboxes()[frame.send_id], FrameId(frame.frame_id), frame.frame))
        sender.result(frame.frame_id, Outcome.DELIVERED)


@pytest.fixture
def anna(tmp_path: Path) -> Iterator[Party]:
    """Somebody with a verified contact, a conversation, a setting and a message on its way."""
    a, b = Party(tmp_path / "a" / "db"), Party(tmp_path / "b" / "db")
    a.ask(b)
    carry(a, b)
    b.accept()
    carry(b, a)
    a.send(SECRET_TEXT)
    carry(a, b)
    b.send("gut \N{SNOWMAN}\n\x00")
    carry(b, a)
    contact = a.contact()
    assert contact is not None
    a.do(lambda u: contacts.set_verified(u.c, contact, 17.5))
    a.do(lambda u: settings.put(u.c, "read_receipts", "false"))
    a.do(lambda u: disappearing.change(u, contact, 3_600))
    a.send("disappears, and is in no backup")
    a.do(lambda u: disappearing.change(u, contact, None))
    a.send("still on its way")
    yield a
    a.close()
    b.close()


def collected(party: Party) -> Backup:
    return party.do(lambda u: snapshot.collect(u.c, party.keys.identity_key, party.now))


def conversation(c: Connection) -> list[tuple[object, ...]]:
    contact = contacts.everybody(c)[0]
    return [
        (m.direction, m.kind, m.text, m.sent_at_ms, m.created_at_ms, m.notice)
        for m in messages.history(c, contact.id, None, 1000, None)
        if m.expires_after_seconds is None
    ]


def test_everything_comes_back_in_a_new_store(anna: Party, tmp_path: Path) -> None:
    shares: list[float] = []
    size = backup.write(tmp_path / "out", KEY, collected(anna), shares.append)
    assert (tmp_path / "out").stat().st_size == size
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o600
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    read = backup.read(tmp_path / "out", KEY)
    assert read == collected(anna)
    database = Database(tmp_path / "new.db", DatabaseKey(os.urandom(32)))
    for _ in range(2):  # twice is once
        database.transact(lambda c: snapshot.restore(c, read))
        restored = database.transact(conversation)
        assert restored == anna.do(lambda u: conversation(u.c))
    (contact,) = database.transact(contacts.everybody)
    assert contact.verified
    assert database.transact(lambda c: settings.get(c, "read_receipts")) == "false"
    assert database.transact(lambda c: timers.get(c, contact.id)) is None
    assert database.transact(lambda c: timers.changed_at_ms(c, contact.id)) > 0
    own = database.transact(lambda c: messages.history(c, contact.id, "on its way", 10, None))
    assert [message.state for message in own] == [MessageState.FAILED]
    assert database.transact(lambda c: c.execute("SELECT count(*) FROM peer_mailboxes").fetchone()) == (1,)
    assert database.transact(lambda c: c.execute("SELECT count(*) FROM contact_devices").fetchone()) == (1,)
    database.close()


def test_nothing_that_must_not_be_used_twice_is_in_it(anna: Party) -> None:
    content = b"".join(backup.encode(collected(anna)))
    kinds = {json.loads(line)["type"] for line in content.splitlines()}
    assert kinds == {"backup", "setting", "contact", "device", "message"}
    assert b"disappears, and is in no backup" not in content
    columns = {
        "sessions": "state",
        "prekeys": "private",
        "own_mailboxes": "recv_seed",
        "outbox": "frame",
        "account": "device_seed, root_seed, identity_seed, device_identity_seed, seal_key",
    }
    secrets = [
        value
        for table, names in columns.items()
        for row in anna.do(lambda u, t=table, n=names: u.c.execute(f"SELECT {n} FROM {t}").fetchall())
        for value in row
    ]
    assert len(secrets) > 10
    for secret in secrets:
        assert base64.b64encode(secret) not in content
    # The same search finds what is meant to be there.
    (mailbox,) = anna.do(lambda u: u.c.execute("SELECT send_secret FROM peer_mailboxes").fetchall())
    assert base64.b64encode(mailbox[0]) in content


def test_the_file_shows_nothing(anna: Party, tmp_path: Path) -> None:
    backup.write(tmp_path / "one", KEY, collected(anna))
    backup.write(tmp_path / "two", KEY, collected(anna))
    one, two = (tmp_path / "one").read_bytes(), (tmp_path / "two").read_bytes()
    assert SECRET_TEXT.encode() not in one
    assert len(one) == len(two)
    assert one[9:] != two[9:]
    assert one[HEADER:][:1000] != two[HEADER:][:1000]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A backup of three segments."""
    path = tmp_path_factory.mktemp("backup") / "file"
    text = "x" * 1_000
    records = tuple(
        BackupMessage(bytes(32), "incoming", bytes(16), "text", text, 1, 2, 3, "read", None, None) for _ in range(150)
    )
    head = BackupHead(1, 1.0, "https://chat.example", bytes(32), None, "", len(records))
    backup.write(path, KEY, Backup(head, records))
    data = path.read_bytes()
    assert len(data) > HEADER + 2 * (SEGMENT_SIZE + 16)
    return data


def segment(data: bytes, index: int) -> bytes:
    start = HEADER + index * (SEGMENT_SIZE + 16)
    return data[start : start + SEGMENT_SIZE + 16]


DAMAGE = {
    "flipped in the salt": (lambda d: d[:20] + bytes((d[20] ^ 1,)) + d[21:], BackupWrongKey),
    "flipped in the first segment": (lambda d: d[:500] + bytes((d[500] ^ 1,)) + d[501:], BackupDamaged),
    "flipped at the end": (lambda d: d[:-1] + bytes((d[-1] ^ 1,)), BackupDamaged),
    "cut inside a segment": (lambda d: d[:-5], BackupDamaged),
    "cut at a segment": (lambda d: d[: HEADER + 2 * (SEGMENT_SIZE + 16)], BackupDamaged),
    "cut to its header": (lambda d: d[:HEADER], BackupDamaged),
    "cut in its header": (lambda d: d[:20], BackupDamaged),
    "segments swapped": (lambda d: d[:HEADER] + segment(d, 1) + segment(d, 0) + segment(d, 2), BackupDamaged),
    "segment repeated": (lambda d: d[:HEADER] + segment(d, 0) + d[HEADER:], BackupDamaged),
    "segment left out": (lambda d: d[:HEADER] + segment(d, 0) + segment(d, 2), BackupDamaged),
    "something appended": (lambda d: d + b"x", BackupDamaged),
    "empty": (lambda _: b"", NotABackup),
    "another file": (lambda _: b"PK\x03\x04" + bytes(5_000), NotABackup),
    "newer": (lambda d: d[:8] + b"\x02" + d[9:], BackupTooNew),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_named(damage: str, written: bytes, tmp_path: Path) -> None:
    change, expected = DAMAGE[damage]
    path = tmp_path / "file"
    path.write_bytes(written)
    assert len(backup.read(path, KEY).records) == 150  # whole, it can be read
    path.write_bytes(change(written))
    with pytest.raises(expected):
        backup.read(path, KEY)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable, match=r"The file .*nowhere cannot be read: No such file"):
        backup.read(tmp_path / "nowhere", KEY)


def test_another_phrase_does_not_open_it(written: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(written)
    with pytest.raises(BackupWrongKey, match="another recovery phrase"):
        backup.read(tmp_path / "file", BackupKey(bytes(32)))


@budget(max_examples=60, deadline=None)
@given(position=st.integers(0, 2**31), bit=st.integers(0, 7))
def test_no_flipped_bit_goes_unnoticed(
    position: int, bit: int, written: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    damaged = bytearray(written)
    damaged[position % len(damaged)] ^= 1 << bit
    path = tmp_path_factory.mktemp("flip") / "file"
    path.write_bytes(damaged)
    with pytest.raises((BackupDamaged, BackupWrongKey, NotABackup, BackupTooNew)):
        backup.read(path, KEY)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (b"", BackupDamaged),
        (b"[]\n", BackupDamaged),
        (b'{"type":"backup","version":2}\n', BackupTooNew),
        (b'{"type":"backup","version":1}\n', BackupDamaged),
        (b"\xff\xfe\n", BackupDamaged),
        (b'{"type":"message"}\n', BackupDamaged),
    ],
)
def test_authentic_lines_of_another_form_are_refused(lines: bytes, expected: type[Exception]) -> None:
    with pytest.raises(expected):
        backup.decode(lines)


def test_a_line_too_few_is_noticed() -> None:
    head = BackupHead(1, 1.0, "https://chat.example", bytes(32), None, "", 2)
    whole = b"".join(backup.encode(Backup(head, (BackupSetting("a", "b"), BackupSetting("c", "d")))))
    assert len(backup.decode(whole).records) == 2
    for cut in (whole[: whole.rindex(b"{")], whole[:-1], whole + whole[whole.rindex(b"{") :]):
        with pytest.raises(BackupDamaged):
            backup.decode(cut)


def test_an_existing_file_is_never_written_over(anna: Party, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(FileExists):
        backup.write(tmp_path / "out", KEY, collected(anna))
    assert (tmp_path / "out").read_text() == "mine"
    with pytest.raises(StoreUnusable):
        backup.write(tmp_path / "nowhere" / "out", KEY, collected(anna))
    with pytest.raises(StoreUnusable):
        backup.read(tmp_path / "nowhere", KEY)


def test_a_disk_that_fails_leaves_no_half_file(anna: Party, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreUnusable, match="No space left"):
        backup.write(tmp_path / "out", KEY, collected(anna))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


@given(st.integers(1, 2**40))
def test_padme_sizes_are_few_and_near(size: int) -> None:
    padded = padme(size)
    assert padded >= max(size, SEGMENT_SIZE)
    assert padded <= max(size * 1.12, SEGMENT_SIZE)
    assert padme(padded) == padded


def test_own_messages_keep_their_side(anna: Party) -> None:
    sides = {record.direction for record in collected(anna).of(BackupMessage)}
    assert sides == {Direction.INCOMING, Direction.OUTGOING}
