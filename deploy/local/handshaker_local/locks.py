"""`./dev lock`: writes requirements/ from the dependencies that the packages declare, hashes and nothing else."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "requirements"
SERVICES = ("auth", "keys", "signaling", "blobstore", "notify", "gateway")
# What stands in each file, as uv's options.
LOCKS = {
    "build": ["--only-group=build"],
    "services": ["--no-default-groups", *(f"--package=handshaker-{service}" for service in SERVICES)],
    "run": ["--all-packages", "--no-default-groups"],
    "dev": ["--all-packages", "--group=dev"],
}
EXPORT = ["export", "--no-emit-workspace", "--no-header", "--no-annotate", "--quiet"]
PINNED = re.compile(r"^([\w.-]+)(?:\[[\w,-]+\])?==([\w.!+]+)", re.MULTILINE)


def declared() -> Iterator[tuple[str, str]]:
    """Every requirement on another project, with the file that makes it."""
    for path in sorted([ROOT / "pyproject.toml", *ROOT.glob("*/pyproject.toml"), *ROOT.glob("[!.]*/*/pyproject.toml")]):
        with path.open("rb") as file:
            content = tomllib.load(file)
        groups = [content.get("project", {}).get("dependencies", []), *content.get("dependency-groups", {}).values()]
        for requirement in (requirement for group in groups for requirement in group):
            if not requirement.startswith("handshaker-"):
                yield requirement, str(path.relative_to(ROOT))


def drifted() -> list[str]:
    """One sentence for each requirement that is not an exact pin, or not locked as it says."""
    locked = {name: version for lock in LOCKS for name, version in PINNED.findall((FOLDER / f"{lock}.txt").read_text())}
    found = []
    for requirement, path in declared():
        pin = PINNED.match(requirement)
        if pin is None:
            found.append(f"{path}: {requirement!r} is not pinned; write name==version")
        elif locked.get(re.sub(r"[-_.]+", "-", pin[1]).lower()) != pin[2]:
            found.append(f"{path}: {requirement!r} is not what requirements/ locks. Run: ./dev lock")
    return found


def main() -> int:
    """Resolves anew and writes the files; uv's own lock, which records hosts, stays out of the repository."""
    uv = Path(sys.executable).parent / "uv"
    for name, options in LOCKS.items():
        made = subprocess.run([uv, *EXPORT, *options], cwd=ROOT, capture_output=True, text=True, check=False)
        if made.returncode != 0:
            print(made.stderr.strip(), file=sys.stderr)
            return 1
        (FOLDER / f"{name}.txt").write_text(made.stdout)
        print(f"requirements/{name}.txt: {len(PINNED.findall(made.stdout))} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
