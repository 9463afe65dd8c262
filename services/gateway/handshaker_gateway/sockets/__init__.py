"""The WebSocket side of the gateway: sockets in, one packed stream to each signaling process out.

Messages pass through unread. `SocketBridge` is all that the rest of the gateway needs.
"""

from handshaker_gateway.sockets.bridge import SUBPROTOCOL, SocketBridge
from handshaker_gateway.sockets.pacing import SocketLimits

__all__ = ["SUBPROTOCOL", "SocketBridge", "SocketLimits"]
