"""The command `./dev run`: starts the system, demonstrates it, serves until it is told to stop."""

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType

from handshaker_local.demonstration import demonstrate
from handshaker_local.errors import LocalError
from handshaker_local.state import default_folder
from handshaker_local.system import System

CHECKOUT = Path(__file__).resolve().parents[3]
DEFAULT_PORT = 8080
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INTERRUPTED = 130
NAME_WIDTH = 12


class ToldToStop(KeyboardInterrupt):
    """Somebody pressed Ctrl-C, closed the terminal or sent SIGTERM."""


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65_535:  # noqa: PLR2004 - the protocol's
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: give a number from 1 to 65535")
    return int(text)


def options(arguments: list[str]) -> argparse.Namespace:
    """The command line, understood."""
    parser = argparse.ArgumentParser(
        prog="./dev run",
        description="Starts the whole system on this machine, sends an end-to-end encrypted message each way between "
        "two new accounts, and keeps serving until Ctrl-C.",
    )
    parser.add_argument(
        "--port", type=_port, default=DEFAULT_PORT, metavar="N", help="serve on this port (default: %(default)s)"
    )
    parser.add_argument("--once", action="store_true", help="stop after the messages")
    parser.add_argument(
        "--state",
        type=Path,
        default=default_folder(CHECKOUT),
        metavar="DIR",
        help="keep databases, keys and logs here (default: .handshaker in the checkout; for root /var/lib/handshaker)",
    )
    return parser.parse_args(arguments)


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise ToldToStop


def _tell(name: str, seconds: float) -> None:
    print(f"  {name:{NAME_WIDTH}} ready after {seconds:4.1f} s", flush=True)


def run(arguments: list[str]) -> int:
    """The whole command; returns the exit status. What goes wrong is told in one sentence on standard error."""
    chosen = options(arguments)
    system = System(chosen.state, gateway_port=chosen.port)
    for number in STOP_SIGNALS:
        signal.signal(number, _stop)
    serving = False
    try:
        print(f"Starting Handshaker with its data in {_shown(system.folder.path)}", flush=True)
        system.start(_tell)
        for reason in system.off.values():
            print(f"  off: {reason}")
        demonstrate(system)
        if chosen.once:
            return 0
        serving = True
        print(_how_to_use(system.gateway_urls[0]), flush=True)
        system.watch()
    except LocalError as error:
        print(error, file=sys.stderr, flush=True)
        return 1
    except ToldToStop:
        print("\nStopping …", flush=True)
        return 0 if serving else INTERRUPTED
    finally:
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        was_started = system.was_started
        system.stop()
        if was_started:
            print("Everything has stopped.", flush=True)


def _shown(folder: Path) -> str:
    here = Path.cwd()
    return str(folder.relative_to(here)) if folder.is_relative_to(here) else str(folder)


def _how_to_use(url: str) -> str:
    program = Path(sys.prefix) / "bin" / "handshaker"
    return f"""
Serving on {url} until Ctrl-C. To be two people yourself, open two more shells here:

  export HANDSHAKER_SERVER={url} HANDSHAKER_HOME=~/handshaker-alice    # in the other shell: ~/handshaker-bob
  {_shown(program)} register --username alice      # in the other shell: bob. It answers with the name's digits
  {_shown(program)} receive --follow               # shows what arrives; --help explains connect, accept and send
"""
