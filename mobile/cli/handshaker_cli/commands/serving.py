"""The daemon."""

import click

from handshaker_cli.options import Command
from handshaker_cli.run import serve


@click.command(
    cls=Command,
    short_help="Stay connected; other commands work through it.",
    examples=(
        "handshaker daemon",
        "handshaker --passphrase-file secret daemon &",
    ),
)
@click.pass_context
def daemon(context: click.Context) -> int:
    """Stay connected, receive messages, and deliver queued ones, until Ctrl-C or SIGTERM.

    While it runs, other commands for the same directory work through it and need no passphrase. Only your own user can
    reach it.
    """
    return serve(context)
