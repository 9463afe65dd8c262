"""Rules without I/O."""

import base64
import hashlib
import hmac
import os

import pytest
from handshaker_common.ids import WakeId
from handshaker_notify.domain.schedule import Asked, Schedule
from handshaker_notify.domain.sealing import SEALED_SIZE, SealingKey
from handshaker_notify.domain.targets import target_to_delete, target_to_put
from handshaker_notify.domain.topics import topic
from handshaker_notify.errors import Unreadable
from handshaker_proto.notify.v1 import notify_pb2
from hypothesis import given
from hypothesis import strategies as st
from notify_world import Owner

KEY = SealingKey(bytes(range(32)))
INTERVAL, JITTER = 30.0, 3.0
A, B = WakeId(b"a" * 16), WakeId(b"b" * 16)


def schedule(most: int = 100) -> Schedule:
    return Schedule(interval=INTERVAL, jitter=lambda: JITTER, most=most)


def test_a_wake_up_fires_once_after_its_delay() -> None:
    wakes = schedule()
    assert wakes.ask(A, 0) is Asked.SCHEDULED
    assert wakes.ask(A, 1) is Asked.COALESCED
    assert wakes.next_time == JITTER
    assert wakes.take(2.9, 10) == []
    assert wakes.take(3, 10) == [A]
    assert wakes.take(100, 10) == []
    assert wakes.next_time is None


def test_what_is_asked_during_the_interval_fires_at_its_end() -> None:
    wakes = schedule()
    wakes.ask(A, 0)
    wakes.take(3, 10)
    assert wakes.ask(A, 4) is Asked.COALESCED
    assert wakes.take(35.9, 10) == []
    assert wakes.take(36, 10) == [A]


def test_ids_do_not_disturb_each_other_and_too_many_are_refused() -> None:
    wakes = schedule(most=1)
    assert wakes.ask(A, 0) is Asked.SCHEDULED
    assert wakes.ask(B, 0) is Asked.OVERLOADED
    wakes.take(3, 10)
    wakes.take(36, 10)
    assert wakes.ask(B, 36) is Asked.SCHEDULED


def test_what_failed_fires_again() -> None:
    wakes = schedule()
    wakes.ask(A, 0)
    wakes.put_back(wakes.take(3, 10))
    assert wakes.take(36, 10) == [A]


def test_at_the_end_everything_is_taken() -> None:
    wakes = schedule()
    wakes.ask(A, 0)
    wakes.take(3, 10)
    wakes.ask(B, 4)
    assert wakes.take_all() == [B]
    assert wakes.next_time is None


@given(st.lists(st.tuples(st.floats(0, 20), st.integers(0, 3)), min_size=1, max_size=60), st.floats(0, 5))
def test_nobody_is_woken_too_often_and_no_request_is_forgotten(steps: list[tuple[float, int]], jitter: float) -> None:
    wakes = Schedule(interval=INTERVAL, jitter=lambda: jitter, most=10)
    now, fired, asked = 0.0, {}, {}
    for pause, number in [*steps, (1_000, 9), (1_000, 9)]:
        now += pause
        for wake_id in wakes.take(now, 100):
            fired.setdefault(wake_id, []).append(now)
        wakes.ask(WakeId(bytes([number]) * 16), now)
        asked[WakeId(bytes([number]) * 16)] = now
    for wake_id in wakes.take(now + 1_000, 100):
        fired.setdefault(wake_id, []).append(now + 1_000)
    for wake_id, last in asked.items():
        assert fired[wake_id][-1] >= last
        assert all(
            later - earlier >= INTERVAL for earlier, later in zip(fired[wake_id], fired[wake_id][1:], strict=False)
        )


def test_a_sealed_target_opens_with_the_same_seed_alone() -> None:
    owner = Owner()
    sealed = owner.sealed(KEY.public_key)
    assert len(sealed) == SEALED_SIZE
    assert SealingKey(bytes(range(32))).open(sealed).mqtt.topic_key == owner.topic_key
    with pytest.raises(Unreadable):
        SealingKey(bytes(32)).open(sealed)
    with pytest.raises(Unreadable):
        KEY.open(sealed[:-1] + bytes([sealed[-1] ^ 1]))
    with pytest.raises(Unreadable):
        KEY.open(b"")


def padded(content: bytes) -> bytes:
    return (content + b"\x80").ljust(512, b"\0")


@pytest.mark.parametrize(
    "content",
    [
        bytes(512),
        b"\x80" * 512,
        padded(b"\xff"),
        padded(b""),
        padded(notify_pb2.WakeTarget(mqtt=notify_pb2.WakeTarget.Mqtt(topic_key=bytes(31))).SerializeToString()),
    ],
)
def test_a_target_that_says_nothing_is_unreadable(content: bytes) -> None:
    with pytest.raises(Unreadable):
        KEY.open(Owner().sealed(KEY.public_key, content))


def test_a_short_seed_is_an_error() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        SealingKey(bytes(31))


def test_the_topic_is_as_the_protocol_says_and_changes_at_midnight() -> None:
    key, day = os.urandom(32), 20_000
    digest = hmac.new(key, day.to_bytes(4, "big"), hashlib.sha256).digest()[:16]
    expected = "w/" + base64.urlsafe_b64encode(digest).decode().rstrip("=")
    assert topic(key, day * 86_400) == topic(key, day * 86_400 + 86_399) == expected
    assert topic(key, (day + 1) * 86_400) != expected
    assert topic(os.urandom(32), day * 86_400) != expected


def test_targets_need_the_owners_signature_over_everything() -> None:
    owner = Owner()
    request = owner.put(os.urandom(SEALED_SIZE), 7)
    right = (request.owner_public_key, request.sealed_target, request.revision, request.signature)
    target = target_to_put(*right)
    assert target is not None
    assert target.wake_id == owner.wake_id
    for place, wrong in enumerate([Owner().public_key, os.urandom(SEALED_SIZE), 8, bytes(64)]):
        assert target_to_put(*right[:place], wrong, *right[place + 1 :]) is None
    small = owner.put(os.urandom(10), 7)
    assert target_to_put(small.owner_public_key, small.sealed_target, 7, small.signature) is None
    endless = owner.put(os.urandom(SEALED_SIZE), 2**63)
    assert target_to_put(endless.owner_public_key, endless.sealed_target, 2**63, endless.signature) is None


def test_deletion_needs_a_signature_of_its_own() -> None:
    owner = Owner()
    request = owner.delete()
    assert target_to_delete(request.owner_public_key, request.signature) == owner.wake_id
    assert target_to_delete(request.owner_public_key, owner.put(bytes(SEALED_SIZE)).signature) is None
