"""The real gpg, with a home of its own."""

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PASSPHRASE = "a passphrase for gpg"


@dataclass(frozen=True)
class Ran:
    code: int
    out: bytes
    err: str

    def ok(self) -> bytes:
        assert self.code == 0, self.err
        return self.out

    def good(self) -> str:
        self.ok()
        return self.err

    def failed(self) -> str:
        assert self.code != 0, self.err
        return self.err


class GnuPG:
    """A key ring in a directory of its own. The path is short, because sockets in it have short names only."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def run(self, *arguments: str, stdin: bytes = b"", passphrase: str = PASSPHRASE) -> Ran:
        common = ["gpg", "--homedir", str(self.home), "--batch", "--yes", "--pinentry-mode", "loopback"]
        common += ["--passphrase", passphrase, "--trust-model", "always", "--status-fd", "2"]
        ran = subprocess.run([*common, *arguments], input=stdin, capture_output=True, check=False)
        return Ran(ran.returncode, ran.stdout, ran.stderr.decode(errors="replace"))

    def import_(self, data: bytes) -> Ran:
        return self.run("--import", stdin=data)

    def file(self, name: str, content: bytes) -> str:
        (self.home / name).write_bytes(content)
        return str(self.home / name)

    def forget_passphrases(self) -> None:
        subprocess.run(["gpgconf", "--homedir", str(self.home), "--reload", "gpg-agent"], check=True)


@contextlib.contextmanager
def key_ring() -> Iterator[GnuPG]:
    if shutil.which("gpg") is None:
        pytest.fail("gpg is not installed: Debian's package gnupg")
    home = Path(tempfile.mkdtemp(prefix="hs-", dir="/tmp"))
    home.chmod(0o700)
    try:
        yield GnuPG(home)
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)
        shutil.rmtree(home, ignore_errors=True)
