"""`./dev fuzz`: coverage-guided fuzzing with atheris (libFuzzer), one forked process a target."""

import argparse
import contextlib
import importlib.util
import io
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[4]
FOUND = ROOT / ".cache" / "fuzz"
LARGEST_INPUT = 20_000
DEFAULT_SECONDS = 10
LINES_SHOWN = 40


def main() -> int:
    """Returns 1 if a target raised what it must not."""
    parser = argparse.ArgumentParser(
        prog="./dev fuzz",
        description="Throw bytes at every reader of bytes from outside, guided by which lines they reach.",
        epilog="What reaches new lines is kept in .cache/fuzz. An input that fails is kept there too, in a file whose name"
        " begins with failed-; put it into mobile/core/tests/fuzz/corpus/TARGET, so that the tests replay it.",
    )
    parser.add_argument("target", nargs="*", help="names of targets (all of them if none is given)")
    parser.add_argument("--seconds", type=int, default=DEFAULT_SECONDS, help="for each target (default: %(default)s)")
    parser.add_argument("--list", action="store_true", help="print the names of the targets")
    options = parser.parse_args()
    if options.list:
        from .registry import TARGETS

        print("\n".join(TARGETS))
        return 0
    if importlib.util.find_spec("atheris") is None:
        print("./dev fuzz needs atheris, which exists for Linux on x86-64 and Python 3.11 to 3.13.", file=sys.stderr)
        return 2
    targets = _instrumented()
    unknown = sorted(set(options.target) - set(targets))
    if unknown:
        print(f"There is no target {unknown[0]!r}. ./dev fuzz --list names them.", file=sys.stderr)
        return 2
    failed = [name for name in options.target or targets if not _run(targets[name], options.seconds)]
    if failed:
        print(f"Failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _instrumented() -> dict[str, Any]:
    """The targets, with a counter on every branch of the packages that they read with. Takes a while, once."""
    import atheris

    print("Instrumenting …", flush=True)
    quiet = contextlib.redirect_stderr(io.StringIO())  # it names every module
    with quiet, atheris.instrument_imports(include=["handshaker_core", "handshaker_cli"]):
        from .registry import TARGETS
    return TARGETS


def _run(target: Any, seconds: int) -> bool:
    """One target in a process of its own, since libFuzzer ends the process that it runs in."""
    print(f"{target.name}: {seconds} s …", end=" ", flush=True)
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+", errors="replace") as output:
        for number, data in enumerate([*target.seeds(), *target.corpus()]):
            (Path(folder) / str(number)).write_bytes(data)
        child = os.fork()
        if child == 0:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            _fuzz(target, seconds, folder)
        _, status = os.waitpid(child, 0)
        output.seek(0)
        lines = output.read().splitlines()
    print("FAILED" if status else "ok. " + next((line for line in lines if line.startswith("Done ")), ""), flush=True)
    if status:
        print("\n".join(lines[-LINES_SHOWN:]), file=sys.stderr, flush=True)
    return status == 0


def _fuzz(target: Any, seconds: int, seeds: str) -> None:
    import atheris

    found = FOUND / target.name
    found.mkdir(parents=True, exist_ok=True)
    options = [f"-max_total_time={seconds}", f"-max_len={LARGEST_INPUT}", f"-artifact_prefix={found}/failed-"]
    options += ["-timeout=20", "-rss_limit_mb=2048"]
    atheris.Setup([sys.argv[0], *options, str(found), seeds], target.check_quietly)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
