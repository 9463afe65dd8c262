"""The whole system on one machine: databases, broker, services, each a process of its own.

with System(Path("state")) as system:
    system.start()
    print(system.gateway_urls)
"""

import concurrent.futures
import datetime as dt
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn, Self

from handshaker_local.broker import Broker
from handshaker_local.certificates import Certificates
from handshaker_local.embedded import Postgres, Redis
from handshaker_local.errors import ComponentEnded
from handshaker_local.guardian import Guardian
from handshaker_local.ports import free_ports
from handshaker_local.server import POLL_SECONDS, READY_SECONDS, Server
from handshaker_local.service import ServiceProcess
from handshaker_local.services import (
    BROKER_PASSWORD,
    HOST,
    ISSUER_KEY,
    KINDS,
    SECRETS,
    Ports,
    Surroundings,
    environment,
)
from handshaker_local.state import StateFolder, check_port, explained

WATCH_SECONDS = 0.1

# Called with a component's name and the seconds that its start took.
Progress = Callable[[str, float], None]


def silent(_name: str, _seconds: float) -> None:
    """Shows no progress."""


class System:
    """One system with its data in the folder `state`.

    `gateway_port` 0 picks a free one. With several gateways the first has `gateway_port`, and every one knows every
    signaling process. `env` is added to the environment of every service. Use it as a context manager, or call `stop`
    in any case: also after a `start` that failed. It may be started again, at the same addresses.
    """

    def __init__(
        self,
        state: Path,
        *,
        gateway_port: int = 0,
        gateways: int = 1,
        signalings: int = 1,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = StateFolder(state)
        self.components: dict[str, Server] = {}
        self.off: dict[str, str] = {}
        self._gateway_port = gateway_port
        self._counts = {"gateway": gateways, "signaling": signalings}
        self._env = dict(env or {})
        self._guardian: Guardian | None = None
        self._urls: list[str] = []
        self._ports: dict[str, list[Ports]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def was_started(self) -> bool:
        """Whether any process of it was started."""
        return self._guardian is not None

    @property
    def gateway_urls(self) -> list[str]:
        """Where clients reach each gateway."""
        return list(self._urls)

    def component(self, name: str) -> Server:
        """A part of the system: postgres, redis, mosquitto, auth, keys, blobstore, notify, signaling, gateway; the
        second and further processes of a service are signaling-2, gateway-2 and so on.
        """
        return self.components[name]

    def start(self, progress: Progress = silent) -> None:
        """Starts everything and returns when all of it is ready.

        Raises:
            LocalError: one of its kinds, each with one sentence for the person at the keyboard.
        """
        lock = self.folder.open()
        if self._gateway_port:
            check_port(HOST, self._gateway_port)
        self._guardian = Guardian(hold=[lock])
        with explained(self.folder.path):
            certificates = Certificates(self.folder.certificates)
            certificates.ensure([kind.name for kind in KINDS], dt.datetime.now(dt.UTC))
            self.folder.ensure_secrets(SECRETS)
            self.folder.ensure_issuer_key(ISSUER_KEY)
            postgres, redis, broker = self._start_stores(progress)
            self._choose_ports()
            shared = Surroundings(
                certificates=certificates,
                secrets=self.folder.secrets,
                targets={kind.name: ",".join(at.target for at in self._ports[kind.name]) for kind in KINDS},
                databases={kind.name: postgres.dsn(kind.name) for kind in KINDS if kind.database},
                redis_url=redis.url,
                mqtt_url="" if broker is None else broker.url,
            )
            self._start_services(shared, progress)

    def _start_stores(self, progress: Progress) -> tuple[Postgres, Redis, Broker | None]:
        """PostgreSQL with a database for each service, Redis and, where it is installed, Mosquitto; side by side."""
        postgres = Postgres(self.folder.path / "postgres", self._guardian)
        redis = Redis(self.folder.path / "redis", self._guardian)
        broker = self._broker() if Broker.is_installed() else None
        stores: dict[str, Server] = {"postgres": postgres, "redis": redis}
        if broker is None:
            self.off["mosquitto"] = "wake-ups over MQTT (Mosquitto is not installed)"
        else:
            stores["mosquitto"] = broker
        self.components |= stores

        def begin(store: Server) -> None:
            started = time.monotonic()
            store.start()
            if store is postgres:
                for kind in KINDS:
                    if kind.database:
                        postgres.create_database(kind.name)
            progress(store.name, time.monotonic() - started)

        with concurrent.futures.ThreadPoolExecutor(len(stores)) as pool:
            for done in [pool.submit(begin, store) for store in stores.values()]:
                done.result()
        return postgres, redis, broker

    def _broker(self) -> Broker:
        password, (port,) = self.folder.password(BROKER_PASSWORD), free_ports(1, HOST)
        home = self.folder.path / "mosquitto"
        return Broker(home, host=HOST, port=port, password=password, guardian=self._guardian)

    def _choose_ports(self) -> None:
        """Once: what was stopped and starts again is found where it was."""
        if self._ports:
            return
        numbers = {kind.name: self._counts.get(kind.name, 1) for kind in KINDS}
        gateways = self._counts["gateway"]
        free = iter(free_ports(2 * sum(numbers.values()) + gateways, HOST))
        chosen = [self._gateway_port or next(free), *(next(free) for _ in range(gateways - 1))]
        self._urls = [f"http://{HOST}:{port}" for port in chosen]
        self._ports = {name: [Ports(next(free), next(free)) for _ in range(number)] for name, number in numbers.items()}

    def _start_services(self, shared: Surroundings, progress: Progress) -> None:
        """All at once; each waits for those that it needs."""
        waiting: dict[str, ServiceProcess] = {}
        for kind in KINDS:
            for number, at in enumerate(self._ports[kind.name], start=1):
                name = kind.name if number == 1 else f"{kind.name}-{number}"
                env = environment(kind, at, self.folder.ready / f"{name}.json", shared)
                if kind.name == "gateway":
                    env["HANDSHAKER_LISTEN"] = self._urls[number - 1].removeprefix("http://")
                env |= self._env
                waiting[name] = ServiceProcess(
                    name, kind, ports=at, env=env, state=self.folder.path, guardian=self._guardian
                )
        started = time.monotonic()
        for name, process in waiting.items():
            self.components[name] = process
            process.begin()
        while waiting:
            for name, process in list(waiting.items()):
                if process.is_past(process.ready, started + READY_SECONDS):
                    progress(name, time.monotonic() - started)
                    del waiting[name]
            time.sleep(POLL_SECONDS)

    def ended(self) -> Server | None:
        """A component that has ended by itself; None while all run."""
        return next((part for part in self.components.values() if part.exit_status is not None), None)

    def watch(self) -> NoReturn:
        """Waits for as long as everything runs.

        Raises:
            ComponentEnded: something has ended; the sentence names it.
        """
        while (part := self.ended()) is None:
            time.sleep(WATCH_SECONDS)
        raise ComponentEnded(f"{part.name} {_how(part.exit_status)}; its log is {part.log_path}.")

    def stop(self) -> None:
        """Ends everything, what clients reach first and what holds data last. May be called at any time, and twice."""
        services = [part for part in self.components.values() if isinstance(part, ServiceProcess)]
        stores = [part for part in self.components.values() if not isinstance(part, ServiceProcess)]
        for outer in ("gateway", "signaling"):
            _stop_all([part for part in services if part.kind.name == outer])
        _stop_all(services)
        _stop_all(stores)
        self.components.clear()
        if self._guardian is not None:
            self._guardian.close()
            self._guardian = None
        self.folder.close()


def _stop_all(parts: Sequence[Server]) -> None:
    for part in parts:
        part.ask_to_stop()
    for part in parts:
        part.stop()


def _how(status: int | None) -> str:
    if status is not None and status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended by itself with exit status {status}"
