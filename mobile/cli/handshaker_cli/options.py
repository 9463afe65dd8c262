"""The options that every command has. They may stand before the command or after it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from handshaker_cli.homes import default_home
from handshaker_cli.rpc.protocol import Route

_META = "handshaker_cli.options"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the common options say.

    Attributes:
        home: the account's directory, absolute.
        server: the server's address as typed, None when it was left out.
        as_json: print objects.
        passphrase_file: None to ask.
        no_passphrase: the user wants none.
        socks: the proxy as typed.
    """

    home: Path
    server: str | None
    as_json: bool
    passphrase_file: Path | None
    no_passphrase: bool
    socks: str | None

    @property
    def route(self) -> Route:
        """What has to be true of the way to the server."""
        return Route(self.server, self.socks)

    @classmethod
    def of(cls, context: click.Context) -> "Settings":
        """The settings of a command that is being run.

        Raises:
            click.UsageError: options contradict each other.
        """
        chosen: Mapping[str, Any] = context.find_root().meta[_META]
        if chosen["no_passphrase"] and chosen["passphrase_file"] is not None:
            raise click.UsageError("--no-passphrase and --passphrase-file exclude each other.", context)
        return cls(
            home=Path(chosen["home"] or default_home()).expanduser().absolute(),
            server=chosen["server"],
            as_json=chosen["as_json"],
            passphrase_file=chosen["passphrase_file"],
            no_passphrase=chosen["no_passphrase"],
            socks=chosen["socks"],
        )


def common_options(*, hidden: bool) -> list[click.Parameter]:
    """The options; the commands hide theirs, because `handshaker --help` explains them."""

    def option(*names: str, **attributes: Any) -> click.Option:
        return click.Option(names, expose_value=False, callback=_remember, hidden=hidden, **attributes)

    return [
        option(
            "--home",
            metavar="DIR",
            type=click.Path(file_okay=False, path_type=Path),
            envvar="HANDSHAKER_HOME",
            show_envvar=True,
            help="The account's directory. One directory holds one account.  [default: ~/.local/share/handshaker]",
        ),
        option(
            "--server",
            metavar="URL",
            envvar="HANDSHAKER_SERVER",
            show_envvar=True,
            help="The server to register with, like https://chat.example. Later commands remember it.",
        ),
        option("--json", "as_json", is_flag=True, help="Print one JSON object a line instead of text."),
        option(
            "--passphrase-file",
            metavar="FILE",
            type=click.Path(path_type=Path),
            envvar="HANDSHAKER_PASSPHRASE_FILE",
            show_envvar=True,
            help="Read the passphrase from this file, which only you may read, instead of asking for it.",
        ),
        option(
            "--no-passphrase",
            is_flag=True,
            help="Make an account without a passphrase. Whoever can read its directory can read its messages.",
        ),
        option(
            "--socks",
            metavar="HOST:PORT",
            envvar="HANDSHAKER_SOCKS",
            show_envvar=True,
            help="Reach the server through this SOCKS5 proxy only, like 127.0.0.1:9050 for Tor. Later commands "
            "remember it; `direct` forgets it.",
        ),
    ]


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Keep the value that stands nearest to the command; the environment speaks only where no option does."""
    chosen: dict[str, Any] = context.find_root().meta.setdefault(_META, {})
    name = parameter.name or ""
    if name not in chosen or context.get_parameter_source(name) == ParameterSource.COMMANDLINE:
        chosen[name] = value


class InOrder(click.Group):
    """Lists the commands in the order in which people need them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self.commands)


class Command(click.Command):
    """A command that also takes the common options.

    Args:
        examples: command lines that are shown at the end of the help.
    """

    def __init__(self, *arguments: Any, examples: tuple[str, ...] = (), **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.params += common_options(hidden=True)
        self._examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        with formatter.section("Examples" if len(self._examples) > 1 else "Example"):
            for example in self._examples:
                formatter.write(f"{'':{formatter.current_indent}}{example}\n")
        formatter.write("\nOptions that every command has: handshaker --help\n")


def wants_json(arguments: list[str]) -> bool:
    """Whether `--json` is among the arguments, for errors that come before they are understood."""
    before_text = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in before_text
