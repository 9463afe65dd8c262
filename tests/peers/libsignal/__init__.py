"""libsignal in a Node process, for tests and benchmarks: an implementation that is not ours.

It is a development dependency, locked in package-lock.json; nothing of it is part of the product. `./dev test` installs
it beside the virtual environment's packages. The program that is talked to is serve.mjs.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, cast

from peers.libsignal.values import Address, Bundle, Message, Scannable

__all__ = ["Address", "Bundle", "Libsignal", "LibsignalError", "Message", "Person", "Scannable"]

HERE = Path(__file__).resolve().parent
INSTALLED = Path(sys.prefix) / "npm" / "libsignal" / "node_modules" / "@signalapp" / "libsignal-client"


class LibsignalError(Exception):
    """libsignal refused.

    Attributes:
        code: libsignal's own name of the error, for example `DuplicatedMessage`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class LibsignalMissing(Exception):
    """Node or libsignal is not installed."""


class Libsignal:
    """One Node process; use as a context manager."""

    def __init__(self) -> None:
        if not INSTALLED.is_dir():
            raise LibsignalMissing("libsignal is not installed for these tests. `./dev test` installs it (with npm).")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("NODE_")}
        try:
            # Why the folder matters is said in library.mjs.
            self._process = subprocess.Popen(
                ["node", HERE / "serve.mjs"],
                cwd=INSTALLED,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        except FileNotFoundError:
            raise LibsignalMissing("These tests need Node.js. On Debian: apt install nodejs npm") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        cast("IO[str]", self._process.stdin).close()
        self._process.wait(10)
        cast("IO[str]", self._process.stdout).close()

    def call(self, operation: str, **arguments: object) -> dict[str, Any]:
        """One operation of serve.mjs; bytes go as hexadecimal, and come so.

        Raises:
            LibsignalError: libsignal refused.
            EOFError: the process has ended.
        """
        request = {"op": operation, **{name: _plain(value) for name, value in arguments.items()}}
        stdin, stdout = cast("IO[str]", self._process.stdin), cast("IO[str]", self._process.stdout)
        stdin.write(json.dumps(request) + "\n")
        stdin.flush()
        line = stdout.readline()
        if not line:
            raise EOFError("libsignal's process has ended.")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise LibsignalError(answer["error"], answer["message"])
        return answer

    def person(
        self, name: str, address: "Address", *, registration: int = 1, private_key: bytes | None = None
    ) -> "Person":
        """A new user with one device; an existing one of that name is forgotten.

        Args:
            name: for this process.
            address: account and device.
            registration: libsignal's registration id.
            private_key: the X25519 identity key (32 bytes); a fresh one without it.
        """
        made = self.call(
            "person",
            me=name,
            uuid=address.uuid,
            device=address.device,
            registration=registration,
            private_key=private_key,
        )
        return Person(self, name, address, bytes.fromhex(made["identity"]))

    def verify(self, public_key: bytes, message: bytes, signature: bytes) -> bool:
        """Whether an XEdDSA signature (64 bytes) is right; `public_key` is type byte || X25519 key (33 bytes)."""
        return bool(self.call("verify", public_key=public_key, message=message, signature=signature)["valid"])

    def hkdf(self, length: int, material: bytes, info: bytes, salt: bytes | None) -> bytes:
        """HKDF-SHA256."""
        return bytes.fromhex(self.call("hkdf", length=length, material=material, info=info, salt=salt)["output"])

    def fingerprint(
        self, local: tuple[bytes, bytes], remote: tuple[bytes, bytes], *, version: int = 2, iterations: int = 5_200
    ) -> "Scannable":
        """Safety number and scannable code of two people, each a stable id and a public key (33 bytes)."""
        made = self.call(
            "fingerprint",
            iterations=iterations,
            version=version,
            local_id=local[0],
            local_key=local[1],
            remote_id=remote[0],
            remote_key=remote[1],
        )
        return Scannable(made["digits"], bytes.fromhex(made["scannable"]))

    def compare_scannable(self, ours: bytes, theirs: bytes) -> bool:
        """What libsignal says when `theirs` is scanned by the one whose code is `ours`. Raises: LibsignalError."""
        return bool(self.call("compare_scannable", ours=ours, theirs=theirs)["same"])


@dataclass(frozen=True)
class Person:
    """A user of libsignal.

    Attributes:
        identity: the public identity key, type byte 5 || X25519 key (33 bytes).
    """

    process: Libsignal
    name: str
    address: Address
    identity: bytes

    def bundle(self, *, one_time: bool = True) -> Bundle:
        """A fresh prekey bundle."""
        return Bundle.read(self._call("bundle", one_time=one_time))

    def start(self, peer: Address, bundle: Bundle) -> None:
        """Begin a session with the owner of a bundle. Raises: LibsignalError."""
        self._call("start", peer=peer, bundle=bundle.write())

    def encrypt(self, peer: Address, plaintext: bytes) -> Message:
        """The next message of the session with `peer`."""
        made = self._call("encrypt", peer=peer, plaintext=plaintext)
        return Message(made["type"], bytes.fromhex(made["message"]))

    def decrypt(self, peer: Address, message: Message) -> bytes:
        """Raises: LibsignalError."""
        return self._bytes("decrypt", "plaintext", peer=peer, type=message.type, message=message.data)

    def distribution(self, group: str) -> bytes:
        """This person's sender key distribution message for a group, named by a UUID."""
        return self._bytes("distribution", "message", id=group)

    def learn_sender_key(self, sender: Address, message: bytes) -> None:
        """Take in another's distribution message. Raises: LibsignalError."""
        self._call("learn_sender_key", sender=sender, message=message)

    def encrypt_group(self, group: str, plaintext: bytes) -> bytes:
        """A sender key message."""
        return self._bytes("encrypt_group", "message", id=group, plaintext=plaintext)

    def decrypt_group(self, sender: Address, message: bytes) -> bytes:
        """Raises: LibsignalError."""
        return self._bytes("decrypt_group", "plaintext", sender=sender, message=message)

    def sign(self, message: bytes) -> bytes:
        """XEdDSA signature (64 bytes) by the identity key."""
        return self._bytes("sign", "signature", message=message)

    def agree(self, public_key: bytes) -> bytes:
        """X25519 of the identity key and a public key (33 bytes). Raises: LibsignalError."""
        return self._bytes("agree", "secret", public_key=public_key)

    def _call(self, operation: str, **arguments: object) -> dict[str, Any]:
        return self.process.call(operation, me=self.name, **arguments)

    def _bytes(self, operation: str, field: str, **arguments: object) -> bytes:
        return bytes.fromhex(self._call(operation, **arguments)[field])


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Address):
        return {"uuid": value.uuid, "device": value.device}
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return value
