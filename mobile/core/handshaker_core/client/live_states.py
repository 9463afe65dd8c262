"""Live sessions of an open client. They are in memory alone: closing the client, or its crash, ends them all."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeAlias

from handshaker_core.model import ContactId
from handshaker_core.protocol.device import DeviceId
from handshaker_core.protocol.live import Idle, LiveState

Kept: TypeAlias = Mapping[ContactId, tuple[DeviceId, LiveState]]


class LiveStates:
    """One state for each contact, with the device of the contact that it is with."""

    def __init__(self) -> None:
        self._states: dict[ContactId, tuple[DeviceId, LiveState]] = {}

    def __repr__(self) -> str:
        return f"LiveStates(<{len(self._states)} redacted>)"

    def get(self, contact: ContactId) -> LiveState:
        """How it stands with a contact."""
        return self._states[contact][1] if contact in self._states else Idle()

    def device(self, contact: ContactId) -> DeviceId | None:
        """With which device of the contact; None for none."""
        return self._states[contact][0] if contact in self._states else None

    def set(self, contact: ContactId, device: DeviceId, state: LiveState) -> None:
        """How it stands now."""
        self._states[contact] = device, state

    def contacts(self) -> list[ContactId]:
        """Everybody with whom there is or was one."""
        return list(self._states)

    def kept(self) -> Kept:
        """Everything as it is now, for `restore`."""
        return MappingProxyType(dict(self._states))

    def restore(self, kept: Kept) -> None:
        """The transaction that changed it did not happen."""
        self._states = dict(kept)

    def clear(self) -> None:
        """End all without a word."""
        self._states.clear()
