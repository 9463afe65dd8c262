"""What goes to libsignal and comes from it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self


@dataclass(frozen=True)
class Address:
    """One device of one account: a UUID in its usual text form and a number from 1 to 127."""

    uuid: str
    device: int = 1


@dataclass(frozen=True)
class Message:
    """A message of a session.

    Attributes:
        type: 2 for an ordinary one, 3 for one that carries the handshake.
        data: as it travels.
    """

    type: int
    data: bytes


@dataclass(frozen=True)
class Scannable:
    """A safety number's 60 digits, and the bytes of the code that is scanned."""

    digits: str
    code: bytes


@dataclass(frozen=True)
class Bundle:
    """A prekey bundle; every public key with its type byte in front (5 for X25519, 8 for Kyber-1024)."""

    registration: int
    device: int
    identity: bytes
    signed_id: int
    signed: bytes
    signed_signature: bytes
    one_time_id: int | None
    one_time: bytes | None
    kem_id: int
    kem: bytes
    kem_signature: bytes

    @classmethod
    def read(cls, answer: Mapping[str, Any]) -> Self:
        """From an answer."""
        read: dict[str, Any] = {
            field.name: bytes.fromhex(value) if isinstance(value := answer[field.name], str) else value
            for field in fields(cls)
        }
        return cls(**read)

    def write(self) -> dict[str, object]:
        """For a request."""
        return asdict(self)
