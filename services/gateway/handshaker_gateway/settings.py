"""What the gateway takes from the environment, each with the prefix HANDSHAKER_."""

import re
from functools import cached_property
from pathlib import Path
from typing import Self

from handshaker_common.config import PREFIX, RedisSettings, ServiceSettings, is_loopback
from pydantic import Field, model_validator

from handshaker_gateway.limiters import Limits, limits_with

# Without these nobody could log in, be found or be written to.
NEEDED_TARGETS = ("auth", "keys", "signaling", "blobstore")
OVERRIDE = re.compile(r"([a-z_]+)=([0-9]{1,12})/([0-9]{1,6}(?:\.[0-9]{1,3})?)")
HOST = re.compile(r"[a-z0-9.-]+|\[[0-9a-f:.]+\]")


class GatewaySettings(ServiceSettings, RedisSettings):
    """The settings of the gateway beside those of every service."""

    auth_target: str = Field(min_length=1, description="Address of auth: host:port, several with commas, or dns:///….")
    keys_target: str = Field(min_length=1, description="Address of keys.")
    signaling_target: str = Field(min_length=1, description="Address of signaling.")
    blobstore_target: str = Field(min_length=1, description="Address of blobstore.")
    listen: str = Field("127.0.0.1:8080", pattern=r"^.+:\d+$", description="Where HTTP is served; port 0 picks one.")
    public_certificate_file: Path | None = Field(None, description="Certificate chain for clients, PEM.")
    public_key_file: Path | None = Field(None, description="Its private key, PEM.")
    plain_http: bool = Field(False, description="Serve a network without TLS, because a proxy in front does it.")
    hosts: str = Field("", description="Names that clients may ask for, with commas; empty for any. Ports are ignored.")
    forwarded_hops: int = Field(
        0, ge=0, le=8, description="Exact number of own proxies in front that append to X-Forwarded-For."
    )
    limits: str = Field(
        "", description="Limiters with other numbers: name=burst/period in seconds, several with commas."
    )
    unready_seconds: float = Field(
        0, ge=0, le=120, description="How long to go on serving after SIGTERM while /readyz already says no."
    )

    @model_validator(mode="after")
    def _tls_is_decided(self) -> Self:
        files = {"PUBLIC_CERTIFICATE_FILE": self.public_certificate_file, "PUBLIC_KEY_FILE": self.public_key_file}
        missing = [PREFIX + name for name, path in files.items() if path is None]
        if len(missing) == 1:
            raise ValueError(f"TLS needs a certificate and its key; {missing[0]} is not set")
        for name, path in files.items():
            if path is not None and not path.is_file():
                raise ValueError(f"{PREFIX}{name} names a file that is not there")
        if missing and not self.plain_http and not is_loopback(self.listen):
            raise ValueError(
                f"{PREFIX}LISTEN is not a loopback address: set {missing[0]} and {missing[1]} to serve TLS, "
                f"or {PREFIX}PLAIN_HTTP=true where a proxy in front serves it"
            )
        return self

    @model_validator(mode="after")
    def _lists_are_readable(self) -> Self:
        for host in self.host_names:
            if not HOST.fullmatch(host):
                raise ValueError(f"{PREFIX}HOSTS must be host names with commas between them, without ports")
        try:
            _ = self.limits_in_force
        except ValueError as error:
            raise ValueError(f"{PREFIX}LIMITS: {error}") from None
        return self

    @model_validator(mode="after")
    def _drain_is_long_enough(self) -> Self:
        if self.unready_seconds > 0 and self.unready_seconds + 2 > self.drain_seconds:
            raise ValueError(
                f"{PREFIX}DRAIN_SECONDS must be at least 2 seconds more than {PREFIX}UNREADY_SECONDS, which is part of it"
            )
        return self

    @property
    def host_names(self) -> frozenset[str]:
        """The names that this server answers for; empty when it answers for any."""
        return frozenset(name.strip().lower() for name in self.hosts.split(",") if name.strip())

    @cached_property
    def limits_in_force(self) -> Limits:
        """The registry's limiters with the operator's numbers."""
        overrides = {}
        for part in filter(None, (part.strip() for part in self.limits.split(","))):
            found = OVERRIDE.fullmatch(part)
            if found is None:
                raise ValueError("write name=burst/period, such as registration=100/600, with commas between them")
            overrides[found[1]] = (int(found[2]), float(found[3]))
        return limits_with(overrides)

    @property
    def serves_tls(self) -> bool:
        return self.public_certificate_file is not None
