"""That the benchmark measures what it says; how quick it is, is for `./dev bench crypto` to say."""

import pytest
from peers.libsignal import Libsignal

from crypto_bench import ours, report, run, store


def test_every_row_is_measured_on_both_sides() -> None:
    with Libsignal() as libsignal:
        for row in report.ROWS:
            mine = run.MEASURES[row.measure][0](3, run.CONTENT_SIZE, stored=row.stored)
            keep = "bytes" if row.stored else "records"
            theirs = libsignal.call(f"bench_{row.measure}", count=3, size=run.CONTENT_SIZE, keep=keep)
            assert mine[row.part] > 0
            assert theirs[row.part] > 0
        sizes = libsignal.call("bench_sizes", size=32)
    assert sizes["first"] > sizes["sealed"] > sizes["ordinary"] > 32
    assert "overhead" in report.sizes(ours.sizes(), {32: sizes})


def test_medians_ratios_and_aims() -> None:
    row = report.Row("name", "measure", "part", stored=False, aim=1.5)
    figure = report.figure(row, [{"part": 5.0}, {"part": 3.0}, {"part": 100.0}], [{"part": 2.0}, {"part": 4.0}])
    assert (figure.ours, figure.theirs) == (5.0, 3.0)
    assert figure.ratio == pytest.approx(5 / 3)
    assert figure.met is False
    assert "MISSED" in report.table([figure])
    assert report.figure(row, [{"part": 3.0}], [{"part": 2.0}]).met is True


def test_the_store_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    found = store.measure(200)
    assert set(found) == {"open", "search rare word", "search common word", "search part of a word"}
    assert all(seconds > 0 for seconds in found.values())
    assert "A store of 200 messages" in capsys.readouterr().out
