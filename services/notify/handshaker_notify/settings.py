"""Notify's settings: environment variables HANDSHAKER_…, checked at start."""

import ssl
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from handshaker_common.config import PREFIX, DatabaseSettings, SecretFile, ServiceSettings
from pydantic import AfterValidator, Field, model_validator

from handshaker_notify.transports.mqtt import Broker

DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883}


def _is_broker_url(url: str) -> str:
    if not url:
        return url
    try:
        parts = urlsplit(url)
        fits = parts.scheme in DEFAULT_PORTS and parts.hostname and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        fits = False
    if not fits or parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ValueError("must be mqtt://host[:port] or mqtts://host[:port]; name and password have their own settings")
    return url


def _is_file(path: Path | None) -> Path | None:
    if path is not None and not path.is_file():
        raise ValueError("names a file that is not there")
    return path


OptionalFile = Annotated[Path | None, AfterValidator(_is_file)]


class NotifySettings(DatabaseSettings, ServiceSettings):
    """What notify takes beside what every service takes."""

    wake_target_seed_file: SecretFile = Field(
        description="At least 32 random bytes, the same for all processes of notify: the key that wake targets are "
        "sealed to follows from it. With another seed nobody is woken until their client has set its target again."
    )
    mqtt_url: Annotated[str, AfterValidator(_is_broker_url)] = Field(
        "", description="The MQTT broker: mqtt://host[:port], or mqtts:// with TLS. Empty for no wake-ups over MQTT."
    )
    mqtt_username: str = Field("", description="The name that may publish on w/#.")
    mqtt_password_file: OptionalFile = Field(None, description="A file with its password.")
    mqtt_ca_file: OptionalFile = Field(
        None, description="The authority of the broker's certificate, PEM; else the system's."
    )
    wake_interval_seconds: float = Field(30, ge=0, le=3600, description="Least time between two wake-ups of a device.")
    wake_jitter_seconds: float = Field(3, ge=0, le=60, description="Most random delay of a wake-up.")
    wake_wait_seconds: float = Field(
        60, gt=0, le=3600, description="How long a wake-up waits for a broker that is away."
    )
    wake_queue: int = Field(10_000, ge=1, le=1_000_000, description="Most wake-ups that wait for the broker.")
    wake_ids_remembered: int = Field(
        100_000, ge=1, le=10_000_000, description="Most devices woken in an interval; more wake-ups are dropped."
    )
    target_unused_days: int = Field(
        90, ge=1, le=3650, description="A target that was neither set nor fired for so many days is deleted."
    )
    maintenance_seconds: float = Field(600, gt=0, le=3600, description="How often unused targets are deleted.")

    @model_validator(mode="after")
    def _login_is_whole(self) -> Self:
        if bool(self.mqtt_username) != (self.mqtt_password_file is not None):
            raise ValueError(f"set both {PREFIX}MQTT_USERNAME and {PREFIX}MQTT_PASSWORD_FILE, or neither")
        return self

    def broker(self) -> Broker | None:
        """The configured broker.

        Raises:
            OSError, ssl.SSLError: the password or the authority cannot be read.
        """
        if not self.mqtt_url:
            return None
        parts = urlsplit(self.mqtt_url)
        return Broker(
            host=parts.hostname or "",
            port=parts.port or DEFAULT_PORTS[parts.scheme],
            username=self.mqtt_username or None,
            password=self.mqtt_password_file.read_text("utf-8").strip() if self.mqtt_password_file else None,
            tls=ssl.create_default_context(cafile=self.mqtt_ca_file) if parts.scheme == "mqtts" else None,
        )
