"""`./dev check`: lint, types, contracts, wire compatibility and the rules that hold for every tracked file."""

import argparse
import concurrent.futures
import os
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from handshaker_local.imports import undeclared
from handshaker_local.locks import ROOT, drifted

BIN = Path(sys.executable).parent
GENERATED = "proto/handshaker_proto/"
LONGEST_FILE = 400  # lines; a file that outgrows them holds more than one concern
TEXT_SUFFIXES = {".py", ".proto", ".sql", ".sh"}
# Written in pieces, so that this file passes its own check.
FORBIDDEN = {
    "a registry's host": re.compile(
        r"p[y]pi\.(org|python)|pythonho[s]ted|registry\.np[m]js|deb\.debi[a]n|crate[s]\.io"
    ),
    "an absolute path of one machine": re.compile(r"(?<![\w.~$}])/(w[o]rk|r[o]ot|h[o]me|U[s]ers)/\w"),
    "a private key": re.compile(r"-----BEGIN (\w+ )?PRIVATE KEY-----(\s|\\n|\")*[A-Za-z0-9+/]{40}"),
}


@dataclass(frozen=True)
class Result:
    """What one check found: no findings means that it passed; a note is shown beside its name."""

    findings: str = ""
    note: str = ""


Check = Callable[[], Result]


def _run(*command: str | Path, env: dict[str, str] | None = None) -> Result:
    finished = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, **(env or {})}
    )
    return Result(findings="" if finished.returncode == 0 else (finished.stdout + finished.stderr).strip() or "failed")


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


def tracked_files() -> Iterator[Path]:
    """Files that are, or are about to be, in the repository."""
    for name in _git("ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0"):
        if name and (ROOT / name).is_file():
            yield Path(name)


def types() -> Result:
    """Strict types in everything but the tests, whose fixtures pytest connects by name."""
    product = [
        str(path)
        for path in tracked_files()
        if path.suffix == ".py"
        and not str(path).startswith(GENERATED)
        and "tests" not in path.parts[1:]
        and not path.name.startswith(("test_", "conftest"))
    ]
    return _run(BIN / "mypy", "--no-error-summary", "--", *product, "proto/handshaker_proto/rules.py")


def wire_baseline() -> str | None:
    """The commit whose .proto files must stay readable: main, or the one before it where main is what is checked."""
    main = _git("merge-base", "HEAD", "origin/main") or _git("merge-base", "HEAD", "main")
    if main and main == _git("rev-parse", "HEAD") and not _git("status", "--porcelain", "--", "proto"):
        main = _git("rev-parse", "--verify", "-q", "HEAD^")
    return main if main and _git("ls-tree", main, "proto/handshaker") else None


def wire_compatibility() -> Result:
    """Fields, types and methods that others may already use must not change."""
    baseline = wire_baseline()
    if baseline is None:
        return Result(note="no earlier commit has .proto files to compare with")
    found = _run(BIN / "buf", "breaking", "proto", "--against", f".git#ref={baseline},subdir=proto")
    return Result(findings=found.findings, note=f"against {baseline[:12]}")


def forbidden_text() -> Result:
    """Nothing of one machine, of a registry, or secret stands in a file."""
    found = []
    for path in tracked_files():
        text = (ROOT / path).read_bytes().decode("utf-8", "replace")
        for name, pattern in FORBIDDEN.items():
            if match := pattern.search(text):
                found.append(f"{path}:{text.count(chr(10), 0, match.start()) + 1}: {name}: {match[0]}")
    return Result(findings="\n".join(found))


def file_lengths() -> Result:
    """No file holds more than fits one concern. Generated code does not count."""
    found = []
    for path in tracked_files():
        if path.suffix in TEXT_SUFFIXES and not str(path).startswith(GENERATED):
            lines = (ROOT / path).read_bytes().count(b"\n")
            if lines > LONGEST_FILE:
                found.append(f"{path}: {lines} lines, {LONGEST_FILE} at the most")
    return Result(findings="\n".join(found))


def locks() -> Result:
    """Every dependency that a pyproject.toml names is locked in the version that it names."""
    return Result(findings="\n".join(drifted()))


def dependencies() -> Result:
    """No package imports what only happens to be installed."""
    return Result(findings="\n".join(undeclared()))


def changelog() -> Result:
    """Fragments in changelog.d/ can be made into a changelog."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        version = tomllib.load(file)["project"]["version"]
    return _run(BIN / "towncrier", "build", "--draft", "--version", version)


CHECKS: dict[str, Check] = {
    "lint": lambda: _run(BIN / "ruff", "check", "--output-format=concise", "."),
    "format": lambda: _run(BIN / "ruff", "format", "--check", "."),
    "types": types,
    "contracts": lambda: _run(BIN / "lint-imports", "--no-cache", env={"PYTHONPATH": "tests"}),
    "proto-lint": lambda: _run(BIN / "buf", "lint", "proto"),
    "proto-compatible": wire_compatibility,
    "proto-generated": lambda: _run(sys.executable, ROOT / "proto/generate.py", "--check"),
    "settings-page": lambda: _run(sys.executable, "-m", "handshaker_local.settings_page", "--check"),
    "dependencies": dependencies,
    "locks": locks,
    "text": forbidden_text,
    "length": file_lengths,
    "changelog": changelog,
}


def _timed(check: Check) -> tuple[Result, float]:
    started = time.monotonic()
    return check(), time.monotonic() - started


def main(arguments: list[str] | None = None) -> int:
    """Runs the checks side by side, prints a line for each, and everything that was found at the end."""
    parser = argparse.ArgumentParser(prog="./dev check", description="Lint, types, contracts, wire compatibility.")
    parser.add_argument("names", nargs="*", metavar="CHECK", help=f"only these: {', '.join(CHECKS)}")
    names = parser.parse_args(arguments).names or list(CHECKS)
    if unknown := [name for name in names if name not in CHECKS]:
        parser.error(f"there is no check {unknown[0]!r}; there are {', '.join(CHECKS)}")
    failed: dict[str, Result] = {}
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        waiting = {pool.submit(_timed, CHECKS[name]): name for name in names}
        for future in concurrent.futures.as_completed(waiting):
            name, (result, seconds) = waiting[future], future.result()
            note = f"  ({result.note})" if result.note else ""
            print(f"{'FAILED' if result.findings else 'ok':8}{name:18}{seconds:6.1f} s{note}", flush=True)
            if result.findings:
                failed[name] = result
    for name, result in failed.items():
        print(f"\n--- {name}\n{result.findings}")
    if failed:
        print(f"\n{len(failed)} of {len(names)} checks failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
