"""The entrance: parse, run, and turn every way to fail into one sentence and an exit code."""

import io
import os
import sys

import click

from handshaker_cli.commands import handshaker
from handshaker_cli.exits import ExitCode, Failure
from handshaker_cli.options import wants_json
from handshaker_cli.output.printer import HumanPrinter, JsonPrinter, reader_left


def run() -> None:
    """The `handshaker` command. Ends the process with one of `exits.ExitCode`."""
    arguments = sys.argv[1:]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without the right letters is no reason to fail
    code = main(arguments)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        reader_left()
    sys.exit(code)


def main(arguments: list[str]) -> int:
    """Run a command line and return its exit code. Errors are told on standard error."""
    try:
        result = handshaker.main(arguments, prog_name="handshaker", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return ExitCode.USAGE
    except click.UsageError as error:
        return _fail(arguments, Failure("usage", _usage_sentence(error), ExitCode.USAGE))
    except click.ClickException as error:
        return _fail(arguments, Failure("usage", error.format_message(), ExitCode.USAGE))
    except click.Abort:
        return _fail(arguments, Failure("interrupted", "Interrupted.", ExitCode.INTERRUPTED))
    except Exception as error:
        if os.environ.get("HANDSHAKER_DEBUG"):
            raise
        from handshaker_cli.failures import explain  # noqa: PLC0415 - it imports the client, which takes a while

        return _fail(arguments, explain(error))
    return result if isinstance(result, int) else ExitCode.DONE


def _fail(arguments: list[str], failure: Failure) -> int:
    printer = JsonPrinter() if wants_json(arguments) else HumanPrinter()
    printer.fail(failure)
    return failure.exit


def _usage_sentence(error: click.UsageError) -> str:
    sentence = error.format_message()
    if error.ctx is None:
        return sentence
    return f"{sentence} See: {error.ctx.command_path} --help"
