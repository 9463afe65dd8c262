"""Errors of blobstore.

    BlobstoreError
    ├── StoreUnavailable   PostgreSQL did not answer; nothing is known to have changed
    └── Malformed          a batch that no correct caller sends

Outcomes (stored, full, refused) are values, never one of these.
"""


class BlobstoreError(Exception):
    """Root of blobstore's errors."""


class StoreUnavailable(BlobstoreError):
    """The database did not carry a statement out in time. The same request may be made again."""


class Malformed(BlobstoreError):
    """A batch breaks the protocol. The text names the rule, never a value."""
