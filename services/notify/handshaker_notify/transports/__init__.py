"""How a wake-up reaches a device. Each transport is one file here; `Transport` is all that the rest knows of it."""

from typing import Protocol

from handshaker_proto.notify.v1 import notify_pb2


class Transport(Protocol):
    """Carries wake-ups, which never say why. A wake-up is a hint: what it hints at is safe in its mailbox."""

    name: str
    """The arm of `WakeTarget.transport` that it serves."""

    def send(self, target: notify_pb2.WakeTarget) -> None:
        """Queues a wake-up, or drops and counts it when too many wait. Never waits, never raises."""
        ...

    async def run(self) -> None:
        """Works for ever, whatever the other end does."""
        ...

    async def flush(self) -> None:
        """Waits until nothing is queued. The caller sets the time limit."""
        ...
