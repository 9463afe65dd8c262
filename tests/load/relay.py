"""`./dev bench relay`: messages through the real processes, beside Mosquitto and Prosody in the same run."""

import argparse
import json
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

from handshaker_local.system import System

from load.mailboxes import LoadError
from load.processes import COMPONENTS, Child, cpu_seconds

# Aims on two cores.
LIVE_CPU_US, STORED_CPU_US, RATE, P99_MS, TIMES_CHEAPER = 110, 150, 5000, 50, 6
PEERS: tuple[tuple[str, ...], ...] = (("mosquitto",), ("prosody",), ("prosody", "--archive"))
# The limits stay on, wide enough for ten senders to be the load of thousands.
ENVIRONMENT = {
    "HANDSHAKER_LIMITS": "socket_bytes=1000000000/1,socket_messages=1000000/1,"
    "socket_open=100000/60,mailbox=100000/60,challenge=100000/60",
}


def measure(system: System, mode: str, *, pairs: int, window: int, seconds: float) -> dict[str, Any]:
    """One run: what the generator counted, and microseconds of processor time per message and component."""
    urls = [part for url in system.gateway_urls for part in ("--url", url)]
    shape = ["--pairs", str(pairs), "--window", str(window), "--seconds", str(seconds)]
    child = Child("load.generator", *urls, "--mode", mode, *shape)
    try:
        if child.read() != "READY":
            raise LoadError("The load generator did not get ready.")
        before = cpu_seconds(system)
        child.write("GO")
        result = child.read_json()
        after = cpu_seconds(system)
    finally:
        child.stop()
    wanted = {"delivered", "stored"} if mode == "live" else {"stored"}
    other = {name: count for name, count in result["outcomes"].items() if name not in wanted}
    if other:
        raise LoadError(f"Messages ended otherwise than they should: {other}.")
    cpu = {name: (after[name] - before[name]) / max(result["messages"], 1) * 1e6 for name in COMPONENTS}
    return result | {"mode": mode, "pairs": pairs, "window": window, "cpu_us": cpu, "server_cpu_us": sum(cpu.values())}


def measure_peer(peer: tuple[str, ...], *, stored: bool, pairs: int, window: int, seconds: float) -> dict[str, Any]:
    """The same load against another server."""
    shape = ["--pairs", str(pairs), "--window", str(window), "--seconds", str(seconds), "--payload", "2048", "--json"]
    child = Child("peers", *peer, *shape, *(["--stored"] if stored else []))
    try:
        return child.read_json()
    finally:
        child.stop()


def median_run(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The run whose processor time per message is the median."""
    middle = statistics.median_low(run["server_cpu_us"] for run in runs)
    return next(run for run in runs if run["server_cpu_us"] == middle)


def line(name: str, result: dict[str, Any], ours: float | None) -> str:
    """One row of the table."""
    ratio = f"{result['server_cpu_us'] / ours:6.1f}x" if ours else "       "
    text = f"{name:34} {result['rate']:7.0f}/s  p50 {result['p50_ms']:6.2f}  p99 {result['p99_ms']:6.2f} ms"
    return f"{text}  {result['server_cpu_us']:6.0f} us {ratio}"


def details(result: dict[str, Any]) -> str:
    """Where the processor time goes."""
    parts = [f"{name} {value:.0f}" for name, value in result["cpu_us"].items() if value >= 0.5]
    return f"    us per message: {', '.join(parts)}; load generator {result['client_cpu_us']:.0f}"


def compare(mode: str, ours: dict[str, Any], options: argparse.Namespace) -> list[dict[str, Any]]:
    """Runs the other servers and prints them beside ours."""
    found = []
    for peer in PEERS:
        result = measure_peer(
            peer, stored=mode == "stored", pairs=options.pairs, window=options.window, seconds=options.seconds
        )
        print(line(f"{mode}: {' '.join(peer)}", result, ours["server_cpu_us"]), flush=True)
        found.append(result)
    return found


def run(options: argparse.Namespace) -> int:
    """Measures and prints; the figures go to --json as well."""
    folder = Path(tempfile.mkdtemp(prefix="handshaker-bench-"))
    folder.chmod(0o711)
    system = System(
        folder, gateways=options.gateways, signalings=options.signalings, env=ENVIRONMENT if not options.limits else {}
    )
    everything: dict[str, Any] = {}
    try:
        system.start()
        measure(system, "live", pairs=2, window=2, seconds=1)  # warms up; not counted
        for mode in ("live", "stored"):
            shapes = [(1, 1), (options.pairs, 1), (options.pairs, options.window)]
            for pairs, window in shapes:
                runs = [
                    measure(system, mode, pairs=pairs, window=window, seconds=options.seconds)
                    for _ in range(options.repeat)
                ]
                result = median_run(runs)
                print(line(f"{mode}: handshaker, {pairs} x {window}", result, None))
                print(details(result), flush=True)
                everything[f"{mode} {pairs}x{window}"] = result
            if not options.no_peers:
                everything[f"{mode} peers"] = compare(mode, result, options)
    finally:
        system.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print(
        f"Aims: live {LIVE_CPU_US} us, stored {STORED_CPU_US} us, {RATE}/s with p99 under {P99_MS} ms, "
        f"{TIMES_CHEAPER} times cheaper than Prosody."
    )
    if options.json:
        Path(options.json).write_text(json.dumps(everything, indent=1), "utf-8")
    return 0
