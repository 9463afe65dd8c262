"""Commands about contacts and connection requests."""

import sys
from pathlib import Path

import click

from handshaker_cli.exits import ExitCode
from handshaker_cli.operations import arguments
from handshaker_cli.operations.results import Result, SafetyNumber
from handshaker_cli.options import Command
from handshaker_cli.output import human
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


def _read_code(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """What `--scan` names: text stands for itself."""
    if value == "-":
        return sys.stdin.read(_MAX_CODE_TEXT)
    try:
        is_file = value is not None and Path(value).is_file()
    except (OSError, ValueError):
        return value
    if value is None or not is_file:
        return value
    try:
        with Path(value).open(encoding="ascii", errors="replace") as file:
            return file.read(_MAX_CODE_TEXT)
    except OSError as error:
        raise click.BadParameter(f"{value} cannot be read: {error.strerror}.") from None


_MAX_CODE_TEXT = 1_000
"""A code has 99 characters; whatever is longer than this is none."""


@click.command(
    cls=Command,
    short_help="Show or confirm the safety number with a contact.",
    examples=(
        "handshaker verify bob.77",
        "handshaker verify bob.77 --confirm",
        "handshaker verify bob.77 --code",
        "handshaker verify bob.77 --scan CAESIgog…",
    ),
)
@click.argument("to", metavar="TO")
@click.option("--confirm", is_flag=True, help="Note that you have compared the digits and they are the same.")
@click.option("--code", is_flag=True, help="Show a code instead, for them to scan.")
@click.option(
    "--scan",
    metavar="TEXT|FILE",
    callback=_read_code,
    help="Compare the code that they show: its text, a file with the text, or - to read it from standard input.",
)
@click.pass_context
def verify(context: click.Context, to: str, *, confirm: bool, code: bool, scan: str | None) -> int:
    """Show the safety number with a contact, to compare it in person or on a call.

    When both of you see the same digits, nobody is in between. The same is true when one of you shows a code and the
    other scans it, and it matches. The exit code is 0 when you have verified this contact, and 5 when you have not.
    """
    if confirm and scan is not None:
        raise click.UsageError("--confirm and --scan exclude each other: what is scanned is compared by the program.")
    render = human.safety_code if code else human.render
    return carry_out(
        context, arguments.Verify(to=to, confirm=confirm, scanned=scan), render=render, judge=_judge_verified
    )


def _judge_verified(result: Result) -> ExitCode:
    unverified = isinstance(result, SafetyNumber) and not result.verified
    return ExitCode.NOT_VERIFIED if unverified else ExitCode.DONE
