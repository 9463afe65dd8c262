"""Mosquitto, where it is installed: it carries wake-ups to devices that listen over MQTT."""

import os
import secrets
import shutil
import socket
from pathlib import Path

from handshaker_notify.broker_config import SALT_SIZE, broker_access, broker_configuration, find_plugin

from handshaker_local.certificates import write_secret
from handshaker_local.embedded import UNPRIVILEGED_USER
from handshaker_local.errors import MissingProgram
from handshaker_local.guardian import Guardian
from handshaker_local.server import Server, as_root
from handshaker_local.services import BROKER_USERNAME

# Debian keeps servers where an ordinary user's PATH often does not lead.
PROGRAM_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin"])


class Broker(Server):
    """Mosquitto with its files in `home`, on loopback. Notify alone may publish, with BROKER_USERNAME and `password`."""

    name = "Mosquitto"

    def __init__(self, home: Path, *, host: str, port: int, password: str, guardian: Guardian | None = None) -> None:
        super().__init__(home, guardian)
        program, plugin = _program(), find_plugin()
        if program is None or plugin is None:
            raise MissingProgram("Mosquitto is not installed. On Debian or Ubuntu: apt install mosquitto")
        self._program, self._plugin = program, plugin
        self._host, self._port, self._password = host, port, password

    @staticmethod
    def is_installed() -> bool:
        """Whether there is a Mosquitto to start, with the plugin that keeps devices apart."""
        return _program() is not None and find_plugin() is not None

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"mqtt://{self._host}:{self._port}"

    def start(self) -> None:
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        configuration, access = self.home / "mosquitto.conf", self.home / "access.json"
        user = UNPRIVILEGED_USER if as_root() else None
        salt = secrets.token_bytes(SALT_SIZE)
        write_secret(access, broker_access(username=BROKER_USERNAME, password=self._password, salt=salt).encode())
        text = broker_configuration(
            host=self._host, port=self._port, access_file=access, plugin=self._plugin, user=user
        )
        configuration.write_text(text, "utf-8")
        if user is not None:
            for path in (self.home, access, configuration):
                shutil.chown(path, user)
        self.spawn([self._program, "-c", configuration], user=user)
        self.wait_until(self._accepts)

    def _accepts(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((self._host, self._port)) == 0


def _program() -> str | None:
    return shutil.which("mosquitto", path=PROGRAM_PATH)
