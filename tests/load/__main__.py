"""The benchmarks, by name."""

import argparse
import sys

from crypto_bench import run as crypto_bench
from handshaker_local.errors import LocalError

from load import idle_bench, relay
from load.mailboxes import LoadError


def parser() -> argparse.ArgumentParser:
    """The command line of `./dev bench`."""
    top = argparse.ArgumentParser(prog="./dev bench", description="Benchmarks against the real thing.")
    names = top.add_subparsers(dest="name", required=True)
    live = names.add_parser("relay", help="messages/s, latency and processor time, live and stored, beside others")
    live.add_argument("--pairs", type=int, default=10)
    live.add_argument("--window", type=int, default=8)
    live.add_argument("--seconds", type=float, default=5, help="length of each run")
    live.add_argument("--repeat", type=int, default=3, help="runs of each shape; the median is shown")
    live.add_argument("--gateways", type=int, default=1)
    live.add_argument("--signalings", type=int, default=1)
    live.add_argument("--limits", action="store_true", help="keep the socket limits as a new installation has them")
    live.add_argument("--no-peers", action="store_true", help="leave Mosquitto and Prosody out")
    live.add_argument("--json", metavar="FILE", help="write all figures there as well")
    live.set_defaults(run=relay.run)
    idle = names.add_parser("idle", help="memory of idle sockets")
    idle.add_argument("--sockets", type=int, default=10_000)
    idle.add_argument("--steps", type=int, default=4)
    idle.set_defaults(run=idle_bench.run)
    crypto = names.add_parser("crypto", help="the end-to-end protocol beside libsignal, and the local store")
    crypto.add_argument("--rounds", type=int, default=5, help="rounds of each measurement; the median is shown")
    crypto.add_argument("--messages", type=int, default=100_000, help="in the store; 0 leaves it out")
    crypto.add_argument("--json", metavar="FILE", help="write all figures there as well")
    crypto.set_defaults(run=crypto_bench.run)
    return top


def main() -> int:
    options = parser().parse_args()
    try:
        status: int = options.run(options)
    except (LoadError, LocalError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return status


if __name__ == "__main__":
    sys.exit(main())
