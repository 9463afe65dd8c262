"""Auth's tables in PostgreSQL.

Times are the caller's, never the database's, so that one clock decides.
"""

from handshaker_auth.store.accounts import CLOCK_SKEW_SECONDS, AuthStore, RefreshFailure
from handshaker_auth.store.devices import DeviceStore
from handshaker_auth.store.tokens import TokenStore
from handshaker_auth.store.wipe import WipeStore

__all__ = ["CLOCK_SKEW_SECONDS", "AuthStore", "DeviceStore", "RefreshFailure", "TokenStore", "WipeStore"]
