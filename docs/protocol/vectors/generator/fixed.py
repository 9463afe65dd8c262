"""Bytes that look random and are always the same, and the few that really were random and are kept."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256, shake_256
from pathlib import Path
from typing import Any, TypeAlias
from unittest.mock import patch

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
from handshaker_core.protocol import pq_epoch
from handshaker_core.protocol.profile import MlKem1024
from handshaker_core.protocol.seal import SealPublicKey

Json: TypeAlias = dict[str, Any]
"""One file: everything but text and numbers is lower-case hexadecimal."""

Maker: TypeAlias = Callable[[], Json]


def fixed(name: str, size: int = 32) -> bytes:
    """Bytes that follow from a name."""
    return shake_256(b"handshaker test vectors: " + name.encode()).digest(size)


def must(condition: bool) -> None:
    """What has to hold of anything that is written down as right."""
    if not condition:
        raise AssertionError("a vector would be wrong")


class Stream:
    """A source of randomness whose n-th answer follows from its name and n; it remembers what it was asked for."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.taken: list[bytes] = []

    def __call__(self, size: int) -> bytes:
        self.taken.append(fixed(f"{self._name} {len(self.taken)}", size))
        return self.taken[-1]

    def drain(self) -> list[str]:
        """What was taken since the last call, in hexadecimal."""
        taken, self.taken[:] = [value.hex() for value in self.taken], []
        self._name += "'"
        return taken


class Kept:
    """Outputs of functions that take randomness inside the library, by what went in: made once, then kept in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        self._used: dict[str, str] = {}

    def get(self, what: bytes, make: Callable[[], bytes]) -> bytes:
        """What `make` once returned for this input."""
        name = sha256(what).hexdigest()[:24]
        self._used[name] = self._known.get(name) or make().hex()
        self._known[name] = self._used[name]
        return bytes.fromhex(self._used[name])

    def write(self) -> None:
        """Keep what this run used and nothing else."""
        self._path.write_text(json.dumps(self._used, indent=1, sort_keys=True) + "\n")


@contextmanager
def repeatable(kept: Kept) -> Iterator[None]:
    """Within it, encapsulating and sealing the same thing again gives the same bytes again."""
    agree = MlKem1024.encapsulate

    def encapsulate(kem: MlKem1024, public: bytes) -> tuple[bytes, bytes]:
        both = kept.get(b"encapsulate" + public, lambda: b"".join(agree(kem, public)))
        return both[:32], both[32:]

    class Key:
        """Stands in for the library's key where the post-quantum ratchet encapsulates."""

        @staticmethod
        def from_public_bytes(public: bytes) -> "Key":
            made = Key()
            made.public, made.real = public, MLKEM768PublicKey.from_public_bytes(public)
            return made

        public: bytes
        real: MLKEM768PublicKey

        def encapsulate(self) -> tuple[bytes, bytes]:
            both = kept.get(b"encapsulate" + self.public, lambda: b"".join(self.real.encapsulate()))
            return both[:32], both[32:]

    seal = SealPublicKey.seal

    def sealing(key: SealPublicKey, plaintext: bytes, info: bytes) -> bytes:
        return kept.get(b"seal" + key.raw + info + plaintext, lambda: seal(key, plaintext, info))

    with (
        patch.object(MlKem1024, "encapsulate", encapsulate),
        patch.object(pq_epoch, "MLKEM768PublicKey", Key),
        patch.object(SealPublicKey, "seal", sealing),
    ):
        yield
