"""Commands about sessions with a contact."""

import click

from handshaker_cli.exits import ExitCode
from handshaker_cli.operations.results import Result, Session
from handshaker_cli.operations.session_arguments import SessionEnd, SessionShow, SessionStart
from handshaker_cli.options import Command
from handshaker_cli.run import carry_out

_EPILOG = """\b
Examples:
  handshaker session start bob.77
  handshaker session end bob.77
"""


@click.group("session", short_help="Live sessions; delete all keys shared with a contact.", epilog=_EPILOG)
def session() -> None:
    """The keys that you share with a contact.

    A session is begun by itself when you write, and its keys change with every message. A live session has a key of its
    own, for a direct channel between your two devices; it is in memory alone, and a restart of either side ends it.
    """


@session.command(
    "start",
    cls=Command,
    short_help="Offer a live session, or accept one.",
    examples=("handshaker session start bob.77",),
)
@click.argument("to", metavar="TO")
@click.pass_context
def start(context: click.Context, to: str) -> int:
    """Offer a live session to a contact, or accept the one that they offer.

    Waits up to two minutes for the answer; both of you have to be online. With `handshaker daemon` running, the session
    lives there and the command ends when the session has begun. Without it, the session lives in this command: Ctrl-C
    ends it. The exit code is 4 when nobody accepts.
    """
    return carry_out(context, SessionStart(to=to), judge=_judge_started)


@session.command(
    "end",
    cls=Command,
    short_help="Delete all keys shared with a contact, on both sides.",
    examples=("handshaker session end bob.77", "handshaker session end bob.77 --live"),
)
@click.argument("to", metavar="TO")
@click.option("--live", is_flag=True, help="End the live session alone; messages go on with the keys that there are.")
@click.pass_context
def end(context: click.Context, to: str, *, live: bool) -> int:
    """Delete all keys that you share with a contact, and have their devices do the same.

    Nobody who gets hold of a device later can decrypt what was recorded before. Messages that you both have stay readable
    in your histories; what they sent and has not arrived here yet is lost, so let them finish. The next message, from
    either side, starts a new session. Both conversations say that the session was ended.
    """
    return carry_out(context, SessionEnd(to=to, live=live))


@session.command(
    "status",
    cls=Command,
    short_help="Show how it stands.",
    examples=("handshaker session status bob.77", "handshaker session status bob.77 --json"),
)
@click.argument("to", metavar="TO")
@click.pass_context
def status(context: click.Context, to: str) -> int:
    """Show how it stands with the session and the live session with a contact. No key is ever shown."""
    return carry_out(context, SessionShow(to=to))


def _judge_started(result: Result) -> ExitCode:
    unanswered = isinstance(result, Session) and result.ended in ("no_answer", "not_there")
    return ExitCode.UNREACHABLE if unanswered else ExitCode.DONE
