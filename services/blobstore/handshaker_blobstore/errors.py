"""Errors of blobstore.

    BlobstoreError
    └── Malformed     a batch that no correct caller sends

A database that does not answer is the chassis's DatabaseUnavailable. Outcomes (stored, full, refused) are values.
"""


class BlobstoreError(Exception):
    """Root of blobstore's errors."""


class Malformed(BlobstoreError):
    """A batch breaks the protocol. The text names the rule, never a value."""
