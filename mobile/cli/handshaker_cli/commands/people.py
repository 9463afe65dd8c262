"""Commands about contacts and connection requests."""

import click

from handshaker_cli.exits import ExitCode
from handshaker_cli.operations import arguments
from handshaker_cli.operations.results import Result, SafetyNumber
from handshaker_cli.options import Command
from handshaker_cli.run import carry_out


@click.command(
    cls=Command, short_help="Find out whether somebody has this username.", examples=("handshaker search bob.77",)
)
@click.argument("username", metavar="U")
@click.pass_context
def search(context: click.Context, username: str) -> int:
    """Find out whether somebody has exactly this username."""
    return carry_out(context, arguments.Search(username=username))


@click.command(
    cls=Command,
    short_help="Ask somebody for a connection.",
    examples=(
        'handshaker connect bob.77 -m "Hello, it is Alice"',
        'handshaker connect "https://chat.example/c#AQ…"',
    ),
)
@click.argument("target", metavar="U|LINK")
@click.option("-m", "--message", metavar="TEXT", default="", help="A greeting to go with the request.")
@click.option("--new-identity", is_flag=True, help="Ask even though the username leads to somebody with new keys now.")
@click.pass_context
def connect(context: click.Context, target: str, message: str, *, new_identity: bool) -> int:
    """Ask somebody for a connection, by username or by the link they gave you.

    They see your request, your name and your greeting, and accept or reject it. Their answer arrives with
    `handshaker receive`.
    """
    return carry_out(context, arguments.Connect(target=target, greeting=message, new_identity=new_identity))


@click.command(cls=Command, short_help="List the connection requests that wait.", examples=("handshaker requests",))
@click.pass_context
def requests(context: click.Context) -> int:
    """List the connection requests that wait for an answer, yours and others'."""
    return carry_out(context, arguments.Requests(), empty="No connection request is waiting.")


@click.command(
    cls=Command,
    short_help="Accept a connection request.",
    examples=(
        "handshaker accept 1",
        "handshaker accept alice.42",
    ),
)
@click.argument("request", metavar="ID")
@click.pass_context
def accept(context: click.Context, request: str) -> int:
    """Accept a connection request. ID is its number, or the username it comes from."""
    return carry_out(context, arguments.Accept(request=request))


@click.command(
    cls=Command,
    short_help="Reject a connection request.",
    examples=(
        "handshaker reject 1",
        "handshaker reject 1 --tell",
    ),
)
@click.argument("request", metavar="ID")
@click.option("--tell", is_flag=True, help="Let them know. Without it they learn nothing.")
@click.pass_context
def reject(context: click.Context, request: str, *, tell: bool) -> int:
    """Reject a connection request. ID is its number, or the username it comes from."""
    return carry_out(context, arguments.Reject(request=request, tell=tell))


@click.command(cls=Command, short_help="List your contacts.", examples=("handshaker contacts",))
@click.pass_context
def contacts(context: click.Context) -> int:
    """List your contacts: number, name, and how many messages are new."""
    return carry_out(
        context,
        arguments.Contacts(),
        empty="You have no contacts yet. To ask for a connection: handshaker connect USERNAME",
    )


@click.command(
    cls=Command,
    short_help="Show or confirm the safety number with a contact.",
    examples=(
        "handshaker verify bob.77",
        "handshaker verify bob.77 --confirm",
    ),
)
@click.argument("to", metavar="TO")
@click.option("--confirm", is_flag=True, help="Note that you have compared the digits and they are the same.")
@click.pass_context
def verify(context: click.Context, to: str, *, confirm: bool) -> int:
    """Show the safety number with a contact, to compare it in person or on a call.

    When both of you see the same digits, nobody is in between. The exit code is 0 when you have verified this contact,
    and 5 when you have not.
    """
    return carry_out(context, arguments.Verify(to=to, confirm=confirm), judge=_judge_verified)


def _judge_verified(result: Result) -> ExitCode:
    unverified = isinstance(result, SafetyNumber) and not result.verified
    return ExitCode.NOT_VERIFIED if unverified else ExitCode.DONE
