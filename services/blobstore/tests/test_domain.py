"""Rules without I/O."""

import pytest
from blobstore_world import new_mailbox
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from handshaker_blobstore.domain.frames import (
    LONGEST_TTL_HOURS,
    FrameId,
    Put,
    check_count,
    check_put,
    expiry_hour,
    page_limits,
    partition_day,
    partition_days,
    this_hour,
)
from handshaker_blobstore.domain.mailboxes import (
    CREATE_LABEL,
    DELETE_LABEL,
    mailbox_to_create,
    mailbox_to_delete,
)
from handshaker_blobstore.domain.quota import COUNT, MOST_CLAIMED, Headroom
from handshaker_blobstore.errors import Malformed
from handshaker_common.ids import RecvId
from hypothesis import given
from hypothesis import strategies as st

MAILBOX = RecvId(bytes(16))
times = st.integers(0, 4_000_000_000_000).map(lambda milliseconds: milliseconds / 1_000)
hours = st.integers(-5, 10_000)


@given(times, hours)
def test_a_frame_lives_at_least_its_hours_and_at_most_one_more(now: float, ttl: int) -> None:
    clamped = min(max(ttl, 1), LONGEST_TTL_HOURS)
    lives = expiry_hour(now, ttl) * 3600 - now
    assert clamped * 3600 <= lives < (clamped + 1) * 3600


@given(times, hours, st.floats(0, 86_400))
def test_every_partition_that_a_frame_needs_exists_up_to_a_day_after_the_last_maintenance(
    now: float, ttl: int, later: float
) -> None:
    assert partition_day(expiry_hour(now + later, ttl)) in partition_days(now)


@given(times, hours)
def test_no_frame_of_a_past_day_is_alive(now: float, ttl: int) -> None:
    hour = expiry_hour(now, ttl)
    first_moment_of_the_next_day = (partition_day(hour) + 1) * 86_400
    assert hour <= this_hour(first_moment_of_the_next_day)


@given(st.lists(st.integers(0, 1_000), min_size=1, max_size=512))
def test_pages_never_exceed_what_was_asked_nor_what_an_answer_carries(wanted: list[int]) -> None:
    limits = page_limits(wanted)
    assert all(1 <= limit <= 32 for limit in limits)
    assert all(limit <= asked for limit, asked in zip(limits, wanted, strict=True) if asked)
    assert sum(limits) <= 512


def test_one_reader_gets_a_full_page() -> None:
    assert page_limits([0]) == [32]
    assert page_limits([512]) == [32]


@pytest.mark.parametrize(
    "put",
    [
        Put(RecvId(bytes(15)), FrameId(bytes(16)), bytes(2048), 1),
        Put(MAILBOX, FrameId(b""), bytes(2048), 1),
        Put(MAILBOX, FrameId(bytes(16)), bytes(2047), 1),
        Put(MAILBOX, FrameId(bytes(16)), b"", 1),
        Put(MAILBOX, FrameId(bytes(16)), bytes(16_385), 1),
    ],
)
def test_wrong_sizes_are_malformed(put: Put) -> None:
    with pytest.raises(Malformed):
        check_put(put)


@pytest.mark.parametrize("size", [2_048, 16_384])
def test_both_frame_sizes_are_right(size: int) -> None:
    put = Put(MAILBOX, FrameId(bytes(16)), bytes(size), 1)
    assert check_put(put) is put


@pytest.mark.parametrize(("count", "right"), [(0, False), (1, True), (512, True), (513, False)])
def test_batches_have_1_to_512_items(count: int, *, right: bool) -> None:
    if right:
        check_count(count)
    else:
        with pytest.raises(Malformed):
            check_count(count)


def test_creation_needs_the_owners_signature_over_everything() -> None:
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    secret_hash, wake_id = bytes(32), bytes(range(16))
    signature = key.sign(CREATE_LABEL + public + secret_hash + wake_id)
    assert mailbox_to_create(public, secret_hash, wake_id, signature) is not None
    assert mailbox_to_create(public, bytes([1]) + secret_hash[1:], wake_id, signature) is None
    assert mailbox_to_create(public, secret_hash, b"", signature) is None
    assert mailbox_to_create(public, secret_hash, wake_id, bytes(64)) is None
    other = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    assert mailbox_to_create(other, secret_hash, wake_id, signature) is None


def test_ids_follow_from_the_key_and_the_secret() -> None:
    key = Ed25519PrivateKey.generate()
    first, again, other = new_mailbox(key), new_mailbox(key), new_mailbox(key, bytes([1]) * 32)
    assert (first.recv_id, first.send_id) == (again.recv_id, again.send_id)
    assert first.recv_id == other.recv_id
    assert first.send_id != other.send_id


def test_deletion_needs_a_signature_of_its_own() -> None:
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    assert mailbox_to_delete(public, key.sign(DELETE_LABEL + public)) == new_mailbox(key).recv_id
    assert mailbox_to_delete(public, key.sign(CREATE_LABEL + public)) is None
    assert mailbox_to_delete(bytes(3), bytes(64)) is None


def test_headroom_must_count_first_and_never_gives_more_than_was_learnt() -> None:
    headroom = Headroom()
    assert headroom.claim(MAILBOX, 1) == COUNT
    headroom.learn(MAILBOX, 3)
    assert headroom.claim(MAILBOX, 2) == 2
    assert headroom.claim(MAILBOX, 2) == COUNT
    assert headroom.claim(MAILBOX, 1) == COUNT, "what is left after too large a claim is not trusted"
    headroom.learn(MAILBOX, 0)
    assert headroom.claim(MAILBOX, 1) == COUNT


@given(st.integers(0, 1_000), st.lists(st.integers(1, 10)))
def test_headroom_is_bounded(free: int, claims: list[int]) -> None:
    headroom = Headroom()
    headroom.learn(MAILBOX, free)
    given_away = sum(max(0, headroom.claim(MAILBOX, frames)) for frames in claims)
    assert given_away <= min(free, MOST_CLAIMED)


def test_headroom_forgets_rather_than_grow() -> None:
    headroom = Headroom(most_mailboxes=2)
    for number in range(3):
        headroom.learn(RecvId(bytes([number])), 5)
    assert headroom.claim(RecvId(bytes([0])), 1) == COUNT
    assert headroom.claim(RecvId(bytes([2])), 1) == 1
