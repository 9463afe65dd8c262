"""Errors of notify.

    NotifyError
    └── Unreadable   a target that was not sealed to this service as it should be

A database that does not answer is the chassis's DatabaseUnavailable. Outcomes (refused, dropped) are values.
"""


class NotifyError(Exception):
    """Root of notify's errors."""


class Unreadable(NotifyError):
    """A sealed target cannot be opened, or holds nothing that this service understands."""
