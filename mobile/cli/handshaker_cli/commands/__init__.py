"""The commands and their help. Each one makes an arguments object and has it carried out."""

from importlib import metadata

import click

from handshaker_cli.commands import account, devices, messages, people, pgp, safe, serving, session
from handshaker_cli.options import InOrder, common_options

_HELP = "Private messages, end-to-end encrypted, over a server that does not learn who talks to whom."

_EPILOG = """\b
A first conversation:
  handshaker --server https://chat.example register --username alice.42
  handshaker connect bob.77 -m "Hello, it is Alice"
  handshaker receive --follow          shows bob's answer and messages
  handshaker send bob.77 "How are you?"

\b
Exit codes:
  0 done   1 this machine failed   2 usage   3 refused by the server
  4 unreachable   5 not verified   130 interrupted

Every option may also stand after the command. More and examples: handshaker COMMAND --help
"""


def _version() -> str:
    try:
        return metadata.version("handshaker-cli")
    except metadata.PackageNotFoundError:
        return "(not installed: runs from its source)"


handshaker = InOrder(
    "handshaker",
    params=common_options(hidden=False),
    help=_HELP,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
click.version_option(_version(), message="handshaker %(version)s")(handshaker)

for command in (
    account.register,
    account.whoami,
    people.search,
    people.connect,
    people.requests,
    people.accept,
    people.reject,
    people.contacts,
    messages.send,
    messages.receive,
    messages.history,
    people.verify,
    devices.acknowledge,
    session.session,
    pgp.pgp,
    safe.disappear,
    safe.phrase,
    safe.passphrase,
    safe.keystore,
    safe.duress,
    safe.backup,
    safe.panic,
    devices.device,
    devices.recover,
    account.logout,
    account.login,
    serving.daemon,
):
    handshaker.add_command(command)
