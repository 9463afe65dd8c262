"""Linking a second device: a code, six digits that both devices show, and what is handed over then.

Two state machines without I/O: `NewDevice` shows the code, `PrimaryDevice` reads it. Each takes frames and what its
person says, and gives frames to send. `docs/protocol/linking.md` is the specification.
"""

from handshaker_core.protocol.linking.code import LinkCode
from handshaker_core.protocol.linking.messages import DeviceKeys
from handshaker_core.protocol.linking.new_device import NewDevice
from handshaker_core.protocol.linking.new_device import Step as NewStep
from handshaker_core.protocol.linking.primary import PrimaryDevice
from handshaker_core.protocol.linking.primary import Step as PrimaryStep

__all__ = ["DeviceKeys", "LinkCode", "NewDevice", "NewStep", "PrimaryDevice", "PrimaryStep"]
