"""One process of a service, run as in production: `python -m handshaker_<service>`, settings in the environment."""

import importlib.util
import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from handshaker_local.errors import LocalError, MissingProgram, PortBusy
from handshaker_local.guardian import Guardian
from handshaker_local.server import Server, explained_failure
from handshaker_local.services import HOST, Kind, Ports

NO_MODULE = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'|: No module named ([\w.]+)")
PORT_TAKEN = re.compile(r"is in use|cannot be bound|Address already in use", re.IGNORECASE)
QUOTED_LINES = 3


class ServiceProcess(Server):
    """A process of a service. Ready when it has written its ready file, which it does once its health says so."""

    def __init__(
        self, name: str, kind: Kind, *, ports: Ports, env: Mapping[str, str], state: Path, guardian: Guardian | None
    ) -> None:
        super().__init__(state, guardian)
        self.name = name
        self.kind = kind
        self.ports = ports
        self.metrics_url = f"http://{HOST}:{ports.metrics}/metrics"
        self._env = env

    @property
    def log_path(self) -> Path:
        return self.home / "logs" / f"{self.name}.log"

    @property
    def ready_file(self) -> Path:
        """Where the process writes its ports."""
        return Path(self._env["HANDSHAKER_READY_FILE"])

    def begin(self) -> None:
        """Starts the process without waiting for it.

        Raises:
            MissingProgram: the service's package is not installed.
        """
        if importlib.util.find_spec(self.kind.module) is None:
            raise MissingProgram(missing_module(self.name, self.kind.module))
        self.ready_file.unlink(missing_ok=True)
        # -P: the folder that it runs in holds data, never modules.
        self.spawn([sys.executable, "-P", "-m", self.kind.module], env={**os.environ, **self._env})

    def start(self) -> None:
        self.begin()
        self.wait_until(self.ready)

    def ready(self) -> bool:
        """Whether it serves."""
        return self.ready_file.exists()

    def failure(self) -> LocalError:
        lines = self.log_lines()
        text = "\n".join(lines)
        if found := NO_MODULE.search(text):
            return MissingProgram(missing_module(self.name, found[1] or found[2]))
        # Services write sentences for people as plain lines, and everything else as JSON.
        sentences = [line for line in lines if not line.startswith("{")][-QUOTED_LINES:]
        if PORT_TAKEN.search(text):
            return PortBusy(f"{self.name} could not start: {' '.join(sentences)}")
        return explained_failure(self.name, self.home, " ".join(sentences) or self.last_words())

    def reported(self) -> dict[str, int]:
        """The ports that the process has written."""
        ports: dict[str, int] = json.loads(self.ready_file.read_text("utf-8"))
        return ports


def missing_module(service: str, module: str) -> str:
    """The sentence for a module that cannot be imported."""
    return (
        f"{service} could not start: the Python module {module} is missing. "
        "Delete the folder .venv and run ./dev again: it installs everything."
    )
