"""What can go wrong on one machine. The message of each error is shown to the person as it is."""


class LocalError(Exception):
    """Root of this package's errors; `str(error)` is one clear sentence."""


class MissingProgram(LocalError):
    """A program or Python module that is needed is not installed."""


class StartFailed(LocalError):
    """A process did not become ready, or ended at once."""


class NoSpace(LocalError):
    """The disk that holds the state folder is full, or nearly so."""


class UnusableFolder(LocalError):
    """The state folder cannot be read and written."""


class AlreadyRunning(LocalError):
    """Another supervisor uses the same state folder."""


class PortBusy(LocalError):
    """Another program listens on the port that was asked for."""


class ComponentEnded(LocalError):
    """A process of the running system ended by itself."""


class DemonstrationFailed(LocalError):
    """The system runs, but a message did not make its way."""
