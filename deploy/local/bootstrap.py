"""Makes the virtual environment and installs exactly what requirements/ names. Called by ./dev; standard library only.

Usage: bootstrap.py [--npm FOLDER] run|dev [DEBIAN_PACKAGE=PROGRAM ...]

`run` is what the system itself needs, `dev` adds the tools of the tests and checks. `--npm` adds the packages that
FOLDER/package-lock.json names; they go into npm/<last part of FOLDER> of the virtual environment. Nothing is done when
a stamp says that it was done from the same locks, packages and place.
"""

import argparse
import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = Path(os.environ.get("HANDSHAKER_VENV") or ROOT / ".venv").absolute()
PYTHON = VENV / "bin" / "python"
PIP = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--no-input"]
INSTALL = [*PIP, "install", "-q", "--no-deps", "--no-compile"]
# Where Debian keeps servers; an ordinary user's PATH often lacks it.
PROGRAM_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin"])
BUILD_EDITABLE = """
import os, sys
from flit_core import buildapi
for folder in sys.argv[2:]:
    os.chdir(folder)
    buildapi.build_editable(sys.argv[1])
"""
TAIL_LINES = 6
# Lines of pip that help nobody.
NOISE = re.compile(r"^\s*($|note:|hint:|╰─>|\u00d7|\[end of output\])")


class PrepareFailed(Exception):
    """Something that the person at the keyboard has to mend; the message is one sentence that says how."""


class Step:
    """One line of progress: the name at once, then a counter on terminals, then the seconds that it took."""

    def __init__(self, name: str) -> None:
        self.name, self.started, self.live = name, time.monotonic(), sys.stderr.isatty()
        self._write(f"{name} …", end="" if self.live else "\n")

    def _write(self, text: str, end: str = "\n") -> None:
        print(f"\r\033[K{text}" if self.live else text, end=end, file=sys.stderr, flush=True)

    def count(self, number: int) -> None:
        if self.live:
            self._write(f"{self.name} … {number}", end="")

    def done(self) -> None:
        self._write(f"{self.name}: done in {time.monotonic() - self.started:.0f} s")


def workspace() -> list[Path]:
    """The folders of the packages in this repository, those that others need first."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        patterns = tomllib.load(file)["tool"]["uv"]["workspace"]["members"]
    return [folder.parent for pattern in patterns for folder in sorted(ROOT.glob(f"{pattern}/pyproject.toml"))]


def lock_file(kind: str) -> Path:
    return ROOT / "requirements" / f"{kind}.txt"


def stamp(kind: str) -> str:
    """Changes whenever what would be installed changes. Editable packages follow their sources without it."""
    digest = hashlib.sha256(f"{ROOT}\n{PYTHON.resolve()}\n".encode())
    for path in [lock_file("build"), lock_file(kind), *(folder / "pyproject.toml" for folder in workspace())]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def stamp_file(kind: str) -> Path:
    return VENV / f"handshaker-{kind}.stamp"


def is_current(kind: str) -> bool:
    """`dev` contains `run`, so its stamp serves for both."""
    return PYTHON.exists() and any(
        stamp_file(have).exists() and stamp_file(have).read_text() == stamp(have) for have in {kind, "dev"}
    )


def run(command: Sequence[str | Path], failure: str) -> None:
    """Runs a quiet command; when it fails, the end of what it said follows the sentence."""
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        said = [line for line in (finished.stderr or finished.stdout).splitlines() if not NOISE.match(line)][
            -TAIL_LINES:
        ]
        raise PrepareFailed("\n".join([failure, *(f"  {line}" for line in said)]))


def install_debian(packages: Sequence[str], purpose: str) -> None:
    """Installs Debian packages as root or by a sudo that asks for no password, and otherwise says what to type."""
    by_hand = f"apt install {' '.join(packages)}"
    if shutil.which("apt-get") is None:
        raise PrepareFailed(f"{purpose} needs {', '.join(packages)} (Debian's names): please install it.")
    sudo: list[str] = []
    if os.geteuid() != 0:
        sudo = ["sudo", "-n"]
        if shutil.which("sudo") is None or subprocess.run([*sudo, "true"], capture_output=True, check=False).returncode:
            raise PrepareFailed(f"{purpose} needs a Debian package that is not installed. As root: {by_hand}")
    step = Step(f"Installing {', '.join(packages)} with apt")
    env = [*sudo, "env", "DEBIAN_FRONTEND=noninteractive"]
    run([*env, "apt-get", "update", "-q"], "apt-get update failed:")
    run(
        [*env, "apt-get", "install", "-yq", "--no-install-recommends", *packages],
        f"{by_hand} failed:",
    )
    step.done()


def make_venv() -> None:
    if PYTHON.exists() and subprocess.run([*PIP, "--version"], capture_output=True, check=False).returncode == 0:
        return
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        install_debian(["python3-venv"], "Making a virtual environment")
    step = Step(f"Making {os.path.relpath(VENV, ROOT) if VENV.is_relative_to(ROOT) else VENV}")
    run(
        [sys.executable, "-m", "venv", "--clear", VENV],
        f"A virtual environment could not be made in {VENV} (on Debian it needs: apt install python3-venv):",
    )
    step.done()


def download(kind: str, wheels: Path) -> None:
    """Fetches the locked packages in several processes, because pip spends its time reading long indexes."""
    lines = lock_file(kind).read_text().replace("\\\n", " ").splitlines()
    requirements = [line for line in lines if line and not line.startswith("#")]
    step = Step("Downloading packages")
    running = []
    for number in range(os.cpu_count() or 1):
        part = wheels / f"part-{number}.txt"
        part.write_text("\n".join(requirements[number :: os.cpu_count() or 1]))
        command = [*PIP, "download", "-q", "--require-hashes", "--no-deps", "-d", str(wheels), "-r", str(part)]
        running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True))
    try:
        while any(process.poll() is None for process in running):
            step.count(sum(path.suffix != ".txt" for path in wheels.iterdir()))
            time.sleep(0.1)
    finally:
        for process in running:
            process.kill()
    for process in running:
        said = process.communicate()[1].strip().splitlines()
        if process.returncode != 0:
            said = [line for line in said if "ERROR" in line] or said
            raise PrepareFailed("\n".join(["Packages could not be downloaded:", *said[-TAIL_LINES:]]))
    step.done()


def install(kind: str) -> None:
    with tempfile.TemporaryDirectory(dir=VENV, prefix="wheels-") as folder:
        hashed = "--require-hashes"
        run(
            [*INSTALL, hashed, "-r", lock_file("build")], "The packages that install the others could not be installed:"
        )
        download(kind, Path(folder))
        step = Step("Installing them")
        offline = ["--no-index", "--find-links", folder]
        run([*INSTALL, *offline, hashed, "-r", lock_file(kind)], "Packages could not be installed:")
        step.done()
    install_workspace()


def install_workspace() -> None:
    """Installs the packages of this repository editable, in one process, where pip would start two for each."""
    step = Step("Installing Handshaker itself")
    with tempfile.TemporaryDirectory(dir=VENV, prefix="wheels-") as wheels:
        failure = "The packages of this repository could not be installed:"
        run([PYTHON, "-c", BUILD_EDITABLE, wheels, *workspace()], failure)
        run([*INSTALL, "--no-index", "--force-reinstall", *Path(wheels).iterdir()], failure)
    step.done()


def npm_files(source: Path) -> dict[str, bytes]:
    return {name: (source / name).read_bytes() for name in ("package.json", "package-lock.json")}


def npm_target(source: Path) -> Path:
    return VENV / "npm" / source.name


def npm_is_current(source: Path) -> bool:
    """The folder appears under its name when everything is in it, so the two files serve as the stamp."""
    target = npm_target(source)
    return all(
        (target / name).exists() and (target / name).read_bytes() == data for name, data in npm_files(source).items()
    )


def install_npm(source: Path) -> None:
    """Installs exactly what a package-lock.json names, by hash, and runs none of the packages' scripts."""
    target = npm_target(source)
    step = Step(f"Installing {source.name} with npm")
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".") as folder:
        made = Path(folder) / source.name
        made.mkdir()
        for name, data in npm_files(source).items():
            (made / name).write_bytes(data)
        quiet = ["--no-audit", "--no-fund", "--loglevel=error"]
        command = ["npm", "ci", "--ignore-scripts", *quiet, "--prefix", str(made)]
        run(command, f"{source.name}, which tests compare with, could not be installed. npm needs the network once:")
        made.rename(target)
    step.done()


def prepare(kind: str, npm: Sequence[Path]) -> None:
    """Installs what is not current."""
    if not is_current(kind):
        make_venv()
        install(kind)
        stamp_file(kind).write_text(stamp(kind))
    for source in npm:
        if not npm_is_current(source):
            install_npm(source)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("kind", choices=["run", "dev"])
    parser.add_argument("programs", nargs="*")
    parser.add_argument("--npm", action="append", default=[], type=lambda folder: ROOT / folder)
    options = parser.parse_args(arguments)
    programs = dict(pair.split("=") for pair in options.programs)
    missing = [package for package, program in programs.items() if shutil.which(program, path=PROGRAM_PATH) is None]
    if missing:
        install_debian(missing, "This command")
    if is_current(options.kind) and all(npm_is_current(source) for source in options.npm):
        return
    VENV.parent.mkdir(parents=True, exist_ok=True)
    with Path(__file__).open() as lock:  # two commands at once must not install into each other
        fcntl.flock(lock, fcntl.LOCK_EX)
        prepare(options.kind, options.npm)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except PrepareFailed as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        print(f"Preparing {VENV} failed: {error.strerror}.", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
