"""Commands about messages."""

import math
import sys
from typing import Any

import click

from handshaker_cli.errors import MessageNotText, MessageTooLong
from handshaker_cli.exits import ExitCode
from handshaker_cli.operations import arguments
from handshaker_cli.operations.results import Message, Result
from handshaker_cli.options import Command
from handshaker_cli.output import human
from handshaker_cli.run import carry_out

_LONGEST_INPUT = 1 << 20


class _Seconds(click.FloatRange):
    """A length of time, at most a year."""

    def __init__(self) -> None:
        super().__init__(min=0, max=366 * 86_400)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds: float = super().convert(value, param, ctx)
        if math.isnan(seconds):
            self.fail(f"{value!r} is not a number of seconds.", param, ctx)
        return seconds


_SECONDS = _Seconds()


@click.command(
    cls=Command,
    short_help="Send a message.",
    examples=(
        'handshaker send bob.77 "How are you?"',
        'handshaker send 2 "On my way"',
        "date | handshaker send bob.77 -",
        'handshaker send bob.77 -- "-5 degrees here"',
    ),
)
@click.argument("to", metavar="TO")
@click.argument("text", metavar="TEXT")
@click.option(
    "--wait",
    metavar="SECONDS",
    type=_SECONDS,
    help="How long to wait for the server to take the message.  [default: 5, less where there is no connection]",
)
@click.pass_context
def send(context: click.Context, to: str, text: str, wait: float | None) -> int:
    """Send a message. TO is a username, a contact's number or name; TEXT may be - to read standard input.

    When the server cannot be reached, the message is kept on this machine and goes out with the next `send` or
    `receive`, or by the daemon: it is queued, not lost.
    """
    content = _standard_input() if text == "-" else text
    return carry_out(context, arguments.Send(to=to, text=content, wait=wait), render=human.sent, judge=judge_sent)


@click.command(
    cls=Command,
    short_help="Show new messages, requests and answers.",
    examples=(
        "handshaker receive",
        "handshaker receive --follow",
        "handshaker --json receive --for 60",
    ),
)
@click.option("--follow", is_flag=True, help="Stay, and show what arrives until Ctrl-C.")
@click.option("--for", "seconds", metavar="SECONDS", type=_SECONDS, help="Stay this long, then end.")
@click.option("--receipts", is_flag=True, help="Also show when messages of yours are stored, delivered and read.")
@click.pass_context
def receive(context: click.Context, *, follow: bool, seconds: float | None, receipts: bool) -> int:
    """Show new messages, each once, with connection requests and answers; then end.

    While it stays (--follow, --for), other commands for the same directory work through it.
    """
    wanted = arguments.Receive(follow=follow or seconds is not None, seconds=seconds, receipts=receipts)
    return carry_out(context, wanted, empty="Nothing new.")


@click.command(
    cls=Command,
    short_help="Show the messages with a contact.",
    examples=(
        "handshaker history bob.77",
        "handshaker history bob.77 --search lunch --limit 10",
    ),
)
@click.argument("to", metavar="TO")
@click.option("--search", metavar="TEXT", help="Only messages that contain this text.")
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(min=1, max=1_000_000),
    default=50,
    show_default=True,
    help="The newest N messages.",
)
@click.pass_context
def history(context: click.Context, to: str, search: str | None, limit: int) -> int:
    """Show the messages with a contact, oldest first."""
    return carry_out(context, arguments.History(to=to, search=search, limit=limit), empty="No messages.")


def judge_sent(result: Result) -> ExitCode:
    """A message that was refused is no success."""
    failed = isinstance(result, Message) and result.state == "failed"
    return ExitCode.REFUSED if failed else ExitCode.DONE


def _standard_input() -> str:
    content = sys.stdin.buffer.read(_LONGEST_INPUT + 1)
    if len(content) > _LONGEST_INPUT:
        raise MessageTooLong
    try:
        return content.decode().removesuffix("\n")
    except UnicodeDecodeError:
        raise MessageNotText from None
