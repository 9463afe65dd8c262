"""From an exception to what the caller is told."""

from typing import Final

from handshaker_core import client
from handshaker_core import errors as core
from handshaker_core.client import openpgp
from handshaker_core.net import errors as net
from handshaker_core.openpgp.errors import InvalidUserId
from handshaker_core.store import errors as store

from handshaker_cli.errors import CommandError
from handshaker_cli.exits import ExitCode, Failure

# The first class that fits decides, so the particular ones come first.
_BY_CLASS: Final[tuple[tuple[type[core.HandshakerError], ExitCode], ...]] = (
    (net.RefusedByServer, ExitCode.REFUSED),
    (net.UnreasonablePrice, ExitCode.REFUSED),
    (net.UntrustedServer, ExitCode.NOT_VERIFIED),
    (net.InsecureServer, ExitCode.USAGE),
    (net.BadServerAddress, ExitCode.USAGE),
    (net.BadProxyAddress, ExitCode.USAGE),
    (net.NetworkError, ExitCode.UNREACHABLE),
    (store.StoreCorrupt, ExitCode.FAILED),
    (store.StoreTooNew, ExitCode.FAILED),
    (store.StoreUnusable, ExitCode.FAILED),
    (store.KeystoreMissing, ExitCode.FAILED),
    (store.KeystoreUnavailable, ExitCode.FAILED),
    (store.BackupDamaged, ExitCode.FAILED),
    (store.BackupTooNew, ExitCode.FAILED),
    (store.StoreError, ExitCode.USAGE),
    (client.AddressGone, ExitCode.REFUSED),
    (client.UnknownUsername, ExitCode.REFUSED),
    (openpgp.NotPublished, ExitCode.REFUSED),
    (openpgp.ForeignCertificate, ExitCode.NOT_VERIFIED),
    (InvalidUserId, ExitCode.USAGE),
    (client.NewIdentity, ExitCode.NOT_VERIFIED),
    (client.NotVerified, ExitCode.NOT_VERIFIED),
    (client.AttentionNeeded, ExitCode.NOT_VERIFIED),
    (client.RecoveryRefused, ExitCode.REFUSED),
    (core.InvalidLinkCode, ExitCode.USAGE),
    (core.InvalidUsername, ExitCode.USAGE),
    (core.InvalidLink, ExitCode.USAGE),
    (core.MalformedSafetyCode, ExitCode.USAGE),
    (core.ContentTooLarge, ExitCode.USAGE),
    (core.ProtocolError, ExitCode.NOT_VERIFIED),
    (core.HandshakerError, ExitCode.USAGE),
)


# What helps on the command line, where the client's own sentence cannot know it.
_HINTS: Final[dict[type[core.HandshakerError], str]] = {
    client.NoStore: "To register: handshaker --server https://chat.example register",
    client.NotRegistered: "To register: handshaker register",
    client.LoggedOut: "To log in: handshaker login",
    client.ProxyRequired: "Use --socks 127.0.0.1:9050",
    client.NewIdentity: "To accept it: handshaker connect --new-identity",
    client.ReconnectNeeded: "To connect: handshaker connect USERNAME-OR-LINK",
    client.AlreadyConnected: "To write: handshaker send TO TEXT",
}


def explain(error: Exception) -> Failure:
    """The failure that an exception amounts to. An exception nobody foresaw is named by its class alone."""
    if isinstance(error, CommandError):
        return Failure(error.code, str(error), ExitCode(error.exit))
    if isinstance(error, core.HandshakerError):
        exit_code = next(code for kind, code in _BY_CLASS if isinstance(error, kind))
        reason = error.code if isinstance(error, net.RefusedByServer) else error.reason
        hint = _HINTS.get(type(error))
        return Failure(reason, f"{error} {hint}" if hint else str(error), exit_code)
    return Failure(
        "internal",
        f"Handshaker made a mistake of its own ({type(error).__name__}). Set HANDSHAKER_DEBUG=1 to see where.",
        ExitCode.FAILED,
    )
