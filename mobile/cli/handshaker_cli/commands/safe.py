"""Commands that protect an account on this machine."""

import re
import sys
from pathlib import Path
from typing import Any

import click

from handshaker_cli import passphrase as secrets
from handshaker_cli import phrases
from handshaker_cli.operations import safe_arguments as arguments
from handshaker_cli.options import Command, Settings
from handshaker_cli.output import human_safe
from handshaker_cli.run import carry_out, current_passphrase, panic_now, reset_passphrase

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_new_passphrase = click.option(
    "--new-passphrase-file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Read the new passphrase from this file, which only you may read, instead of asking for it.",
)
_phrase_file = click.option(
    "--phrase-file",
    metavar="FILE",
    type=click.Path(path_type=Path, allow_dash=True),
    help="Read the 24 words from this file (- for standard input) instead of asking for them.",
)


class _File(click.Path):
    """A file name, made absolute: another process may carry the command out."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        return Path(str(super().convert(str(value), param, ctx))).expanduser().absolute()


class _Time(click.ParamType[int]):
    """A length of time like 30m, 1h, 1d or 1w; `off` is 0."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if str(value) == "off":
            return 0
        found = re.fullmatch(r"([1-9][0-9]{0,8})([smhdw])", str(value))
        if found is None:
            self.fail(f"{value!r} is no length of time; write 30m, 1h, 1d, 1w or off.", param, ctx)
        return int(found[1]) * _UNITS[found[2]]


@click.command(
    cls=Command,
    short_help="Show the recovery phrase, or check what you wrote down.",
    examples=("handshaker phrase", "handshaker phrase check"),
)
@click.argument("action", metavar="[check]", type=click.Choice(["show", "check"]), default="show")
@_phrase_file
@click.pass_context
def phrase(context: click.Context, action: str, phrase_file: Path | None) -> int:
    """Show the 24 words from which your account can be recovered, after asking for the passphrase once more.

    With `check`, type them back: nothing is shown but whether they are right, and which word is not.
    """
    if action == "check":
        words = phrases.ask() if phrase_file is None else phrases.read_file(phrase_file)
        return carry_out(context, arguments.CheckPhrase(words=words), render=human_safe.render)
    wanted = arguments.ShowPhrase(passphrase=current_passphrase(Settings.of(context)))
    return carry_out(context, wanted, render=human_safe.render)


@click.command(
    cls=Command,
    short_help="Change the passphrase, or set a new one by the recovery phrase.",
    examples=("handshaker passphrase", "handshaker passphrase --forgotten"),
)
@click.option(
    "--forgotten", is_flag=True, help="Set a new passphrase by the recovery phrase. Ends the use of a keystore."
)
@_new_passphrase
@_phrase_file
@click.pass_context
def passphrase(
    context: click.Context, new_passphrase_file: Path | None, phrase_file: Path | None, *, forgotten: bool
) -> int:
    """Change the passphrase of this account. The old one opens nothing after it."""
    settings = Settings.of(context)
    if forgotten:
        words = phrases.ask() if phrase_file is None else phrases.read_file(phrase_file)
        return reset_passphrase(context, words, _new_secret(new_passphrase_file))
    old = current_passphrase(settings)
    wanted = arguments.ChangePassphrase(old=old, new=_new_secret(new_passphrase_file))
    return carry_out(context, wanted, render=human_safe.render)


@click.command(
    cls=Command,
    short_help="Let the passphrase work only together with this computer's keystore.",
    examples=("handshaker keystore", "handshaker keystore on"),
)
@click.argument("action", metavar="[on|off]", type=click.Choice(["status", "on", "off"]), default="status")
@click.pass_context
def keystore(context: click.Context, action: str) -> int:
    """Keep half of what opens this account in the keystore of this computer (Windows, macOS, or a Secret Service).

    Whoever copies the directory alone then has nothing to guess at, however short the passphrase is. If the keystore is
    lost, the recovery phrase still opens the account: `handshaker passphrase --forgotten`.
    """
    return carry_out(context, arguments.Keystore(action=action), render=human_safe.render)


@click.command(
    cls=Command,
    short_help="A second passphrase that opens a decoy and destroys this account.",
    examples=(
        "handshaker duress set",
        "handshaker duress set --from ~/harmless",
        "handshaker duress off",
    ),
)
@click.argument("action", metavar="set|off", type=click.Choice(["set", "off"]))
@click.option(
    "--from",
    "other",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Make the account in this directory the decoy; its passphrase becomes the duress passphrase.",
)
@_new_passphrase
@click.pass_context
def duress(context: click.Context, action: str, other: Path | None, new_passphrase_file: Path | None) -> int:
    """Set a second passphrase for the day when you are forced to open this account.

    It opens another account in this directory, which looks like any other, and destroys the keys of this one by doing
    so: there is no way back, for anybody. Whoever watches sees an account being opened. A laboratory with an earlier
    image of the disk sees more: read docs/local-store.md before you rely on it.

    The most believable decoy is an account that you have really used: make one with another --home, use it for a while,
    then move it here with --from. Without --from a small one is made, which needs the server.
    """
    if action == "off":
        wanted = arguments.ClearDuress(passphrase=current_passphrase(Settings.of(context)))
        return carry_out(context, wanted, render=human_safe.render)
    secret = _new_secret(
        new_passphrase_file, "Duress passphrase: " if other is None else "Passphrase of that account: "
    )
    directory = None if other is None else str(other.expanduser().absolute())
    asked = arguments.SetDuress(passphrase=secret, other=directory)
    return carry_out(context, asked, render=human_safe.render)


_BACKUP_EPILOG = """\b
Examples:
  handshaker backup create handshaker.backup
  handshaker backup restore handshaker.backup
"""


@click.group("backup", short_help="Write or restore an encrypted backup.", epilog=_BACKUP_EPILOG)
def backup() -> None:
    """Keep contacts and messages in one encrypted file that only the recovery phrase opens.

    It holds no keys: restoring it never goes back to old ones. Messages that disappear are not in it.
    """


@backup.command(cls=Command, short_help="Write a backup.", examples=("handshaker backup create handshaker.backup",))
@click.argument("file", metavar="FILE", type=_File())
@click.pass_context
def create(context: click.Context, file: Path) -> int:
    """Write contacts and messages to a new file."""
    return carry_out(context, arguments.CreateBackup(file=str(file)), render=human_safe.render)


@backup.command(
    cls=Command,
    short_help="Take contacts and messages from a backup.",
    examples=("handshaker backup restore handshaker.backup",),
)
@click.argument("file", metavar="FILE", type=_File())
@click.option(
    "--other-phrase", is_flag=True, help="The backup is of another account; its recovery phrase is asked for."
)
@_phrase_file
@click.pass_context
def restore(context: click.Context, file: Path, phrase_file: Path | None, *, other_phrase: bool) -> int:
    """Put a backup's contacts and messages beside what is here. What is here already stays as it is."""
    words = None
    if phrase_file is not None:
        words = phrases.read_file(phrase_file)
    elif other_phrase:
        words = phrases.ask()
    return carry_out(context, arguments.RestoreBackup(file=str(file), words=words), render=human_safe.render)


@click.command(
    cls=Command,
    short_help="Let messages with a contact disappear.",
    examples=("handshaker disappear bob.77", "handshaker disappear bob.77 1d", "handshaker disappear bob.77 off"),
)
@click.argument("to", metavar="CONTACT")
@click.argument("time", metavar="[TIME|off]", type=_Time(), required=False)
@click.pass_context
def disappear(context: click.Context, to: str, time: int | None) -> int:
    """Let new messages with a contact disappear so long after they are read, on both sides: 30m, 1h, 1d, 1w, or off."""
    return carry_out(context, arguments.Disappear(to=to, seconds=time), render=human_safe.render)


@click.command(
    cls=Command, short_help="Destroy everything at once.", examples=("handshaker panic", "handshaker panic --yes")
)
@click.option("--yes", is_flag=True, help="Ask nothing at all.")
@click.pass_context
def panic(context: click.Context, *, yes: bool) -> int:
    """Destroy the keys, then the files of this account, then the account on the server. There is no way back.

    It works without the network and without the passphrase: the passphrase is needed only so that the server deletes
    the account too. Where another Handshaker process has the account open, it does that without being asked.
    """
    settings = Settings.of(context)
    if not yes and not click.confirm(
        f"Destroy everything in {settings.home}? Messages and keys are gone for good", default=False, err=True
    ):
        click.echo("Nothing was changed.", err=True)
        return 2
    return panic_now(context, ask=not yes and sys.stdin.isatty())


def _new_secret(path: Path | None, prompt: str | None = None) -> str:
    if path is not None:
        return secrets.read_file(path)
    return secrets.ask_twice() if prompt is None else secrets.ask_again(prompt)
