"""Carries a command out: through the process that has the account open, or by opening it here."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import click
from handshaker_core.errors import HandshakerError
from handshaker_core.net.server import ServerAddress
from handshaker_core.store import NoStore, Store, StoreInUse

from handshaker_cli import homes, passphrase
from handshaker_cli.errors import AlreadyServed, NoServer, OpenElsewhere, ServingProcessGone
from handshaker_cli.exits import ExitCode, Failure
from handshaker_cli.operations.arguments import Arguments, Receive, Register
from handshaker_cli.operations.results import Done, Panicked, Result
from handshaker_cli.operations.safe_arguments import Panic
from handshaker_cli.options import Settings
from handshaker_cli.output import human, human_devices, human_safe
from handshaker_cli.output.printer import HumanPrinter, JsonPrinter, Printer, reader_left
from handshaker_cli.rpc import sockets
from handshaker_cli.rpc.client import ServingProcess
from handshaker_cli.rpc.protocol import SOCKET_NAME

if TYPE_CHECKING:
    from handshaker_core.client import Client

Judge: TypeAlias = Callable[[Result], ExitCode]
"""The exit code that a result means."""

BUSY_SECONDS = 10.0
"""How long a command waits for another one that has the account open for a moment."""

_BUSY_PAUSE_SECONDS = 0.1


@dataclass(slots=True)
class _Showing:
    """Shows results as they come, and remembers the exit code they mean."""

    printer: Printer
    judge: Judge
    empty: str | None
    code: ExitCode = ExitCode.DONE
    count: int = 0

    async def consume(self, results: AsyncGenerator[Result, None]) -> int:
        async with aclosing(results):
            async for result in results:
                self.printer.show(result)
                self.code = self.judge(result)
                self.count += not result.aside
        if not self.count and self.empty is not None:
            self.printer.nothing(self.empty)
        self.printer.end()
        return self.code


def carry_out(
    context: click.Context,
    arguments: Arguments,
    *,
    render: Callable[[Result], str] = human.render,
    judge: Judge = lambda _: ExitCode.DONE,
    empty: str | None = None,
) -> int:
    """Have an operation carried out and show its results.

    Args:
        context: of the command, for the common options.
        arguments: they also say which operation it is.
        render: turns results into text for people.
        judge: the exit code that a result means; the last one counts.
        empty: what people are told when there are no results.

    Returns:
        The exit code.

    Raises:
        HandshakerError: it was not done.
    """
    settings = Settings.of(context)
    printer = _printer(settings, render)
    secret = _secret(settings)
    showing = _Showing(printer, judge, empty)
    stopped = ExitCode.DONE if _is_endless(arguments) else ExitCode.INTERRUPTED
    return _run(_patiently(lambda: _attempt(settings, arguments, secret, showing)), printer, stopped=stopped)


def create_account(context: click.Context, arguments: Register) -> int:
    """Make the account, and the directory if need be; or finish what was begun before."""
    settings = Settings.of(context)
    printer = _printer(settings, human.registered)
    if sockets.somebody_listens(settings.home) or Store.exists(settings.home):
        secret = _secret(settings)
    else:
        secret = _new_secret(settings)
    showing = _Showing(printer, _done, None)
    work = _patiently(lambda: _attempt(settings, arguments, secret, showing))
    return _run(work, printer, stopped=ExitCode.INTERRUPTED)


def serve(context: click.Context) -> int:
    """Keep the account open until a signal."""
    settings = Settings.of(context)
    printer = _printer(settings, human.render)
    secret = _secret(settings)

    async def attempt() -> int:
        serving = await ServingProcess.find(settings.home)
        if serving is not None:
            serving.close()
            raise AlreadyServed(serving.serving, serving.process)
        from handshaker_cli import hosting  # noqa: PLC0415 - see `_attempt`

        return await _Showing(printer, _done, None).consume(hosting.stay(settings.home, secret or "", settings.route))

    return _run(_patiently(attempt), printer, stopped=ExitCode.DONE)


def in_person(
    context: click.Context, work: Callable[["Client", Printer], Coroutine[Any, Any, int]], *, new_home: bool
) -> int:
    """Have something done that asks the user while it goes on, which only the process with the account open can do.

    Args:
        context: of the command.
        work: is given the open account and what shows results.
        new_home: whether the directory may be made for it.

    Raises:
        OpenElsewhere: another process has the account open.
        HandshakerError.
    """
    settings = Settings.of(context)
    printer = _printer(settings, human_devices.render)
    if sockets.somebody_listens(settings.home):
        raise OpenElsewhere
    fresh = new_home and not Store.exists(settings.home)
    secret = _new_secret(settings) if fresh else _secret(settings)

    async def attempt() -> int:
        from handshaker_cli import hosting  # noqa: PLC0415 - see `_attempt`

        async with hosting.Host.open(settings.home, secret or "", settings.route, create=new_home) as host:
            return await work(host.client, printer)

    return _run(_patiently(attempt), printer, stopped=ExitCode.INTERRUPTED)


async def _patiently(attempt: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Try again while another command has the account open: it will be done, or serve others, in a moment."""
    give_up_at = asyncio.get_running_loop().time() + BUSY_SECONDS
    while True:
        try:
            return await attempt()
        except StoreInUse:
            if asyncio.get_running_loop().time() > give_up_at:
                raise
        await asyncio.sleep(_BUSY_PAUSE_SECONDS)


async def _attempt(settings: Settings, arguments: Arguments, secret: str | None, showing: _Showing) -> int:
    serving = await ServingProcess.find(settings.home)
    if serving is not None:
        return await showing.consume(serving.perform(arguments.command, arguments, settings.route))
    if secret is None:
        raise ServingProcessGone  # it was there when the passphrase would have been asked for
    # The client takes most of a second to import; a command that another process carries out does without it.
    from handshaker_cli import hosting  # noqa: PLC0415

    return await showing.consume(hosting.carry_out(settings.home, secret, settings.route, arguments))


def _run(work: Coroutine[Any, Any, int], printer: Printer, *, stopped: ExitCode) -> int:
    """Run to the end or to a signal; either way everything is closed in order. `stopped` is the code after a signal."""
    signalled = False

    async def until_signal() -> int:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()

        def stop() -> None:
            nonlocal signalled
            signalled = True
            if task is not None:
                task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)
        return await work

    try:
        return asyncio.run(until_signal())
    except asyncio.CancelledError:
        if not signalled:
            raise
        printer.end()
        if stopped is not ExitCode.DONE:
            printer.fail(Failure("interrupted", "Interrupted.", stopped))
        return stopped
    except BrokenPipeError:
        # Whoever read our output has seen enough. What they have not seen does not count as shown.
        reader_left()
        return ExitCode.DONE
    except BaseException:
        printer.end()
        raise


def _is_endless(arguments: Arguments) -> bool:
    return isinstance(arguments, Receive) and arguments.follow


def _done(_: Result) -> ExitCode:
    return ExitCode.DONE


def _printer(settings: Settings, render: Callable[[Result], str]) -> Printer:
    return JsonPrinter() if settings.as_json else HumanPrinter(render)


def current_passphrase(settings: Settings) -> str:
    """What opens the account, asked for even where another process has it open: something grave is to be done.

    Raises:
        NoStore, PassphraseNeeded, UnusablePassphrase.
    """
    if not Store.exists(settings.home):
        raise NoStore
    if settings.passphrase_file is not None:
        return passphrase.read_file(settings.passphrase_file)
    return homes.read_key_file(settings.home) or passphrase.ask()


def reset_passphrase(context: click.Context, words: str, new: str) -> int:
    """Set a new passphrase by the recovery phrase. Raises: HandshakerError."""
    settings = Settings.of(context)
    printer = _printer(settings, human_safe.render)

    async def reset() -> int:
        from handshaker_core.client.safekeeping import Safekeeping  # noqa: PLC0415 - see `_attempt`

        await Safekeeping.reset_passphrase(settings.home, words, new)
        homes.remove_key_file(settings.home)
        printer.show(Done("passphrase_changed", "The passphrase is changed; a keystore is not used any more."))
        return ExitCode.DONE

    return _run(reset(), printer, stopped=ExitCode.INTERRUPTED)


def panic_now(context: click.Context, *, ask: bool) -> int:
    """Destroy everything: through whoever has the account open, with the passphrase if there is one, or without.

    Raises:
        StoreUnusable: the keys are destroyed, but not every file.
    """
    settings = Settings.of(context)
    printer = _printer(settings, human_safe.render)
    secret = None if sockets.somebody_listens(settings.home) else _secret_if_there(settings, ask=ask)
    showing = _Showing(printer, _done, None)

    async def destroy() -> int:
        # Damaged, busy, another passphrase, a process that died: none of it keeps anything from being destroyed.
        with contextlib.suppress(HandshakerError):
            if secret is not None or sockets.somebody_listens(settings.home):
                await _attempt(settings, Panic(), secret, showing)
        from handshaker_core.store import panic  # noqa: PLC0415 - see `_attempt`

        found = panic.destroy(settings.home)
        homes.remove_key_file(settings.home)
        (settings.home / SOCKET_NAME).unlink(missing_ok=True)
        if not showing.count:
            if not found:
                raise NoStore
            printer.show(Panicked(server_told=False))
        return ExitCode.DONE

    return _run(destroy(), printer, stopped=ExitCode.INTERRUPTED)


def _secret_if_there(settings: Settings, *, ask: bool) -> str | None:
    try:
        if settings.passphrase_file is not None:
            return passphrase.read_file(settings.passphrase_file)
        if (kept := homes.read_key_file(settings.home)) is not None or not ask or not Store.exists(settings.home):
            return kept
        return passphrase.ask_or_none(
            "Passphrase, so that the server deletes the account too (Enter: only this machine): "
        )
    except HandshakerError:
        return None


def _secret(settings: Settings) -> str | None:
    """The passphrase of an existing account; None where another process has it open and needs none.

    Asked for before the event loop runs, so that Ctrl-C works at the prompt.
    """
    if sockets.somebody_listens(settings.home):
        return None
    if not Store.exists(settings.home):
        raise NoStore
    if settings.passphrase_file is not None:
        return passphrase.read_file(settings.passphrase_file)
    return homes.read_key_file(settings.home) or passphrase.ask()


def _new_secret(settings: Settings) -> str:
    if settings.server is None:
        raise NoServer
    ServerAddress.parse(settings.server)  # said before anybody thinks of a passphrase
    if settings.no_passphrase:
        return homes.make_key_file(settings.home)
    homes.remove_key_file(settings.home)
    if settings.passphrase_file is not None:
        return passphrase.read_file(settings.passphrase_file)
    return passphrase.ask_twice()
