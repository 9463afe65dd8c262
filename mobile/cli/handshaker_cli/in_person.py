"""Commands that ask their user while they go on: linking a device, recovering an account. They open the account here."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from functools import partial

import click
from handshaker_core.client import Client

from handshaker_cli import run
from handshaker_cli.exits import ExitCode
from handshaker_cli.operations import devices, results, views
from handshaker_cli.operations.told import Told
from handshaker_cli.output.printer import Printer

_YES = frozenset({"y", "yes"})
_ANSWER_BYTES = 64

USERNAME_TO_TAKE_AGAIN = (
    "If you had a username, it leads to the device that you lost. Take it again: handshaker register --username NAME.DIGITS. "
    "If you have a backup: handshaker backup restore FILE"
)


def link_device(context: click.Context, name: str) -> int:
    """On the new device: show the code, compare, become linked."""

    async def work(client: Client, printer: Printer) -> int:
        def show(code: str) -> None:
            printer.show(results.LinkCode(code))

        async def link(told: Callable[[str, float], None]) -> None:
            await client.devices.link(name, show=show, compare=partial(_compare, printer), progress=told)

        await _shown(link, printer)
        async with client.online():
            await client.devices.settle()
        printer.show(views.account(await client.whoami()))
        for found in await client.devices.listed():
            printer.show(devices.device(found))
        return ExitCode.DONE

    return run.in_person(context, work, new_home=True)


def add_device(context: click.Context, code: str) -> int:
    """On the primary: link the device that shows the code."""

    async def work(client: Client, printer: Printer) -> int:
        added = await client.devices.add(code, compare=partial(_compare, printer))
        async with client.online():
            await client.devices.settle()
        printer.show(devices.device(added))
        return ExitCode.DONE

    return run.in_person(context, work, new_home=False)


def recover_account(context: click.Context, words: str) -> int:
    """Make this the one device of the account that the words belong to."""

    async def work(client: Client, printer: Printer) -> int:
        await _shown(lambda told: client.devices.recover(words, told), printer)
        async with client.online():
            await client.devices.settle()
        account = await client.whoami()
        printer.show(views.account(account))
        if account.username is None:
            printer.show(results.Notice("username_to_take_again", USERNAME_TO_TAKE_AGAIN))
        return ExitCode.DONE

    return run.in_person(context, work, new_home=True)


async def _shown(work: Callable[[Callable[[str, float], None]], Awaitable[None]], printer: Printer) -> None:
    async def call(told: Callable[[str, float], None]) -> None:
        await work(told)

    async with Told(call) as running:
        async for progress in running:
            printer.show(progress)
        running.result()


async def _compare(printer: Printer, number: str, name: str) -> bool:
    printer.show(results.Numbers(number, name))
    return await _ask("Does the other device show the same number? [y/N] ")


async def _ask(question: str) -> bool:
    """Ask on standard input without keeping the program from anything else; an end of input is a no."""
    print(question, end="", file=sys.stderr, flush=True)  # noqa: T201 - a prompt
    loop, line = asyncio.get_running_loop(), bytearray()
    answered: asyncio.Future[None] = loop.create_future()
    descriptor = sys.stdin.fileno()

    def read() -> None:
        piece = os.read(descriptor, 1)  # one byte: what follows the line is for the next question
        line.extend(piece)
        if (not piece or piece == b"\n" or len(line) > _ANSWER_BYTES) and not answered.done():
            answered.set_result(None)

    try:
        loop.add_reader(descriptor, read)
    except (PermissionError, OSError):  # a regular file is always ready, and cannot be waited for
        while not answered.done():
            read()
    try:
        await answered
    finally:
        loop.remove_reader(descriptor)
    return line.decode(errors="replace").strip().casefold() in _YES
