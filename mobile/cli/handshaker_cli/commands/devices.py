"""Commands for several devices of one person, and for the loss of one."""

import os
import platform
import sys
from pathlib import Path

import click

from handshaker_cli import phrases
from handshaker_cli.operations import device_arguments as arguments
from handshaker_cli.options import Command
from handshaker_cli.output import human_devices
from handshaker_cli.run import carry_out

_EPILOG = """\b
Example, to link a second device:
  on the new one:      handshaker --server https://chat.example device link
  on the first one:    handshaker device add HSLINK:…
Both show six digits. Say yes on both if they are the same.
"""

_LONGEST_LINE = 1_000


def _first_line() -> str:
    """The first line of standard input, and nothing of what follows: that answers the question that comes later."""
    line = bytearray()
    while len(line) < _LONGEST_LINE and (piece := os.read(sys.stdin.fileno(), 1)) not in (b"", b"\n"):
        line += piece
    return line.decode(errors="replace")


@click.group("device", short_help="Link, list and remove your devices.", epilog=_EPILOG)
def device() -> None:
    """Use one account on several devices.

    Your first device is the primary: it alone holds the key that speaks for you, and it alone links and removes others.
    Contacts see a notice when your devices change.
    """


@device.command(
    cls=Command,
    short_help="On a new device: show the code for your first one.",
    examples=(
        "handshaker --server https://chat.example device link",
        "handshaker --server https://chat.example device link --name tablet",
    ),
)
@click.option("--name", metavar="NAME", help="What you call this device.  [default: the machine's name]")
@click.pass_context
def link(context: click.Context, name: str | None) -> int:
    """On a new device, in an empty directory: show a code, and become part of your account.

    Read the code with `handshaker device add` on your first device, within ten minutes. Then both devices show six
    digits: say yes only if they are the same on both. Nobody who has seen the code can link anything without that.
    """
    from handshaker_cli.in_person import link_device  # noqa: PLC0415 - imports the client, which takes a second

    return link_device(context, name if name is not None else platform.node())


@device.command(
    cls=Command,
    short_help="On your first device: link the one that shows a code.",
    examples=("handshaker device add HSLINK:AEX…", "handshaker device add -"),
)
@click.argument("code", metavar="CODE")
@click.pass_context
def add(context: click.Context, code: str) -> int:
    """On your first device: link the device that shows this code. `-` reads the code from standard input's first line.

    The new device gets your contacts and what is written from now on, no earlier messages and no key that speaks for you.
    """
    from handshaker_cli.in_person import add_device  # noqa: PLC0415 - see `link`

    return add_device(context, _first_line() if code == "-" else code)


@click.command("list", cls=Command, short_help="List your devices.", examples=("handshaker device list",))
@click.pass_context
def list_(context: click.Context) -> int:
    """List your devices, this one first: the start of the id, the name, and since when."""
    return carry_out(context, arguments.ListDevices(), render=human_devices.render)


device.add_command(list_)


@device.command(
    cls=Command,
    short_help="Remove a device that is lost or not used any more.",
    examples=("handshaker device remove tablet", "handshaker device remove 3f2a91c0"),
)
@click.argument("device_", metavar="ID")
@click.pass_context
def remove(context: click.Context, device_: str) -> int:
    """Remove a device, by its name or the start of its id. It is out at once.

    It cannot log in, read or send any more, whatever its holder does; your contacts are told. What it has received
    stays on it.
    """
    return carry_out(context, arguments.RemoveDevice(device=device_), render=human_devices.render)


@click.command(
    cls=Command,
    short_help="Get your account back with the recovery phrase.",
    examples=(
        "handshaker --server https://chat.example recover",
        "handshaker --server https://chat.example recover --phrase-file words.txt",
    ),
)
@click.option(
    "--phrase-file",
    metavar="FILE",
    type=click.Path(path_type=Path, allow_dash=True),
    help="Read the 24 words from this file (- for standard input) instead of asking for them.",
)
@click.pass_context
def recover(context: click.Context, phrase_file: Path | None) -> int:
    """Get your account back on a new device, in an empty directory, with the 24 words of the recovery phrase.

    All other devices are out: a lost one cannot log in, read or send any more; one that you still have is linked anew.
    Your identity is the same, so safety numbers stay. Messages and contacts come back with `handshaker backup restore`
    only; without a backup, connect with people again.
    """
    words = phrases.ask() if phrase_file is None else phrases.read_file(phrase_file)
    from handshaker_cli.in_person import recover_account  # noqa: PLC0415 - see `link`

    return recover_account(context, words)


@click.command(
    cls=Command,
    short_help="Go on writing to a contact whose devices have changed.",
    examples=("handshaker acknowledge bob.77",),
)
@click.argument("to", metavar="TO")
@click.pass_context
def acknowledge(context: click.Context, to: str) -> int:
    """Note that you have looked at what changed about a contact. Nothing is sent to them before that.

    Ask them whether the new device is theirs. To be sure that it is they who answer: handshaker verify TO
    """
    return carry_out(context, arguments.Acknowledge(to=to), render=human_devices.render)
