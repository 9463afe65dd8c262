"""Runs the measurements, ours and libsignal's in turns."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from peers.libsignal import Libsignal, LibsignalMissing

from crypto_bench import ours, report, store

CONTENT_SIZE = 256
# So many steps in each round, after as many rounds as are asked for.
MEASURES: Mapping[str, tuple[Callable[..., dict[str, float]], int]] = {
    "set_up": (ours.set_up, 100),
    "one_way": (ours.one_way, 1_000),
    "ping_pong": (ours.ping_pong, 600),
    "sealed": (ours.sealed, 300),
    "whole": (ours.whole, 300),
}


def run(options: argparse.Namespace) -> int:
    """Prints the tables; 1 if libsignal is missing, never because an aim is missed."""
    try:
        with Libsignal() as libsignal:
            figures = measure(libsignal, options.rounds)
            sizes = {size: libsignal.call("bench_sizes", size=size) for size in (32, CONTENT_SIZE)}
    except LibsignalMissing as error:
        print(error, file=sys.stderr)
        return 1
    print(report.table(figures))
    print()
    print(report.sizes(ours.sizes(), sizes))
    result: dict[str, object] = {
        "figures": [one.as_json() for one in figures],
        "sizes": {"ours": ours.sizes(), "libsignal": sizes},
    }
    if options.messages:
        print()
        result["store"] = store.measure(options.messages)
    if options.json:
        Path(options.json).write_text(json.dumps(result, indent=2) + "\n")
    return 0


def measure(libsignal: Libsignal, rounds: int) -> list[report.Figure]:
    """One uncounted round, then `rounds` that count."""
    wanted = list(dict.fromkeys((row.measure, row.stored) for row in report.ROWS))
    found: dict[tuple[str, bool], tuple[list[dict[str, float]], list[dict[str, float]]]] = {
        one: ([], []) for one in wanted
    }
    for number in range(rounds + 1):
        if sys.stderr.isatty():
            print(f"\rRound {number} of {rounds}", end="", file=sys.stderr, flush=True)
        for name, stored in wanted:
            function, count = MEASURES[name]
            mine = function(count, CONTENT_SIZE, stored=stored)
            keep = "bytes" if stored else "records"
            theirs = libsignal.call(f"bench_{name}", count=count, size=CONTENT_SIZE, keep=keep)
            if number:
                found[name, stored][0].append(mine)
                found[name, stored][1].append(theirs)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    return [report.figure(row, *found[row.measure, row.stored]) for row in report.ROWS]
