"""The relay without any I/O.

`Relay` is told what happens (a socket opened, a message came, a lease was granted, time passed) and writes what is to
be done about it into `Effects`. Everything waits in lists, so that whoever carries them out always has a whole batch.
"""

from handshaker_signaling.domain.connection import Attachment, InboundLink, Socket
from handshaker_signaling.domain.effects import Effects, Forward, LeaseKind, LeaseRequest, Process, Removal, Stored
from handshaker_signaling.domain.limits import Limits
from handshaker_signaling.domain.relay import Relay
from handshaker_signaling.domain.sending import Pending, PutOutcome
from handshaker_signaling.domain.subscriptions import Read, Subscription

__all__ = [
    "Attachment",
    "Effects",
    "Forward",
    "InboundLink",
    "LeaseKind",
    "LeaseRequest",
    "Limits",
    "Pending",
    "Process",
    "PutOutcome",
    "Read",
    "Relay",
    "Removal",
    "Socket",
    "Stored",
    "Subscription",
]
