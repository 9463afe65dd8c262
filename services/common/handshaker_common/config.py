"""Configuration from the environment, checked at start with one sentence for each mistake."""

import ipaddress
import sys
from pathlib import Path
from typing import Annotated, Self, TypeVar

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "HANDSHAKER_"
CONFIG = SettingsConfigDict(env_prefix=PREFIX, extra="ignore")
LEAST_SECRET_BYTES = 32


def _holds_secret(path: Path) -> Path:
    if not path.is_file():
        raise ValueError("names a file that is not there")
    if path.stat().st_size < LEAST_SECRET_BYTES:
        raise ValueError(f"names a file with less than the {LEAST_SECRET_BYTES} random bytes that a secret needs")
    return path


# A file whose bytes, as they are, make a secret: at least 32 random ones.
SecretFile = Annotated[Path, AfterValidator(_holds_secret)]


class ServiceSettings(BaseSettings):
    """What every process takes. A field `grpc_listen` is the environment variable HANDSHAKER_GRPC_LISTEN."""

    model_config = CONFIG

    grpc_listen: str = Field("127.0.0.1:0", pattern=r"^.+:\d+$", description="Where gRPC listens; port 0 picks one.")
    metrics_listen: str = Field("127.0.0.1:0", pattern=r"^.+:\d+$", description="Where /metrics is served.")
    health_listen: str = Field(
        "",
        pattern=r"^(.+:\d+)?$",
        description="Where grpc.health.v1, and nothing else, is served without TLS, for probes; empty for nowhere.",
    )
    tls_certificate_file: Path | None = Field(None, description="This service's certificate, PEM.")
    tls_key_file: Path | None = Field(None, description="Its private key, PEM.")
    tls_ca_file: Path | None = Field(None, description="The authority that signs all services' certificates, PEM.")
    auth_target: str = Field("", description="Address of auth: host:port, several with commas, or dns:///name:port.")
    keys_target: str = Field("", description="Address of keys.")
    signaling_target: str = Field("", description="Address of signaling.")
    blobstore_target: str = Field("", description="Address of blobstore.")
    notify_target: str = Field("", description="Address of notify.")
    drain_seconds: float = Field(10, ge=0, le=600, description="How long calls in flight may take after SIGTERM.")
    reflection: bool = Field(False, description="Serve gRPC reflection. Off, because it describes every method.")
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$", description="Least level that is logged.")
    ready_file: Path | None = Field(None, description="Written with the ports as JSON once the service is ready.")

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        files = {"TLS_CERTIFICATE_FILE": self.tls_certificate_file}
        files |= {"TLS_KEY_FILE": self.tls_key_file, "TLS_CA_FILE": self.tls_ca_file}
        missing = [PREFIX + name for name, path in files.items() if path is None]
        if missing and len(missing) < len(files):
            raise ValueError(f"mTLS needs all three files; {' and '.join(missing)} not set")
        for name, path in files.items():
            if path is not None and not path.is_file():
                raise ValueError(f"{PREFIX}{name} names a file that is not there")
        if missing and not is_loopback(self.grpc_listen):
            raise ValueError(
                f"{PREFIX}GRPC_LISTEN is not a loopback address, so the three {PREFIX}TLS_*_FILE settings are needed: "
                "services talk over a network only with mutual TLS"
            )
        return self

    @property
    def uses_tls(self) -> bool:
        """Whether services prove themselves to each other."""
        return self.tls_ca_file is not None


class DatabaseSettings(BaseSettings):
    """For services with a database. Give the URL or, so that it stays out of the environment, a file with it."""

    model_config = CONFIG

    database_url: SecretStr | None = Field(None, description="postgresql://…; better in a file.")
    database_url_file: Path | None = Field(None, description="A file that holds the database URL.")
    database_connections: int = Field(8, ge=1, le=100, description="Most connections that one process opens.")

    @model_validator(mode="after")
    def _one_url(self) -> Self:
        if (self.database_url is None) == (self.database_url_file is None):
            raise ValueError(f"set {PREFIX}DATABASE_URL_FILE or {PREFIX}DATABASE_URL, one of the two")
        if self.database_url_file is not None and not self.database_url_file.is_file():
            raise ValueError(f"{PREFIX}DATABASE_URL_FILE names a file that is not there")
        return self

    @property
    def dsn(self) -> str:
        """The connection string."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        assert self.database_url_file is not None  # noqa: S101 - the validator has seen to it
        return self.database_url_file.read_text("utf-8").strip()


class RedisSettings(BaseSettings):
    """For services that use Redis."""

    model_config = CONFIG

    redis_url: SecretStr = Field(description="redis://, rediss:// or unix:// URL.")


S = TypeVar("S", bound=BaseSettings)


def is_loopback(listen: str) -> bool:
    """Whether a `host:port` stays on this machine."""
    host = listen.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def sentences(error: ValidationError) -> list[str]:
    """One sentence for each mistake, never with the value that was given."""
    found = []
    for mistake in error.errors(include_input=False, include_url=False):
        name = PREFIX + "_".join(str(part) for part in mistake["loc"]).upper() if mistake["loc"] else ""
        text = mistake["msg"].removeprefix("Value error, ")
        if mistake["type"] == "missing":
            text = "is not set"
        found.append(f"{name}: {text}." if name else f"{text[:1].upper()}{text[1:]}.")
    return found


def load(cls: type[S]) -> S:
    """The settings from the environment. Mistakes are printed on stderr, one a line, and end the process with 2."""
    try:
        return cls()
    except ValidationError as error:
        for sentence in sentences(error):
            print(sentence, file=sys.stderr)  # noqa: T201 - nothing else runs yet
        sys.exit(2)
