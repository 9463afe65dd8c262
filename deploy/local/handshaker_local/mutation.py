"""`./dev mutate`: changes the protocol's code in small ways, one at a time, and sees whether a test fails.

mutmut works on a copy (`.cache/mutate`), in which the package stands under `src/` as it wants it. The tests that it runs
are those that need neither servers nor the engine. Not part of `./dev check` or `./dev test`: it takes hours.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

from handshaker_local.locks import ROOT

WORK = ROOT / ".cache" / "mutate"
PROTOCOL = ROOT / "mobile" / "core" / "handshaker_core" / "protocol"
TESTS = ["protocol", "vectors", "fuzz", "libsignal"]
DEFAULT_TESTS = ["protocol", "vectors"]
GOAL = 85

# A sentence for people is no behaviour; what is raised is, and is changed elsewhere on the line's branch.
NOT_CHANGED = [r"^\s*raise \w+\(\"", r"^\s*\"[A-Z].*[.\"]\"?$"]

CONFTEST = '''"""Quicker, and the same every time: a mutant must not survive or die by chance."""

import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))
settings.register_profile(
    "mutation",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=25,
    stateful_step_count=20,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("mutation")
'''


def main() -> int:
    """Returns 1 if fewer than 85 % of the mutants were killed."""
    parser = argparse.ArgumentParser(
        prog="./dev mutate",
        description="Change the protocol's code in small ways and see that a test fails each time.",
        epilog="Takes seconds to minutes a file and hours for all of them. Survivors are listed; see one with --show NAME.",
    )
    parser.add_argument("file", nargs="*", help="files of mobile/core/handshaker_core/protocol, like padding.py (all)")
    parser.add_argument("--tests", nargs="+", metavar="FOLDER", help="folders or files of mobile/core/tests to run")
    parser.add_argument("--show", metavar="NAME", help="print a mutant of the last run as a difference")
    parser.add_argument("--jobs", type=int, default=1, help="mutants at a time (default: %(default)s)")
    options = parser.parse_args()
    if options.show is not None:
        return _mutmut("show", options.show).returncode
    files = [_relative(name) for name in options.file] or [str(path) for path in _all_files()]
    _prepare(files, options.tests or DEFAULT_TESTS)
    if _mutmut("run", "--max-children", str(options.jobs)).returncode != 0:
        return 2
    return _report()


def _relative(name: str) -> str:
    path = PROTOCOL / name if (PROTOCOL / name).exists() else Path(name).resolve()
    if not path.is_file() or PROTOCOL not in path.parents:
        sys.exit(f"./dev mutate: there is no {name} in mobile/core/handshaker_core/protocol")
    return str(path.relative_to(PROTOCOL.parents[1]))


def _all_files() -> list[Path]:
    return [
        path.relative_to(PROTOCOL.parents[1]) for path in sorted(PROTOCOL.rglob("*.py")) if path.name != "labels.py"
    ]


def _prepare(files: list[str], tests: list[str]) -> None:
    """A fresh copy, without what an earlier run made of it."""
    shutil.rmtree(WORK, ignore_errors=True)
    ignore = shutil.ignore_patterns("__pycache__", "node_modules", "corpus")
    shutil.copytree(ROOT / "mobile/core/handshaker_core", WORK / "src/handshaker_core", ignore=ignore)
    shutil.copytree(ROOT / "docs/protocol", WORK / "docs/protocol", ignore=ignore)
    folder = WORK / "mobile/core/tests"
    for name in TESTS:
        if (ROOT / "mobile/core/tests" / name).exists():
            shutil.copytree(ROOT / "mobile/core/tests" / name, folder / name, ignore=ignore)
    (folder / "conftest.py").write_text(CONFTEST)
    configuration = {
        "source_paths": ["src"],
        "only_mutate": [f"src/{path}" for path in files],
        "also_copy": ["mobile", "docs"],
        "pytest_add_cli_args_test_selection": [f"mobile/core/tests/{name}" for name in tests],
        "pytest_add_cli_args": [
            "-p",
            "no:cacheprovider",
            "--import-mode=importlib",
            "-k",
            "not generator and not every_file",
        ],
        "do_not_mutate_patterns": NOT_CHANGED,
        "timeout_constant": 5.0,
    }
    lines = ["[tool.mutmut]", *(f"{name} = {json.dumps(value)}" for name, value in configuration.items())]
    lines += ["[tool.pytest.ini_options]", 'asyncio_mode = "auto"', "timeout = 300"]
    (WORK / "pyproject.toml").write_text("\n".join(lines) + "\n")


def _mutmut(*arguments: str, capture: bool = False) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "mutmut"
    # A mutant that hangs while importing would otherwise be compiled into files that the next one reads.
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([program, *arguments], cwd=WORK, env=env, capture_output=capture, text=True, check=False)


def _report() -> int:
    """Rates by file, and every survivor by name."""
    said = _mutmut("results", "--all", "true", capture=True).stdout
    results = re.findall(r"^\s*(\S+__mutmut_\d+): ([\w ]+)$", said, re.MULTILINE)
    by_file: dict[str, Counter[str]] = {}
    for name, outcome in results:
        module = re.sub(r"\.x[_ǁ].*$", "", name).removeprefix("handshaker_core.protocol.")
        by_file.setdefault(module, Counter())[outcome] += 1
    total: Counter[str] = Counter()
    for module, outcomes in sorted(by_file.items()):
        total += outcomes
        print(f"{module:28} {_rate(outcomes)}")
    print(f"{'all':28} {_rate(total)}")
    for name, outcome in results:
        if outcome not in DEAD:
            print(f"{outcome}: {name}")
    return 0 if results and _killed(total) * 100 >= GOAL * total.total() else 1


DEAD = {"killed", "timeout", "segfault", "caught by type check"}


def _killed(outcomes: Counter[str]) -> int:
    return sum(outcomes[outcome] for outcome in DEAD)


def _rate(outcomes: Counter[str]) -> str:
    share = 100 * _killed(outcomes) / max(1, outcomes.total())
    return f"{_killed(outcomes):5} of {outcomes.total():5} killed, {share:5.1f} %"


if __name__ == "__main__":
    sys.exit(main())
