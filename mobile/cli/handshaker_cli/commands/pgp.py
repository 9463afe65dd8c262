"""Commands with OpenPGP."""

from datetime import datetime
from pathlib import Path

import click

from handshaker_cli.exits import ExitCode
from handshaker_cli.operations import pgp_arguments as arguments
from handshaker_cli.operations.results import Checked, Result
from handshaker_cli.options import Command, InOrder
from handshaker_cli.output import human_pgp
from handshaker_cli.run import carry_out

_ENDINGS = (".gpg", ".pgp", ".asc")
_EPILOG = """\b
Examples:
  handshaker pgp export > alice.asc       your certificate, to give to others
  handshaker pgp fetch bob.77             their certificate, if they published it
  handshaker pgp encrypt plan.txt bob.77  for Bob and you, signed by you
  handshaker pgp history                  all your conversations, encrypted to you
"""


class _Path(click.Path):
    """A file name, made absolute: another process may carry the command out."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, path_type=Path)

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        return Path(str(super().convert(str(value), param, ctx))).expanduser().absolute()


_FILE = _Path()
_output = click.option("-o", "--output", metavar="FILE", type=_FILE, help="Where to write. Nothing is written over.")


@click.group("pgp", cls=InOrder, short_help="OpenPGP: certificates, files, an encrypted history.", epilog=_EPILOG)
def pgp() -> None:
    """OpenPGP beside the messenger: prove who you are to people who use it, and encrypt files.

    Your OpenPGP key follows from your recovery phrase, and your messenger identity signs for it. It works with GnuPG and
    other programs. Messages to contacts never use it: whoever gets an OpenPGP key can read everything that was ever
    encrypted to it.
    """


@pgp.command(
    cls=Command,
    short_help="Show or write your certificate.",
    examples=(
        "handshaker pgp export",
        'handshaker pgp export --name "Alice Example" -o alice.asc',
        "handshaker pgp export --secret --protect-with passphrase.txt -o secret.asc",
    ),
)
@click.option("--name", metavar="TEXT", help="Put this name into it. Without it, it names nobody.")
@click.option("--secret", is_flag=True, help="The secret key instead. Needs --protect-with and -o.")
@click.option(
    "--protect-with", metavar="FILE", type=_FILE, help="The passphrase for the secret key, in a file only you may read."
)
@_output
@click.pass_context
def export(
    context: click.Context, name: str | None, protect_with: Path | None, output: Path | None, *, secret: bool
) -> int:
    """Show your certificate, to give to others, or write it to a file.

    With --secret, the secret key, to use it with GnuPG. Think twice: whoever has it and its passphrase can sign as you,
    and read every file that was ever encrypted to you.
    """
    if not secret:
        if protect_with is not None:
            raise click.UsageError("--protect-with is for --secret only: a certificate is no secret.", context)
        wanted = arguments.PgpExport(name=name, file=None if output is None else str(output))
        return carry_out(context, wanted, render=human_pgp.exported)
    if protect_with is None or output is None:
        raise click.UsageError(
            "--secret needs --protect-with FILE, a passphrase, and -o FILE, where to write.", context
        )
    asked = arguments.PgpExportSecret(file=str(output), protect_with=str(protect_with), name=name)
    return carry_out(context, asked, render=human_pgp.render)


@pgp.command(
    "import",
    cls=Command,
    short_help="Keep a contact's certificate from a file.",
    examples=("handshaker pgp import bob.77 bob.asc",),
)
@click.argument("to", metavar="CONTACT")
@click.argument("file", metavar="FILE", type=_FILE)
@click.pass_context
def import_(context: click.Context, to: str, file: Path) -> int:
    """Keep a contact's certificate from a file, if it belongs to exactly this contact.

    It does not verify the contact: for that, compare safety numbers (handshaker verify).
    """
    return carry_out(context, arguments.PgpImport(to=to, file=str(file)), render=human_pgp.kept)


@pgp.command(
    cls=Command,
    short_help="Get a contact's certificate from the server.",
    examples=("handshaker pgp fetch bob.77",),
)
@click.argument("to", metavar="CONTACT")
@click.pass_context
def fetch(context: click.Context, to: str) -> int:
    """Get a contact's certificate from the server, and keep it if it belongs to exactly this contact.

    The server does not learn who asks.
    """
    return carry_out(context, arguments.PgpFetch(to=to), render=human_pgp.kept)


@pgp.command(cls=Command, short_help="Show a contact's certificate.", examples=("handshaker pgp show bob.77",))
@click.argument("to", metavar="CONTACT")
@click.pass_context
def show(context: click.Context, to: str) -> int:
    """Show a contact's certificate that is here."""
    return carry_out(context, arguments.PgpShow(to=to), render=human_pgp.render)


@pgp.command(
    cls=Command,
    short_help="Have the server give your certificate out.",
    examples=("handshaker pgp publish",),
)
@click.pass_context
def publish(context: click.Context) -> int:
    """Have the server give your certificate, without a name, to those who have your contact address."""
    return carry_out(context, arguments.PgpPublish(), render=human_pgp.published)


@pgp.command(cls=Command, short_help="Have the server forget it.", examples=("handshaker pgp unpublish",))
@click.pass_context
def unpublish(context: click.Context) -> int:
    """Have the server forget your certificate. Copies that others have stay."""
    return carry_out(context, arguments.PgpUnpublish(), render=human_pgp.render)


@pgp.command(
    cls=Command,
    short_help="Encrypt and sign a file.",
    examples=(
        "handshaker pgp encrypt plan.txt bob.77",
        "handshaker pgp encrypt --armor plan.txt bob.77 carol.5 -o plan.asc",
    ),
)
@click.argument("file", metavar="FILE", type=_FILE)
@click.argument("to", metavar="[CONTACT]...", nargs=-1)
@click.option("--armor", is_flag=True, help="As text, to paste somewhere.")
@_output
@click.pass_context
def encrypt(context: click.Context, file: Path, to: tuple[str, ...], output: Path | None, *, armor: bool) -> int:
    """Encrypt a file for contacts whose certificates are here, and for yourself, and sign it.

    Without -o it is written beside FILE, with .gpg (or .asc) after its name.
    """
    target = output or file.with_name(file.name + (".asc" if armor else ".gpg"))
    wanted = arguments.PgpEncrypt(file=str(file), output=str(target), to="\n".join(to), armor=armor)
    return carry_out(context, wanted, render=human_pgp.render)


@pgp.command(
    cls=Command,
    short_help="Decrypt a file and check who signed it.",
    examples=("handshaker pgp decrypt plan.txt.gpg", "handshaker pgp decrypt message.asc -o message.txt"),
)
@click.argument("file", metavar="FILE", type=_FILE)
@_output
@click.pass_context
def decrypt(context: click.Context, file: Path, output: Path | None) -> int:
    """Decrypt a file, or open one that is only signed, and say who signed it.

    A file that was altered leaves nothing behind. The exit code is 0 when you or a contact has signed it, and 5 when
    nobody known has. Without -o it is written beside FILE, without .gpg, .pgp or .asc after its name.
    """
    if output is None and file.suffix not in _ENDINGS:
        raise click.UsageError("Say where to write: -o FILE", context)
    target = output or file.with_suffix("")
    wanted = arguments.PgpDecrypt(file=str(file), output=str(target))
    return carry_out(context, wanted, render=human_pgp.render, judge=_judge_signed)


@pgp.command(
    cls=Command,
    short_help="Sign a file.",
    examples=("handshaker pgp sign contract.pdf",),
)
@click.argument("file", metavar="FILE", type=_FILE)
@_output
@click.pass_context
def sign(context: click.Context, file: Path, output: Path | None) -> int:
    """Sign a file. The signature goes to a file of its own: FILE.asc, unless -o says otherwise."""
    target = output or file.with_name(file.name + ".asc")
    return carry_out(context, arguments.PgpSign(file=str(file), output=str(target)), render=human_pgp.render)


@pgp.command(
    cls=Command,
    short_help="Check who signed a file.",
    examples=("handshaker pgp verify contract.pdf", "handshaker pgp verify contract.pdf contract.pdf.sig"),
)
@click.argument("file", metavar="FILE", type=_FILE)
@click.argument("signature", metavar="[SIGNATURE]", type=_FILE, required=False)
@click.pass_context
def verify(context: click.Context, file: Path, signature: Path | None) -> int:
    """Check a file against its separate signature, FILE.asc unless you name another.

    The exit code is 0 when you or a contact has signed exactly this file, and 5 otherwise.
    """
    beside = signature or file.with_name(file.name + ".asc")
    wanted = arguments.PgpVerify(file=str(file), signature=str(beside))
    return carry_out(context, wanted, render=human_pgp.render, judge=_judge_signed)


@pgp.command(
    cls=Command,
    short_help="Export all conversations, encrypted.",
    examples=("handshaker pgp history", "handshaker pgp history -o backup.jsonl.gpg carol.5"),
)
@click.argument("to", metavar="[CONTACT]...", nargs=-1)
@_output
@click.pass_context
def history(context: click.Context, to: tuple[str, ...], output: Path | None) -> int:
    """Export all conversations into one file, encrypted to you, and to contacts if you name some.

    Inside is one JSON object a line. To read it: handshaker pgp decrypt, or GnuPG with your secret key.
    """
    target = output or Path.cwd() / f"handshaker-history-{datetime.now().astimezone():%Y-%m-%d}.jsonl.gpg"
    return carry_out(context, arguments.PgpHistory(output=str(target), to="\n".join(to)), render=human_pgp.render)


def _judge_signed(result: Result) -> ExitCode:
    unproven = isinstance(result, Checked) and result.signature != "good"
    return ExitCode.NOT_VERIFIED if unproven else ExitCode.DONE
