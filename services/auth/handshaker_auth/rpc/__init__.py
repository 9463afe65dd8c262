"""Auth's gRPC methods: from messages to the domain, to the store, and back."""

from handshaker_auth.rpc.devices import DevicesServicer, RecoveryServicer
from handshaker_auth.rpc.sessions import (
    AdmissionServicer,
    KeySetServicer,
    RegistrationServicer,
    SessionsServicer,
    TokenDesk,
)
from handshaker_auth.rpc.tokens import TokensServicer
from handshaker_auth.rpc.wipe import WipeServicer

__all__ = [
    "AdmissionServicer",
    "DevicesServicer",
    "KeySetServicer",
    "RecoveryServicer",
    "RegistrationServicer",
    "SessionsServicer",
    "TokenDesk",
    "TokensServicer",
    "WipeServicer",
]
