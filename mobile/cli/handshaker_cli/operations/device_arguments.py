"""What the operations on devices need to know."""

from dataclasses import dataclass
from typing import ClassVar

from handshaker_cli.operations.arguments import Arguments


@dataclass(frozen=True, slots=True)
class ListDevices(Arguments):
    """List the own devices."""

    command: ClassVar[str] = "device.list"


@dataclass(frozen=True, slots=True)
class RemoveDevice(Arguments):
    """Remove a device: its name, or the start of its id."""

    command: ClassVar[str] = "device.remove"
    connected: ClassVar[bool] = True
    device: str


@dataclass(frozen=True, slots=True)
class Acknowledge(Arguments):
    """Note that the owner has looked at what changed about a contact."""

    command: ClassVar[str] = "acknowledge"
    to: str
