"""`./dev fuzz`: coverage-guided fuzzing with atheris (libFuzzer), one child process a target."""

import argparse
import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
FOUND = ROOT / ".cache" / "fuzz"
LARGEST_INPUT = 20_000
DEFAULT_SECONDS = 10


def main() -> int:
    """Returns 1 if a target raised what it must not."""
    parser = argparse.ArgumentParser(
        prog="./dev fuzz",
        description="Throw bytes at every reader of bytes from outside, guided by which lines they reach.",
        epilog="What reaches new lines is kept in .cache/fuzz. An input that fails is printed and kept as a file there;"
        " put it into mobile/core/tests/fuzz/corpus/TARGET, so that the tests replay it.",
    )
    parser.add_argument("target", nargs="*", help="names of targets (all of them if none is given)")
    parser.add_argument("--seconds", type=int, default=DEFAULT_SECONDS, help="for each target (default: %(default)s)")
    parser.add_argument("--list", action="store_true", help="print the names of the targets")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        print("./dev fuzz needs atheris, which exists for Linux on x86-64 and Python 3.11 to 3.13.", file=sys.stderr)
        return 2
    if options.child:
        return _fuzz(options.target[0], options.seconds)
    from .registry import TARGETS

    if options.list:
        print("\n".join(TARGETS))
        return 0
    unknown = sorted(set(options.target) - set(TARGETS))
    if unknown:
        print(f"There is no target {unknown[0]!r}. ./dev fuzz --list names them.", file=sys.stderr)
        return 2
    failed = [name for name in options.target or TARGETS if not _run(name, options.seconds)]
    if failed:
        print(f"Failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _run(name: str, seconds: int) -> bool:
    """One target in a process of its own, since libFuzzer never returns."""
    print(f"{name}: {seconds} s …", end=" ", flush=True)
    finished = subprocess.run(
        [sys.executable, "-m", __package__ or "fuzz", "--child", "--seconds", str(seconds), name],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    lines = finished.stderr.splitlines() + finished.stdout.splitlines()
    runs = next((line for line in lines if line.startswith("Done ")), "")
    print("ok. " + runs if finished.returncode == 0 else "FAILED")
    if finished.returncode != 0:
        print("\n".join(lines[-40:]), file=sys.stderr)
    return finished.returncode == 0


def _fuzz(name: str, seconds: int) -> int:
    import atheris

    with atheris.instrument_imports(include=["handshaker_core", "handshaker_cli"]):
        from .registry import TARGETS
    target, found = TARGETS[name], FOUND / name
    found.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate([*target.seeds(), *target.corpus()]):
            (Path(folder) / str(number)).write_bytes(data)
        options = [f"-max_total_time={seconds}", f"-max_len={LARGEST_INPUT}", f"-artifact_prefix={found}/failed-"]
        options += ["-timeout=20", "-rss_limit_mb=2048", "-print_final_stats=0", "-verbosity=1"]
        atheris.Setup([sys.argv[0], *options, str(found), folder], target.check_quietly)
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
