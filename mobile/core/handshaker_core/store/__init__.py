"""The encrypted local store: a wrapped key, a SQLCipher database, and one file of plain SQL functions per concern.

`Store.open` unlocks and opens a home, `Store.create` makes one. Everything else is a unit of work: a function that takes a
`Connection`, run by `Store.run` in one transaction on the store's own thread.
"""

from handshaker_core.store.connection import Connection
from handshaker_core.store.database import Database
from handshaker_core.store.errors import (
    KeystoreMissing,
    KeystoreUnavailable,
    NoRecoveryPhrase,
    NoStore,
    PassphraseInUse,
    PhraseDoesNotOpen,
    StoreCorrupt,
    StoreError,
    StoreExists,
    StoreInUse,
    StoreTooNew,
    StoreUnusable,
    WrongPassphrase,
)
from handshaker_core.store.home import Store

__all__ = [
    "Connection",
    "Database",
    "KeystoreMissing",
    "KeystoreUnavailable",
    "NoRecoveryPhrase",
    "NoStore",
    "PassphraseInUse",
    "PhraseDoesNotOpen",
    "Store",
    "StoreCorrupt",
    "StoreError",
    "StoreExists",
    "StoreInUse",
    "StoreTooNew",
    "StoreUnusable",
    "WrongPassphrase",
]
