"""The command line of every service: little, because settings come from the environment."""

import argparse
import sys
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn, TypeVar

from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from handshaker_common.config import PREFIX, DatabaseSettings, ServiceSettings, load
from handshaker_common.log import configure
from handshaker_common.postgres import service_database
from handshaker_common.server import run

S = TypeVar("S", bound=BaseSettings)


class JobSettings(DatabaseSettings, ServiceSettings):
    """What `--migrate-only` needs: the database, and none of the service's secrets."""


def run_service(service: str, settings: type[S], serve: Callable[[S], Coroutine[Any, Any, int]]) -> NoReturn:
    """The whole command line of the service: `python -m handshaker_<service> [--migrate-only]`. Never returns.

    Services without a database have no `--migrate-only`.
    `serve(settings)` runs the service and returns the exit status.
    """
    if getattr(_arguments(service, settings), "migrate_only", False):
        job = load(JobSettings)
        sys.exit(run(lambda: _migrate_only(service, job)))
    loaded = load(settings)
    sys.exit(run(lambda: serve(loaded)))


async def _migrate_only(service: str, settings: JobSettings) -> int:
    configure(service, settings.log_level)
    async with service_database(settings, f"handshaker_{service}"):
        return 0


def _arguments(service: str, settings: type[BaseSettings]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m handshaker_{service}",
        description=f"Runs the service {service} until SIGTERM or SIGINT. Its settings are environment variables.",
        epilog="environment:\n" + "\n".join(_described(settings)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if issubclass(settings, DatabaseSettings):
        parser.add_argument(
            "--migrate-only",
            action="store_true",
            help="bring the database's schema up to date and exit; needs no secrets",
        )
    return parser.parse_args()


def _described(settings: type[BaseSettings]) -> list[str]:
    lines = []
    for name, field in sorted(settings.model_fields.items()):
        shown = "" if field.default in (None, "") else f" (default: {field.default})"
        shown = " (required)" if field.default is PydanticUndefined else shown
        lines.append(f"  {PREFIX}{name.upper()}\n      {field.description or ''}{shown}")
    return lines
