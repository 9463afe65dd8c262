"""Measure another messaging server: `python -m peers mosquitto --pairs 10 --window 8 --payload 1400 --seconds 5`."""

import argparse
import asyncio
import dataclasses
import json
import signal
import sys
from typing import Any

import uvloop

from . import PeerError, PeerResult, run_mosquitto, run_prosody


def _arguments() -> argparse.Namespace:
    def count(text: str) -> int:
        if (value := int(text)) < 1:
            raise argparse.ArgumentTypeError("must be at least 1")
        return value

    parser = argparse.ArgumentParser(prog="python -m peers", description="Measure another messaging server.")
    parser.add_argument("peer", choices=["mosquitto", "prosody"], help="the server; started for this run only")
    parser.add_argument("--pairs", type=count, default=10, help="senders, each with its own receiver (default 10)")
    parser.add_argument("--window", type=count, default=8, help="messages in flight per pair (default 8)")
    parser.add_argument("--payload", type=count, default=1400, help="bytes of text per message (default 1400)")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long to send (default 5)")
    parser.add_argument("--stored", action="store_true", help="receivers are offline while the messages are sent")
    parser.add_argument("--archive", action="store_true", help="prosody: keep every message in the users' history")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
    arguments = parser.parse_args()
    if arguments.archive and arguments.peer != "prosody":
        parser.error("--archive is for prosody only")
    return arguments


async def _run(arguments: argparse.Namespace) -> PeerResult:
    # Ended from outside, it still stops the server and removes its data.
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    load: dict[str, Any] = {
        name: getattr(arguments, name) for name in ("pairs", "window", "payload", "seconds", "stored")
    }
    if arguments.peer == "prosody":
        return await run_prosody(**load, archive=arguments.archive)
    return await run_mosquitto(**load)


def main() -> int:
    """Run the command line; returns the exit status."""
    arguments = _arguments()
    try:
        result = uvloop.run(_run(arguments))
    except (PeerError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        print(f"{arguments.peer}: stopped before the end, no result", file=sys.stderr)
        return 130
    if arguments.json:
        print(json.dumps(dataclasses.asdict(result)))
    else:
        print(
            f"{result.name}: {result.rate:.0f} messages/s, p50 {result.p50_ms:.2f} ms, p99 {result.p99_ms:.2f} ms; "
            f"CPU per message: server {result.server_cpu_us:.0f} us, load generator {result.client_cpu_us:.0f} us"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
