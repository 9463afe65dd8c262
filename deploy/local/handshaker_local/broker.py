"""Mosquitto, where it is installed: it carries wake-ups to devices that listen over MQTT."""

import os
import shutil
from pathlib import Path

from handshaker_local.errors import MissingProgram
from handshaker_local.guardian import Guardian
from handshaker_local.server import Server

# Debian keeps servers where an ordinary user's PATH often does not lead.
PROGRAM_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin"])


class Broker(Server):
    """Mosquitto in `home`."""

    name = "Mosquitto"

    def __init__(self, home: Path, guardian: Guardian | None = None) -> None:
        super().__init__(home, guardian)
        program = shutil.which("mosquitto", path=PROGRAM_PATH)
        if program is None:
            raise MissingProgram("Mosquitto is not installed. On Debian or Ubuntu: apt install mosquitto")
        self._program = program

    @staticmethod
    def is_installed() -> bool:
        """Whether there is a Mosquitto to start."""
        return shutil.which("mosquitto", path=PROGRAM_PATH) is not None
