"""Everybody gets a turn once in a period, however many came and went before."""

from handshaker_signaling.domain.ring import Ring
from hypothesis import given
from hypothesis import strategies as st


@given(gone=st.integers(0, 200), living=st.integers(1, 20), ticks=st.integers(20, 400))
def test_a_turn_comes_within_a_period(gone, living, ticks):
    period, ring = 30.0, Ring()
    ended = [object() for _ in range(gone)]
    for each in ended:
        ring.add(each)
    for each in ended:
        ring.discard(each)
    alive = [object() for _ in range(living)]
    for each in alive:
        ring.add(each)
    met, now = [], 0.0
    ring.due(now, period)
    step = (period + 0.001) / ticks
    for _ in range(ticks):
        now += step
        met += ring.due(now, period)
    assert sorted(map(id, met)) == sorted(map(id, alive))
    assert sorted(map(id, ring.all())) == sorted(map(id, alive))
