"""Commands about the account itself."""

import click

from handshaker_cli.operations import arguments
from handshaker_cli.options import Command
from handshaker_cli.output import human
from handshaker_cli.run import carry_out, create_account


@click.command(
    cls=Command,
    short_help="Make an account.",
    examples=(
        "handshaker --server https://chat.example register",
        "handshaker --server https://chat.example register --username alice.42 --name Alice",
        "handshaker --home ~/bot --server https://chat.example --passphrase-file secret register",
    ),
)
@click.option("--username", metavar="U", help="Be found under this name. It ends in a dot and digits, like alice.42.")
@click.option("--name", metavar="NAME", default="", help="What contacts see you as. Strangers and the server do not.")
@click.pass_context
def register(context: click.Context, username: str | None, name: str) -> int:
    """Make an account: a key on this machine and an entry on the server. No phone number, no e-mail.

    Making it takes some seconds of work, which keeps robots from making many.
    """
    return create_account(context, arguments.Register(username=username, name=name))


@click.command(cls=Command, short_help="Show this account and its link.", examples=("handshaker whoami",))
@click.pass_context
def whoami(context: click.Context) -> int:
    """Show this account: names, server, and the link that others can connect with."""
    return carry_out(context, arguments.WhoAmI())


@click.command(cls=Command, short_help="Log in again after a logout.", examples=("handshaker login",))
@click.pass_context
def login(context: click.Context) -> int:
    """Log in again after a logout, with the key on this machine."""
    return carry_out(context, arguments.LogIn(), render=human.logged_in)


@click.command(cls=Command, short_help="End the session on the server.", examples=("handshaker logout",))
@click.pass_context
def logout(context: click.Context) -> int:
    """End the session on the server. Keys, contacts and messages stay on this machine."""
    return carry_out(context, arguments.LogOut(), render=human.logged_out)
