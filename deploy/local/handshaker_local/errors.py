"""What can go wrong on one machine. The message of each error is shown to the person as it is."""


class LocalError(Exception):
    """Root of this package's errors; `str(error)` is one clear sentence."""


class MissingProgram(LocalError):
    """A program or Python module that is needed is not installed."""


class StartFailed(LocalError):
    """A process did not become ready, or ended at once."""
