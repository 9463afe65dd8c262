"""What can go wrong on the command line itself, before or beside the client."""

from typing import ClassVar

from handshaker_core.errors import HandshakerError
from handshaker_core.model import Contact, ContactState
from handshaker_core.net.errors import UntrustedServer


class CommandError(HandshakerError):
    """Root of the command line's errors.

    Attributes:
        code: the stable reason that callers get.
        exit: the exit code, one of `exits.ExitCode`.
    """

    reason = "command_error"
    exit: int = 2

    def __init__(self, sentence: str | None = None) -> None:
        super().__init__(sentence)
        self.code: str = self.reason


class NoServer(CommandError):
    """An account is to be made, and nobody said where."""

    reason = "no_server"
    sentence = (
        "Say which server to use: --server https://chat.example, or HANDSHAKER_SERVER in the environment. "
        "It is needed once; later commands remember it."
    )


class OtherServer(CommandError):
    """`--server` names another server than the one the account is on."""

    reason = "other_server"

    def __init__(self, server: str) -> None:
        super().__init__(
            f"The account in this directory is on {server}. "
            "Leave --server and HANDSHAKER_SERVER out, or use another --home."
        )


class OtherProxy(CommandError):
    """`--socks` names another proxy than the one that the running process uses."""

    reason = "other_proxy"
    sentence = (
        "Handshaker is running for this directory without the SOCKS proxy you name, or with another one; nothing was "
        "done. Stop it and start it again with --socks."
    )


class PassphraseNeeded(CommandError):
    """There is nobody to ask."""

    reason = "passphrase_needed"
    sentence = (
        "A passphrase is needed and there is no terminal to ask on: "
        "use --passphrase-file FILE or HANDSHAKER_PASSPHRASE_FILE."
    )


class UnusablePassphrase(CommandError):
    """The passphrase file is not fit for use."""

    reason = "unusable_passphrase"


class PassphrasesDiffer(CommandError):
    """The second passphrase was not the first."""

    reason = "passphrases_differ"
    sentence = "The two passphrases differ; nothing was made. Try again."


class UnknownContact(CommandError):
    """Nobody fits."""

    reason = "unknown_contact"


class AmbiguousContact(CommandError):
    """More than one fits."""

    reason = "ambiguous_contact"


class NotYetConnected(CommandError):
    """There is no conversation with this contact, and the sentence says what is missing."""

    reason = "not_connected"

    _WHY: ClassVar[dict[ContactState, str]] = {
        ContactState.REQUESTED: "{name} has not answered your request yet; messages can be sent once they accept.",
        ContactState.ASKING: "{name} wants to connect with you. Accept first: handshaker requests",
        ContactState.CLOSED: "You are not connected with {name}. To ask again: handshaker connect",
    }

    def __init__(self, contact: Contact) -> None:
        super().__init__(self._WHY[contact.state].format(name=contact.name))


class UsernameTaken(CommandError):
    """The account was made, but its name belongs to somebody else."""

    reason = "username_taken"
    sentence = (
        "This username is taken. Your account is made, without a username; "
        "run register again with another one, or without."
    )
    exit = 3


class HasUsername(CommandError):
    """Registering again, under another name."""

    reason = "has_username"

    def __init__(self, username: str) -> None:
        super().__init__(
            f"This directory already holds the account {username}. For another account use another --home."
        )


class ServerNotReached(CommandError):
    """The connection could not be made."""

    reason = "unreachable"
    sentence = "The server cannot be reached. Check the network and the server's address, and try again."
    exit = 4

    def __init__(self, reason: str | None = None, sentence: str | None = None) -> None:
        super().__init__(sentence)
        self.code = reason or self.reason
        if reason == UntrustedServer.reason:
            self.exit = 5


class ServerNotTold(CommandError):
    """Logged out on this machine alone."""

    reason = "server_not_told"
    sentence = "You are logged out on this machine, but the server could not be told: there the session ends by itself."
    exit = 4


class UnknownRequest(CommandError):
    """No such connection request."""

    reason = "unknown_request"


class MessageNotText(CommandError):
    """Standard input holds something else than text."""

    reason = "not_text"
    sentence = "The message is not UTF-8 text; nothing was sent."


class MessageTooLong(CommandError):
    """Standard input holds more than any message."""

    reason = "message_too_long"
    sentence = "The message is longer than a megabyte; nothing was sent."


class AlreadyServed(CommandError):
    """A second daemon for one directory."""

    reason = "already_serving"

    def __init__(self, serving: str, process: int) -> None:
        super().__init__(
            f"Handshaker is running for this directory already: `handshaker {serving}`, process {process}. "
            "Other commands work through it; to start anew, stop it first."
        )


class OpenElsewhere(CommandError):
    """A command that asks its user while it goes on, and another process has the account open."""

    reason = "open_elsewhere"
    sentence = (
        "Another process has this account open (`receive --follow` or `daemon`), and this command asks you something while "
        "it works. Stop that process first; start it again afterwards."
    )


class BadCall(CommandError):
    """The other process does not know the command, or not these arguments."""

    reason = "bad_call"


class ServingProcessGone(CommandError):
    """The process that served the command ended in the middle."""

    reason = "daemon_stopped"
    sentence = "The Handshaker process that was carrying this out has stopped. Run the command again."
    exit = 4


class OtherVersion(CommandError):
    """The other process speaks another version of the local protocol."""

    reason = "daemon_version"
    sentence = "Another version of Handshaker is running for this directory. Stop it, then run the command again."
    exit = 1


class RemoteFailure(CommandError):
    """What went wrong in the process that carried the command out, told again here."""

    reason = "remote_failure"

    def __init__(self, reason: str, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.code = reason
        self.exit = exit_code
