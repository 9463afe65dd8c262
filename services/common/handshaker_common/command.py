"""The command line of every service: little, because settings come from the environment."""

import argparse

from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from handshaker_common.config import PREFIX


def arguments(service: str, settings: type[BaseSettings]) -> argparse.Namespace:
    """Parses the command line of a service with a database; `--help` lists the settings that it takes.

    Returns a namespace with `migrate_only: bool`.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m handshaker_{service}",
        description=f"Runs the service {service} until SIGTERM or SIGINT. Settings come from the environment:",
        epilog="\n".join(_described(settings)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--migrate-only", action="store_true", help="bring the database's schema up to date and exit, for a job"
    )
    return parser.parse_args()


def _described(settings: type[BaseSettings]) -> list[str]:
    lines = []
    for name, field in sorted(settings.model_fields.items()):
        default = "required" if field.default is PydanticUndefined else f"default: {field.default}"
        shown = "" if field.default in (None, "") else f" ({default})"
        lines.append(f"  {PREFIX}{name.upper()}\n      {field.description or ''}{shown}")
    return lines
