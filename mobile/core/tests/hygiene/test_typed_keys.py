"""The type checker refuses a key in a role that is not its own: a file that must pass, and lines that must not."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
CASES = Path(__file__).parent / "typed_keys.py.txt"
EXPECTED = re.compile(r"# refused: ([a-z-]+)$")


def test_wrong_kinds_of_keys_are_refused_beside_the_right_ones(tmp_path: Path) -> None:
    """Every line with the comment must be refused with that code, and no other line at all."""
    lines = CASES.read_text().splitlines()
    source = tmp_path / "typed_keys.py"
    source.write_text("\n".join(lines) + "\n")
    paths = [str(ROOT / "mobile/core"), str(ROOT / "proto")]
    checked = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--config-file", os.devnull, "--strict", "--python-version", "3.11"),
            *("--no-error-summary", "--show-error-codes", "--cache-dir", str(ROOT / ".mypy_cache" / "typed-keys")),
            *("--follow-imports", "silent", "--ignore-missing-imports", str(source)),
        ],
        env={**os.environ, "MYPYPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    refused = {}
    for line in checked.stdout.splitlines():
        found = re.search(r"typed_keys\.py:(\d+): error: .*\[([a-z-]+)\]$", line)
        if found is not None:
            refused[int(found[1])] = found[2]
    wanted = {number: found[1] for number, line in enumerate(lines, 1) if (found := EXPECTED.search(line))}
    assert len(wanted) >= 12
    assert len([line for line in lines if line.startswith("    ")]) > 2 * len(wanted), "a positive control for each"
    assert refused == wanted, checked.stdout + checked.stderr
