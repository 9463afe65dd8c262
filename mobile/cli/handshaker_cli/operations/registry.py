"""Every operation under its name."""

from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, Final, TypeAlias

from handshaker_core.client import Client

from handshaker_cli.codec import Malformed, decode
from handshaker_cli.errors import BadCall
from handshaker_cli.operations import (
    account,
    device_arguments,
    devices,
    messages,
    people,
    pgp,
    pgp_arguments,
    safe,
    safe_arguments,
    session_arguments,
    sessions,
)
from handshaker_cli.operations import arguments as arguments_of
from handshaker_cli.operations.arguments import Arguments
from handshaker_cli.operations.results import Result

Run: TypeAlias = Callable[[Client, Any], AsyncGenerator[Result, None]]
"""Carries an operation out with an open account and the arguments of its class."""

_OPERATIONS: Final[dict[type[Arguments], Run]] = {
    arguments_of.Register: account.register,
    arguments_of.WhoAmI: account.who_am_i,
    arguments_of.LogIn: account.log_in,
    arguments_of.LogOut: account.log_out,
    arguments_of.Search: people.search,
    arguments_of.Connect: people.connect,
    arguments_of.Requests: people.requests,
    arguments_of.Accept: people.accept,
    arguments_of.Reject: people.reject,
    arguments_of.Contacts: people.contacts,
    arguments_of.Verify: people.verify,
    arguments_of.Send: messages.send,
    arguments_of.Receive: messages.receive,
    arguments_of.History: messages.history,
    session_arguments.SessionStart: sessions.start,
    session_arguments.SessionEnd: sessions.end,
    session_arguments.SessionShow: sessions.show,
    pgp_arguments.PgpExport: pgp.export,
    pgp_arguments.PgpExportSecret: pgp.export_secret,
    pgp_arguments.PgpImport: pgp.import_,
    pgp_arguments.PgpFetch: pgp.fetch,
    pgp_arguments.PgpShow: pgp.show,
    pgp_arguments.PgpPublish: pgp.publish,
    pgp_arguments.PgpUnpublish: pgp.unpublish,
    pgp_arguments.PgpEncrypt: pgp.encrypt,
    pgp_arguments.PgpDecrypt: pgp.decrypt,
    pgp_arguments.PgpSign: pgp.sign,
    pgp_arguments.PgpVerify: pgp.verify,
    pgp_arguments.PgpHistory: pgp.history,
    safe_arguments.ShowPhrase: safe.show_phrase,
    safe_arguments.CheckPhrase: safe.check_phrase,
    safe_arguments.ChangePassphrase: safe.change_passphrase,
    safe_arguments.Keystore: safe.keystore,
    safe_arguments.SetDuress: safe.set_duress,
    safe_arguments.ClearDuress: safe.clear_duress,
    safe_arguments.CreateBackup: safe.create_backup,
    safe_arguments.RestoreBackup: safe.restore_backup,
    safe_arguments.Disappear: safe.disappear,
    safe_arguments.Panic: safe.panic,
    device_arguments.ListDevices: devices.list_devices,
    device_arguments.RemoveDevice: devices.remove_device,
    device_arguments.Acknowledge: devices.acknowledge,
}
_BY_NAME: Final[dict[str, type[Arguments]]] = {kind.command: kind for kind in _OPERATIONS}


def run(client: Client, arguments: Arguments) -> AsyncGenerator[Result, None]:
    """Start the operation that the arguments are for."""
    return _OPERATIONS[type(arguments)](client, arguments)


def read_call(command: str, content: Mapping[str, object]) -> Arguments:
    """The arguments that another process sends.

    Raises:
        BadCall: there is no operation of that name, or the arguments do not fit it.
    """
    kind = _BY_NAME.get(command)
    if kind is None:
        raise BadCall("The process that serves this directory does not know this command.")
    try:
        return decode(kind, content)
    except Malformed as error:
        raise BadCall(f"The arguments of the command do not fit: {error}") from None
