"""What each service needs, and the environment that gives it to a process. Nothing here starts anything."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from handshaker_local.certificates import Certificates

PREFIX = "HANDSHAKER_"
HOST = "127.0.0.1"
BROKER_USERNAME = "notify"
BROKER_PASSWORD = "mqtt-password"
ISSUER_KEY = "token-issuer-key"  # an RSA key in PEM; all other secrets are random bytes


@dataclass(frozen=True)
class Kind:
    """One service: whom it calls, what it keeps data in, and its secrets as setting -> file."""

    name: str
    calls: tuple[str, ...] = ()
    database: bool = False
    redis: bool = False
    broker: bool = False
    secrets: Mapping[str, str] = field(default_factory=dict)

    @property
    def module(self) -> str:
        """Run with `python -m`."""
        return f"handshaker_{self.name}"


KINDS = (
    Kind(
        "auth",
        database=True,
        secrets={
            "SIGNING_KEYS": "token-signing-key",
            "CHALLENGE_SECRET_FILE": "challenge-secret",
            "ISSUER_KEYS": ISSUER_KEY,
        },
    ),
    Kind("keys", calls=("auth",), database=True, secrets={"USERNAME_PEPPER_FILE": "username-pepper"}),
    Kind("blobstore", database=True),
    Kind("notify", database=True, broker=True, secrets={"WAKE_TARGET_SEED_FILE": "wake-target-seed"}),
    Kind("signaling", calls=("blobstore", "notify"), redis=True),
    Kind("gateway", calls=("auth", "keys", "signaling", "blobstore", "notify"), redis=True),
)
SECRETS = tuple(sorted({name for kind in KINDS for name in kind.secrets.values()} - {ISSUER_KEY}))


@dataclass(frozen=True)
class Ports:
    """Where one process listens on loopback."""

    grpc: int
    metrics: int

    @property
    def target(self) -> str:
        """Where others find it."""
        return f"{HOST}:{self.grpc}"


@dataclass(frozen=True)
class Surroundings:
    """What the processes share."""

    certificates: Certificates
    secrets: Path
    targets: Mapping[str, str]
    databases: Mapping[str, str]
    redis_url: str
    mqtt_url: str = ""


def environment(kind: Kind, ports: Ports, ready_file: Path, shared: Surroundings) -> dict[str, str]:
    """The settings of one process."""
    settings: dict[str, str | Path] = {
        "GRPC_LISTEN": ports.target,
        "METRICS_LISTEN": f"{HOST}:{ports.metrics}",
        "READY_FILE": ready_file,
        "TLS_CERTIFICATE_FILE": shared.certificates.certificate_file(kind.name),
        "TLS_KEY_FILE": shared.certificates.key_file(kind.name),
        "TLS_CA_FILE": shared.certificates.authority_file,
    }
    settings |= {f"{peer.upper()}_TARGET": shared.targets[peer] for peer in kind.calls}
    settings |= {setting: shared.secrets / name for setting, name in kind.secrets.items()}
    if kind.database:
        settings["DATABASE_URL"] = shared.databases[kind.name]
    if kind.redis:
        settings["REDIS_URL"] = shared.redis_url
    if kind.broker and shared.mqtt_url:
        settings |= {"MQTT_URL": shared.mqtt_url, "MQTT_USERNAME": BROKER_USERNAME}
        settings["MQTT_PASSWORD_FILE"] = shared.secrets / BROKER_PASSWORD
    return {PREFIX + name: str(value) for name, value in settings.items()}
