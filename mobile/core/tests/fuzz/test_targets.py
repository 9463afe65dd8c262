"""Whatever bytes come: a documented exception or a value, in bounded memory."""

import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .mutating import altered
from .registry import TARGETS
from .target import CORPUS, Target

EXAMPLES = 60
LARGEST_CORPUS_FILE = 20_000
# A reader may keep a few copies of what it reads; a length field must not make it allocate more.
COPIES, ALLOWANCE = 64, 1_500_000

ALL = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)


@ALL
def test_valid_inputs_are_read_and_the_corpus_raises_nothing_undocumented(target: Target) -> None:
    seeds = target.seeds()
    assert any(target.check(seed) for seed in seeds), "no seed is accepted: the target reaches nothing"
    for data in [*seeds, *target.corpus()]:
        target.check(data)


@ALL
def test_altered_inputs_and_random_bytes_raise_nothing_undocumented(target: Target) -> None:
    seeds = [*target.seeds(), *target.corpus()]

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.one_of(altered(seeds), altered(seeds), st.binary(max_size=300)))
    def read(data: bytes) -> None:
        target.check(data)

    read()


@ALL
def test_every_valid_input_cut_anywhere_is_refused_or_read_in_bounded_memory(target: Target) -> None:
    for seed in target.seeds():
        target.check(seed)  # what is loaded once does not count
        step = max(1, len(seed) // 12)
        inputs = [seed[:end] for end in range(0, len(seed), step)]
        inputs += [seed[:at] + b"\xff\xff\xff\xff" + seed[at + 4 :] for at in range(0, len(seed), step)]
        for data in inputs:
            tracemalloc.start()
            try:
                target.check(data)
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
            assert peak < ALLOWANCE + COPIES * len(data), target.name


def test_the_corpus_belongs_to_targets_and_stays_small() -> None:
    files = [path for path in CORPUS.rglob("*") if path.is_file()]
    assert {path.parent.name for path in files} <= set(TARGETS)
    assert all(path.stat().st_size <= LARGEST_CORPUS_FILE for path in files)
    assert sum(path.stat().st_size for path in files) < 2_000_000
